import aiohttp


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession().get(url) as response:  # expect: LC001
        return await response.text()
