import aiohttp


class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._own = session is None
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._own:
            await self._session.close()


class Lazy:
    _session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


lazy = Lazy()
