import aiohttp


class Client:
    def __init__(self) -> None:
        self._connector = aiohttp.TCPConnector()
        self._session = aiohttp.ClientSession(connector=self._connector)  # expect: LC002

    async def aclose(self) -> None:
        print(self._connector)
