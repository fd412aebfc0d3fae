import contextlib

import aiohttp


async def fetch(url: str) -> str:
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        response = await stack.enter_async_context(session.get(url))
        return await response.text()


async def fetch_by_callback(url: str) -> str:
    async with contextlib.AsyncExitStack() as stack:
        session = aiohttp.ClientSession()
        stack.push_async_callback(session.close)
        response = await stack.enter_async_context(session.get(url))
        return await response.text()
