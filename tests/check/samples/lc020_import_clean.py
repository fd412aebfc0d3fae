import aiohttp

session: aiohttp.ClientSession | None = None


async def fetch(url: str, session: aiohttp.ClientSession) -> str:
    async with session.get(url) as response:
        return await response.text()
