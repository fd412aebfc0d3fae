import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()  # expect: LC002

    async def fetch(self, url: str) -> str:
        async with self._session.get(url) as response:
            return await response.text()


class Twin:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self._session.close()
