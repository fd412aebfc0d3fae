import aiohttp


def make_fetcher():
    session = None

    async def fetch(url: str) -> str:
        nonlocal session
        if session is None:
            session = aiohttp.ClientSession()  # expect: LC001
        async with session.get(url) as response:
            return await response.text()

    return fetch
