import aiohttp


class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._session = session or aiohttp.ClientSession()  # expect: LC033

    async def aclose(self) -> None:
        await self._session.close()
