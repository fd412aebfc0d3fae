"""Typical calls, checked by mypy and never run: what is inferred here is part of the interface."""

from typing import assert_type

import aiohttp

import lastcall
from lastcall import (
    Evidence,
    Leak,
    Report,
    SessionManager,
    SessionProfile,
    SessionRecord,
    SharedSession,
    close_shared_session,
    count_unclosed_sessions,
    get_shared_session,
)
from lastcall.sessions import ClosedSession, LentSession
from lastcall.testing import LoopbackServer, OpenAIServer


async def own() -> None:
    """Sessions of a manager are aiohttp's, and what closing returns can be looked into."""
    profile = SessionProfile(
        "api", base_url="https://api.example.com", limit=10, timeout=30.0, read_bufsize=1024
    )
    async with SessionManager(profile, SessionProfile("other", ssl=False), grace=1.0) as sessions:
        assert_type(sessions, SessionManager)
        session = await sessions.get("api")
        assert_type(session, SharedSession)
        plain: aiohttp.ClientSession = session
        async with plain.get("/user", params={"page": 1}) as response:
            assert_type(response, aiohttp.ClientResponse)
        async with await sessions.get_session() as same:
            assert_type(same, aiohttp.ClientSession)
        assert_type(await sessions.lend("api", headers={"X-A": "b"}, cookies={"a": "b"}), LentSession)
        closed = await sessions.close(grace=0.5)
        assert_type(closed, tuple[ClosedSession, ...])
        assert_type([request.host for one in closed for request in one.cut_off], list[str])


async def share() -> None:
    """The process-wide manager needs no set-up."""
    session: aiohttp.ClientSession = await get_shared_session()
    await session.get("https://api.example.com/")
    await close_shared_session(grace=1)


def find() -> None:
    """The ledger answers with plain frozen data."""
    with lastcall.watch("responses"), lastcall.label("checkout"):
        assert_type(count_unclosed_sessions(), int)
    assert_type(lastcall.open_sessions(), tuple[SessionRecord, ...])
    assert_type(lastcall.leaks(idle_after=60), tuple[Leak, ...])
    report = lastcall.report()
    assert_type(report, Report)
    for leak in report.leaks:
        assert_type(leak.evidence, Evidence)
        assert_type((leak.site.file, leak.site.line, leak.count), tuple[str, int, int])
    lastcall.unwatch()


def serve() -> None:
    """Servers for tests are context managers, and say where they are."""
    with LoopbackServer() as server, OpenAIServer() as openai:
        assert_type(server.url + openai.url, str)
        assert_type(server.wait_until_no_connections(1.0), bool)
