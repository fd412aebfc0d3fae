import aiohttp


async def is_up(session_needed: bool) -> bool:
    session = aiohttp.ClientSession()  # expect: LC003
    if not session_needed:
        return False
    await session.close()
    return True
