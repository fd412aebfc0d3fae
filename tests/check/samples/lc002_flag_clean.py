import aiohttp


class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._own = session is None
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._own:
            await self._session.close()


class Taker:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def aclose(self) -> None:
        await self._session.close()


async def main() -> None:
    taker = Taker(aiohttp.ClientSession())
    await taker.aclose()
    async with aiohttp.ClientSession() as session:
        client = Client(session=session)
        await client.aclose()
