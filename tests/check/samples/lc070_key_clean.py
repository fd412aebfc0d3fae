import asyncio

import aiohttp

_by_loop: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}


def by_loop() -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        _by_loop[loop] = aiohttp.ClientSession()
    return _by_loop[loop]


async def close() -> None:
    session = _by_loop.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()
