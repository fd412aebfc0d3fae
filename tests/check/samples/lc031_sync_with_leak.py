import aiohttp


async def fetch(url: str) -> str:
    with aiohttp.ClientSession() as session:  # expect: LC031
        async with session.get(url) as response:
            return await response.text()
