import aiohttp


async def fetch(url: str) -> str | None:
    session = aiohttp.ClientSession()
    text = None
    try:
        async with session.get(url) as response:
            text = await response.text()
    except Exception:
        print("failed")
    await session.close()
    return text
