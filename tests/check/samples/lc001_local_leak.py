import aiohttp


async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()  # expect: LC001
    async with session.get(url) as response:
        return await response.text()
