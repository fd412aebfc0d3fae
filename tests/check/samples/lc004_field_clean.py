import aiohttp


class Client:
    _session: aiohttp.ClientSession | None = None

    async def connect(self) -> None:
        await self.aclose()
        self._session = aiohttp.ClientSession()

    async def reconnect(self) -> None:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
