import aiohttp


async def fetch(url: str) -> str | None:
    session = aiohttp.ClientSession()  # expect: LC003
    try:
        async with session.get(url) as response:
            text = await response.text()
        await session.close()
        return text
    except aiohttp.ClientError:
        return None
