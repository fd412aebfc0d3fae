import aiohttp


class Client:
    def __init__(self) -> None:
        self.http_session = aiohttp.ClientSession()
