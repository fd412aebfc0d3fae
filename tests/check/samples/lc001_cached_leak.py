import functools

import aiohttp


@functools.lru_cache
def get_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()  # expect: LC001


async def fetch(url: str) -> str:
    async with get_session().get(url) as response:
        return await response.text()
