import aiohttp

session = aiohttp.ClientSession()  # expect: LC020


class Client:
    session = aiohttp.ClientSession()  # expect: LC020


async def fetch(url: str, session: aiohttp.ClientSession = aiohttp.ClientSession()) -> str:  # expect: LC020
    async with session.get(url) as response:
        return await response.text()
