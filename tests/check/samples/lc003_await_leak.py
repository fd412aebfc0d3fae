import aiohttp


async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()  # expect: LC003
    response = await session.get(url)
    text = await response.text()
    await session.close()
    return text
