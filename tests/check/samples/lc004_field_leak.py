import aiohttp


class Client:
    async def connect(self) -> None:
        self._session = aiohttp.ClientSession()  # expect: LC004 medium

    async def aclose(self) -> None:
        await self._session.close()
