import aiohttp


class Client:
    _session: aiohttp.ClientSession | None = None

    async def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def fetch(self, url: str) -> str:
        session = await self.session()
        async with session.get(url) as response:
            return await response.text()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
