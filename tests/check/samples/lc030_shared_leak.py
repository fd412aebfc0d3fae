import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def fetch(self, url: str) -> str:
        async with self._session as session:  # expect: LC030
            async with session.get(url) as response:
                return await response.text()


class Borrower:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def fetch(self, url: str) -> str:
        async with self._session:  # expect: LC030
            async with self._session.get(url) as response:
                return await response.text()
