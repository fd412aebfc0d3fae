"""A server that answers when it is told to, a fresh watch, and pools that are full."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

import aiohttp
import pytest
from aiohttp import web

from lastcall import ledger
from lastcall.testing import LoopbackServer

# Lanes without the extra, or without a browser's driver, still try the rest.
collect_ignore_glob = [] if find_spec("fastapi") else ["test_fastapi_page.py", "test_browser.py"]
if not find_spec("selenium"):
    collect_ignore_glob.append("test_browser.py")

WAIT_S = 10.0


@pytest.fixture(scope="session")
def upstream() -> Iterator[LoopbackServer]:
    """Start a server whose `/never` never answers, and which answers anything else."""

    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def at_once(_: web.Request) -> web.Response:
        return web.Response(text="done")

    def application() -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/never", never), web.get("/{any:.*}", at_once)])
        return app

    with LoopbackServer(application) as running:
        yield running


@pytest.fixture
def url(upstream: LoopbackServer) -> str:
    """Return its address, without a slash at the end."""
    return str(upstream.url).rstrip("/")


@pytest.fixture
def watched() -> Iterator[ledger.Watch]:
    """Begin an empty ledger."""
    ledger.unwatch()
    with ledger.watch() as handle:
        yield handle


@asynccontextmanager
async def full_pool(url: str, *, waiting: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session whose two connections are in use, while other requests wait for them."""
    connector = aiohttp.TCPConnector(limit=2)
    async with aiohttp.ClientSession(connector=connector) as session:
        calls = [asyncio.create_task(_get(session, f"{url}/never?token=s3cret")) for _ in range(2 + waiting)]
        async with asyncio.timeout(WAIT_S):
            while not _is_full(connector, waiting):  # noqa: ASYNC110 (aiohttp has no event for it)
                await asyncio.sleep(0)
        try:
            yield session
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


async def _get(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url):
        pass


def _is_full(connector: aiohttp.TCPConnector, waiting: int) -> bool:
    held = [protocol for protocol in connector._acquired if getattr(protocol, "transport", None) is not None]
    return len(held) == 2 and sum(map(len, connector._waiters.values())) == waiting
