import aiohttp


async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()
    try:
        async with session.get(url) as response:
            return await response.text()
    finally:
        session.detach()  # expect: LC061
