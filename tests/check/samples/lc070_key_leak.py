import asyncio
import weakref

import aiohttp

_by_id: dict[int, aiohttp.ClientSession] = {}
_by_loop = weakref.WeakKeyDictionary()


def by_id() -> aiohttp.ClientSession:
    key = id(asyncio.get_running_loop())
    if key not in _by_id:
        _by_id[key] = aiohttp.ClientSession()  # expect: LC070
    return _by_id[key]


def by_loop() -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        _by_loop[loop] = aiohttp.ClientSession()  # expect: LC070
    return _by_loop[loop]


async def close() -> None:
    for session in [*_by_id.values(), *_by_loop.values()]:
        await session.close()
