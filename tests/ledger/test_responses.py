"""Level "responses": the line of every open response, and who holds an exhausted pool."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from lastcall import ledger

pytestmark = pytest.mark.usefixtures("watched_closely")

BIG = "/bytes/10000000"


async def _await(session: aiohttp.ClientSession, url: str) -> Any:
    return await session.get(url)  # the line


async def _gather(session: aiohttp.ClientSession, url: str) -> Any:
    return await asyncio.gather(session.get(url))  # the line


async def _wait_for(session: aiohttp.ClientSession, url: str) -> Any:
    return await asyncio.wait_for(session.get(url), 10)  # the line


async def _create_task(session: aiohttp.ClientSession, url: str) -> Any:
    task = asyncio.create_task(session._request("GET", url))  # the line
    return await task


@pytest.mark.parametrize("ask", [_await, _gather, _wait_for, _create_task])
async def test_the_line_of_an_open_response_is_named(ask: Any, url: str) -> None:
    """Whatever way a request is awaited, the line that made it is the one named."""
    async with aiohttp.ClientSession() as session:
        response = await ask(session, f"{url.rstrip('/')}{BIG}?token=secret")
        (found,) = ledger.report().responses
        for each in response if isinstance(response, list) else [response]:
            each.close()

    assert "# the line" in found.site.source
    assert (found.count, found.waiting, found.path) == (1, 0, BIG)
    assert "secret" not in str(found)


async def test_the_line_of_an_open_websocket_is_named(url: str) -> None:
    """A websocket holds its connection until it is closed."""
    async with aiohttp.ClientSession() as session:
        websocket = await session.ws_connect(f"{url.rstrip('/')}/websocket")
        (found,) = ledger.report().responses
        assert found.site.function == "test_the_line_of_an_open_websocket_is_named"

        await websocket.close()
        assert ledger.report().responses == ()


async def test_a_released_response_is_forgotten(url: str) -> None:
    """A response that was read holds nothing, and is not named."""
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            await response.read()
        assert ledger.report().responses == ()


async def test_a_failed_request_is_forgotten() -> None:
    """A request that raised holds nothing, and is not named."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://127.0.0.1:1/")
        assert ledger.report().responses == ()


async def test_an_exhausted_pool_names_who_holds_it(url: str) -> None:
    """A request that waits in vain for a connection leaves a note on the pool and its holders."""
    connector = aiohttp.TCPConnector(limit=1)
    base = url.rstrip("/")
    async with aiohttp.ClientSession(connector=connector) as session:
        held = await session.get(base + BIG)
        with pytest.raises(TimeoutError):
            await session.get(base, timeout=aiohttp.ClientTimeout(total=0.05))

        (pool,) = ledger.report().pools
        assert (pool.waits, pool.failed, pool.limit) == (1, 1, 1)
        ((holder, number),) = pool.holders
        assert holder.source == "held = await session.get(base + BIG)"
        assert number == 1
        held.close()


async def test_a_session_used_by_a_hand_written_client_is_counted(url: str) -> None:
    """Requests are counted at the connector, so below `ClientSession._request` as well."""
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(url) as response:
                await response.read()
        (record,) = ledger.open_sessions()
    assert (record.requests, record.connections, record.peak) == (2, 1, 1)
    assert record.hosts == (url.split("/")[2],)
