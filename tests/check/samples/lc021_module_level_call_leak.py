import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()  # expect: LC021

    async def aclose(self) -> None:
        await self._session.close()


client = Client()
