import aiohttp


def make_fetcher():
    session = None

    async def fetch(url: str) -> str:
        nonlocal session
        if session is None:
            session = aiohttp.ClientSession()
        async with session.get(url) as response:
            return await response.text()

    async def aclose() -> None:
        if session is not None:
            await session.close()

    return fetch, aclose
