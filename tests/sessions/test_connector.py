"""The connector looks at a connection before it is used again, retires old ones, names who holds the pool."""

import asyncio
import logging
import select
import ssl

import aiohttp
import pytest
import trustme
from aiohttp import web

from lastcall.sessions import SessionManager, SessionProfile, connector
from lastcall.testing import LoopbackServer


async def fetch(session: aiohttp.ClientSession, url: str) -> int:
    """Make one request and return its status."""
    async with session.post(url) as response:
        await response.read()
        return response.status


def closes_silently() -> web.Application:
    """Answer as if the connection were kept alive, and close it a moment later."""

    async def answer(request: web.Request) -> web.Response:
        response = web.Response(text="kept alive, it seems")
        await response.prepare(request)
        await response.write_eof()
        assert request.transport is not None
        asyncio.get_running_loop().call_later(0.002, request.transport.close)
        return response

    app = web.Application()
    app.router.add_post("/", answer)
    return app


async def failures_of(session: aiohttp.ClientSession, url: str, requests: int) -> int:
    """Post each time after the server has closed the idle connection and before the loop has noticed."""
    failed = 0
    for _ in range(requests):
        try:
            await fetch(session, url)
        except aiohttp.ClientConnectionError:
            failed += 1
        assert session.connector is not None
        for pooled in session.connector._conns.values():
            for handler, _since in pooled:
                assert handler.transport is not None
                number = handler.transport.get_extra_info("socket").fileno()
                assert select.select([number], [], [], 5)[0]  # blocks the loop until the end has arrived
    return failed


async def test_a_connection_closed_silently_is_not_used_again() -> None:
    """Where a plain session loses POSTs to stale connections, a shared one loses none."""
    with LoopbackServer(closes_silently) as server:
        async with SessionManager() as sessions:
            assert await failures_of(await sessions.get(), server.url, 100) == 0
        async with aiohttp.ClientSession() as plain:
            assert await failures_of(plain, server.url, 10) > 0


async def test_over_tls_too() -> None:
    """The look works on the socket beneath TLS, and a healthy TLS connection is used again."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    sessions = SessionManager(SessionProfile(ssl=trust))
    with LoopbackServer(closes_silently, ssl=context) as stale, LoopbackServer(ssl=context) as healthy:
        session = await sessions.get()
        assert await failures_of(session, stale.url, 10) == 0
        for _ in range(10):
            assert await fetch(session, healthy.url) == 200
        await sessions.close()
        assert healthy.connections_opened == 1
        assert await healthy.await_until_no_connections()


async def test_where_there_is_no_poll_select_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no `poll`; stale connections are seen there too, and healthy ones used again."""
    monkeypatch.delattr(select, "poll", raising=False)
    async with SessionManager() as sessions:
        session = await sessions.get()
        with LoopbackServer(closes_silently) as stale, LoopbackServer() as healthy:
            assert await failures_of(session, stale.url, 10) == 0
            for _ in range(3):
                await fetch(session, healthy.url)
            assert healthy.connections_opened == 1


async def test_a_healthy_connection_is_used_again(sessions: SessionManager, server: LoopbackServer) -> None:
    """Looking costs no connection."""
    session = await sessions.get()
    for _ in range(50):
        await fetch(session, server.url)
    assert server.connections_opened == 1


async def test_an_aged_connection_is_retired(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `max_age`, less a little jitter, a connection is replaced by a new one."""
    clock = Clock()
    monkeypatch.setattr("lastcall.sessions.handler.time", clock)
    monkeypatch.setattr("lastcall.sessions.connector.time", clock)
    async with SessionManager(SessionProfile(max_age=100, keepalive=10_000)) as sessions:
        session = await sessions.get()
        for now, connections in ((0, 1), (97, 1), (100, 2), (197, 2), (200, 3)):
            clock.now = now
            await fetch(session, server.url)
            assert server.connections_opened == connections
        assert await server.await_until_connections(1)


class Clock:
    """Stands for the module `time`."""

    now = 0.0

    def monotonic(self) -> float:
        """Return the seconds that were set."""
        return self.now

    time = monotonic


async def test_an_exhausted_pool_is_reported(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning says which host, the limit, how many wait, and which lines hold the connections."""
    monkeypatch.setattr(connector, "_WAIT_REPORTED_AFTER", 0.05)
    async with SessionManager(SessionProfile("api", limit_per_host=2), grace=0) as sessions:
        session = await sessions.get("api")

        async def hold() -> None:
            async with session.get(server.url + "/stall?token=secret") as response:
                await response.read()  # this is the line to name

        with caplog.at_level(logging.WARNING, "lastcall"):
            holders = [asyncio.create_task(hold(), name=f"holder {n}") for n in range(2)]
            assert await server.await_until(lambda: len(server.requests) == 2)
            waiters = [asyncio.create_task(session.get(server.url)) for _ in range(3)]
            async with asyncio.timeout(5):
                while not caplog.records:  # noqa: ASYNC110 - a log record has no event
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.06)
        (record,) = caplog.records
        message = record.getMessage()
        for part in (
            "'api'",
            "127.0.0.1",
            "limit_per_host=2",
            "3 calls wait",
            "2 x GET",
            "/stall at ",
            "holder 0",
        ):
            assert part in message
        assert "test_connector.py:" in message
        assert "secret" not in message
        server.release()
        await asyncio.gather(*holders)
        for response in await asyncio.gather(*waiters):
            response.release()
