import aiohttp


async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()
    try:
        response = await session.get(url)
        return await response.text()
    finally:
        await session.close()


async def fetch_or_not(url: str) -> str | None:
    session = None
    try:
        session = aiohttp.ClientSession()
        response = await session.get(url)
        return await response.text()
    except aiohttp.ClientError:
        return None
    finally:
        if session is not None:
            await session.close()


async def fetch_with_flag(url: str, session: aiohttp.ClientSession | None = None) -> str:
    own = session is None
    if own:
        session = aiohttp.ClientSession()
    try:
        async with session.get(url) as response:
            return await response.text()
    finally:
        if own:
            await session.close()


async def fetch_by_handler(url: str) -> str:
    session = aiohttp.ClientSession()
    try:
        response = await session.get(url)
        text = await response.text()
    except Exception:
        await session.close()
        raise
    await session.close()
    return text
