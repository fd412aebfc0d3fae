"""Limits of time, each found by the sweep or by aiohttp, and what happens to the connection."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable

import aiohttp
import pytest

from lastcall.llm.errors import TimedOutError, TruncatedError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.testing import Answer, OpenAIServer

from .asking import asked
from .raw import PATIENCE, Peer, RawServer, until

Body = Callable[..., bytes]


async def silent(peer: Peer) -> None:
    """Read the request and never answer."""
    await peer.request()
    await peer.gone()


async def stalled(peer: Peer) -> None:
    """Begin a stream, go on for a while, and stop."""
    await peer.request()
    await peer.stream(end=False)
    for _ in range(8):
        await peer.send(b"a\r\ndata: {}\n\n\r\n")
        await asyncio.sleep(0.03)
    await peer.gone()


@pytest.mark.parametrize("how", ["post", "collect", "open"])
@pytest.mark.parametrize(
    ("limit", "timeouts"),
    [
        ("attempt", Timeouts(attempt=0.1)),
        ("total", Timeouts(total=0.1)),
        ("first_byte", Timeouts(first_byte=0.1)),
        ("first_byte", Timeouts(first_byte=0.1, attempt=None, between_chunks=None, connect=None)),
    ],
)
async def test_an_answer_that_does_not_begin_is_given_up(
    wire: Wire, how: str, limit: str, timeouts: Timeouts
) -> None:
    """The error says which limit it was and how long, and the connection is closed."""
    async with RawServer(silent) as raw:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(TimedOutError, match=r"within 0\.1 s") as caught:
                await asked(wire, how, Target.make(raw.url, "/x", headers={}), b"{}", timeouts)
            await raw.peers[0].ended.wait()
        assert (caught.value.limit, caught.value.seconds) == (limit, 0.1)
        assert caught.value.server == raw.url
        assert isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize("how", ["post", "collect", "open"])
async def test_a_stalled_answer_is_found(wire: Wire, how: str) -> None:
    """It takes longer than the limit in all, and stalls only in the end; what came is in the error."""
    async with RawServer(stalled) as raw:
        async with asyncio.timeout(PATIENCE):
            to = Target.make(raw.url, "/x", headers={})
            with pytest.raises(TimedOutError) as caught:
                await asked(wire, how, to, b"{}", Timeouts(between_chunks=0.2))
            await raw.peers[0].ended.wait()
        assert (caught.value.limit, caught.value.seconds) == ("between_chunks", 0.2)
        assert caught.value.status == 200
        assert caught.value.chunks == (() if how == "post" else (b"{}",) * 8)
        assert caught.value.body == (b"data: {}\n\n" * 8 if how == "post" else b"")


@pytest.mark.parametrize("how", ["collect", "open"])
async def test_a_stream_that_goes_on_and_on_meets_the_limit_of_the_attempt(wire: Wire, how: str) -> None:
    """Progress is no excuse: the limit of the whole counts from the beginning."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(end=False)
        while True:
            await peer.send(b"a\r\ndata: {}\n\n\r\n")
            await asyncio.sleep(0.01)

    async with RawServer(serve) as raw:
        async with asyncio.timeout(PATIENCE):
            to = Target.make(raw.url, "/x", headers={})
            with pytest.raises(TimedOutError) as caught:
                await asked(wire, how, to, b"{}", Timeouts(attempt=0.2, between_chunks=0.1))
        assert caught.value.limit == "attempt"
        assert caught.value.chunks


async def test_a_slow_answer_within_its_limits_is_waited_for(
    wire: Wire, server: OpenAIServer, chat: Target, body: Body
) -> None:
    """Limits that are not reached change nothing."""
    server.script.add(Answer(delay=0.15), Answer(delay=0.15, event_delay=0.02))
    timeouts = Timeouts(attempt=5, first_byte=4, between_chunks=3)
    assert (await wire.post(chat, body(), timeouts)).status == 200
    assert (await wire.collect(chat, body(stream=True), timeouts)).chunks


async def test_a_slow_reader_is_no_stalled_stream(
    wire: Wire, server: OpenAIServer, chat: Target, body: Body
) -> None:
    """Between the chunks that are there, whoever reads may take as long as the whole may."""
    server.script.add(Answer(text="one two three four five six"))
    async with await wire.open(chat, body(stream=True), Timeouts(between_chunks=0.1)) as stream:
        events = []
        async for data in stream:
            events.append(data)
            await asyncio.sleep(0.03)
    assert len(events) > 5


async def test_a_full_pool_counts_against_the_attempt(way: str) -> None:
    """Waiting for a connection is part of an attempt; the wait is left without a trace."""
    traces = [aiohttp.TraceConfig()] if way == "own" else None
    async with (
        RawServer(silent) as raw,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1), trace_configs=traces) as session,
    ):
        wire, to = Wire(session), Target.make(raw.url, "/x", headers={})
        first = asyncio.create_task(wire.post(to, b"{}", Timeouts()))
        async with asyncio.timeout(PATIENCE):
            await until(lambda: bool(raw.requests))
            with pytest.raises(TimedOutError) as caught:
                await wire.post(to, b"{}", Timeouts(attempt=0.1))
            assert caught.value.limit == "attempt"
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        assert not session.connector._waiters  # type: ignore[union-attr]
        assert not session.connector._acquired  # type: ignore[union-attr]


async def test_a_connection_that_is_not_made_meets_its_limit(wire: Wire) -> None:
    """A server whose queue of new connections is full lets them wait for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        to = Target.make(f"http://127.0.0.1:{address[1]}", "/x", headers={})
        try:
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(TimedOutError) as caught:
                    await wire.post(to, b"{}", Timeouts(connect=0.1))
        finally:
            for filler in fillers:
                filler.close()
    assert (caught.value.limit, caught.value.seconds) == ("connect", 0.1)


@pytest.mark.parametrize("how", ["post", "collect", "open"])
async def test_a_cancelled_request_closes_its_connection(wire: Wire, how: str) -> None:
    """The cancellation goes on its way, and the server sees the end."""
    async with RawServer(silent) as raw:
        task = asyncio.create_task(
            asked(wire, how, Target.make(raw.url, "/x", headers={}), b"{}", Timeouts())
        )
        async with asyncio.timeout(PATIENCE):
            await until(lambda: bool(raw.requests))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await raw.peers[0].ended.wait()


async def test_a_timeout_around_a_request_is_the_callers(wire: Wire) -> None:
    """`asyncio.timeout` works as around anything else."""
    async with RawServer(silent) as raw:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.1):
                await wire.post(Target.make(raw.url, "/x", headers={}), b"{}", Timeouts())
        assert not isinstance(caught.value, TimedOutError)


async def test_a_limit_and_a_cancellation_at_once_end_in_the_cancellation(short_wire: Wire) -> None:
    """Somebody else's cancellation is never swallowed by a limit that is reached in the same moment."""
    async with (
        RawServer(silent) as raw,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
    ):
        wire, to = Wire(session), Target.make(raw.url, "/x", headers={})
        first = asyncio.create_task(wire.post(to, b"{}", Timeouts()))
        async with asyncio.timeout(PATIENCE):
            await until(lambda: bool(raw.requests))
            second = asyncio.create_task(wire.post(to, b"{}", Timeouts(attempt=0.02)))
            await asyncio.sleep(0)
            exchange = next(item for item in wire._pool.sweep._watched if item.limits.whole == 0.02)
            exchange.look(math.inf)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            first.cancel()
            await asyncio.wait([first])


async def test_the_sweep_rests_when_nothing_is_in_flight(
    short_wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Nothing watched is left behind, whatever became of the requests, and the timer ends by itself."""
    server.script.add(Answer(), Answer(cut="body"), Answer(delay=math.inf))
    await short_wire.post(chat, body(), patient)
    for timeouts in (patient, Timeouts(attempt=0.05)):
        with pytest.raises((TruncatedError, TimedOutError)):
            await short_wire.post(chat, body(), timeouts)
    await short_wire.collect(chat, body(stream=True), patient)
    sweep = short_wire._pool.sweep
    await until(lambda: not (sweep._watched or sweep._handle is not None))
