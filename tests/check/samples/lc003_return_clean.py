import aiohttp


async def is_up(session_needed: bool) -> bool:
    session = aiohttp.ClientSession()
    if not session_needed:
        await session.close()
        return False
    await session.close()
    return True
