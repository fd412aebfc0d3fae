"""Sessions and wires that take the short way, or aiohttp's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

import aiohttp
import pytest

from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.sessions import SessionManager, SessionProfile
from lastcall.testing import OpenAIServer

from .raw import until

Way = Literal["short", "own"]


@pytest.fixture(params=["short", "own"])
def way(request: pytest.FixtureRequest) -> Way:
    """The way that requests take: behaviour must not depend on it."""
    chosen: Way = request.param
    return chosen


@pytest.fixture
async def session(way: Way) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose requests take that way: one that is traced must be seen by the tracer."""
    traces = [aiohttp.TraceConfig()] if way == "own" else None
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trace_configs=traces) as opened:
        yield opened
        connector = opened.connector
        assert connector is not None
        # After [DONE] the end of a body is still waited for.
        await until(lambda: not connector._acquired)


@pytest.fixture
def wire(session: aiohttp.ClientSession, way: Way) -> Wire:
    """A wire over that session."""
    made = Wire(session)
    assert (made.reason is None) == (way == "short")
    return made


@pytest.fixture
async def short_wire() -> AsyncIterator[Wire]:
    """A wire that takes the short way, for what is its own."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as opened:
        made = Wire(opened)
        assert made.reason is None
        yield made


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    """A manager with a profile for models."""
    made = SessionManager(SessionProfile("llm", limit=0, limit_per_host=0), grace=0.0)
    yield made
    await made.close()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A model server with a script, in a thread of its own."""
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def chat(server: OpenAIServer) -> Target:
    """The target for chats with that server."""
    return Target.make(server.base_url, "/chat/completions", headers={"Authorization": "Bearer key"})


@pytest.fixture
def body() -> Callable[..., bytes]:
    """Makes the body of a chat; `stream=True` and the like are added."""

    def make(text: str = "hello", **fields: Any) -> bytes:
        messages = [{"role": "user", "content": text}]
        return json.dumps({"model": "lastcall-echo", "messages": messages, **fields}).encode()

    return make


@pytest.fixture
def patient() -> Timeouts:
    """Limits that no test reaches unless something hangs."""
    return Timeouts(attempt=10, connect=5, between_chunks=5)
