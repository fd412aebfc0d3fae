"""An application with every kind of finding on its page; run by the browser test, with a port as argument."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI

import lastcall
from lastcall.fastapi import lifespan, manager_of, sessions_page
from lastcall.testing import LoopbackServer

MARKUP = "<img src=x onerror=\"document.title='hacked'\">"


async def leak(url: str) -> None:
    """Open a session, use it, and forget it."""
    session = aiohttp.ClientSession()  # <b>not markup</b>
    async with session.get(url) as response:
        await response.read()


async def handle(url: str) -> None:
    """Stand for an endpoint, so that the stack has two frames."""
    await leak(url)


async def call(url: str) -> None:
    """Open and close a session for one request."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        await response.read()


@asynccontextmanager
async def busy(app: FastAPI) -> AsyncIterator[None]:
    """Leak, churn, and fill a pool."""
    with LoopbackServer() as upstream:
        url = str(upstream.url)
        shared = await manager_of(app).get("small")
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(handle(url), name=MARKUP)
            for _ in range(12):
                group.create_task(call(url))
        gc.collect()
        calls = [asyncio.create_task(_hold(shared, f"{url}/hang")) for _ in range(3)]
        yield
        for one in calls:
            one.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def _hold(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url):
        await asyncio.Event().wait()


if __name__ == "__main__":
    lastcall.watch("responses")
    lastcall.silence_unclosed_messages()
    application = FastAPI(lifespan=lifespan([lastcall.SessionProfile("small", limit=1)], busy))
    application.include_router(sessions_page())
    application.include_router(sessions_page("/locked", token="sesame"))
    uvicorn.run(application, fd=int(sys.argv[1]), log_level="warning")
