import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        self._session.close()  # expect: LC005


async def fetch(url: str) -> None:
    session = aiohttp.ClientSession()
    try:
        await session.get(url)
    finally:
        session.close()  # expect: LC005


async def shut(session: aiohttp.ClientSession) -> None:
    session.close()  # expect: LC005
