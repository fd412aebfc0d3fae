import aiohttp


class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._owns_session = session is None
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._owns_session:
            await self._session.close()


class Asking:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._external = session
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._external:
            return
        await self._session.close()
