import contextlib

import aiohttp


async def fetch(url: str) -> str:
    async with contextlib.AsyncExitStack() as stack:
        session = aiohttp.ClientSession()  # expect: LC001
        response = await stack.enter_async_context(session.get(url))
        return await response.text()
