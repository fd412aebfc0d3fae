import aiohttp


class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._own = session is None
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._own:
            await self._session.close()


async def main() -> None:
    session = aiohttp.ClientSession()  # expect: LC002
    client = Client(session=session)
    await client.aclose()
