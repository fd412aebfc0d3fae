import asyncio

import aiohttp


def make_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(raise_for_status=True)


async def make_session_later() -> aiohttp.ClientSession:
    await asyncio.sleep(0)
    return make_session()


async def fetch(url: str) -> str:
    async with make_session() as session, session.get(url) as response:
        return await response.text()


async def fetch_later(url: str) -> str:
    session = await make_session_later()
    try:
        async with session.get(url) as response:
            return await response.text()
    finally:
        await session.close()
