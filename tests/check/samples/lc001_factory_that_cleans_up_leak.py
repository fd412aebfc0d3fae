import aiohttp


async def connect(url: str) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession()
    try:
        await session.get(url)
    except Exception:
        await session.close()
        raise
    return session


async def use(url: str) -> None:
    session = await connect(url)  # expect: LC001
    print(session)
