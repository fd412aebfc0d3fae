"""Connections that died in the pool never fail a request, and no answer is asked for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from lastcall.llm import compat
from lastcall.llm.errors import ConnectionFailedError, LLMError, TruncatedError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.sessions import SessionManager
from lastcall.testing import Answer, OpenAIServer

from .asking import asked, held
from .raw import PATIENCE, Peer, RawServer, until

Body = Callable[..., bytes]
STREAM = (b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n")


class Dying:
    """Answers the first request of each connection and leaves the second one, in one way or another."""

    def __init__(self, *last_words: bytes, reset: bool = False) -> None:
        self._last_words = last_words
        self._reset = reset

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")
        await peer.request()
        await peer.send(*self._last_words)
        if self._last_words:
            await asyncio.sleep(0.05)  # a reset may overtake what was sent
        if self._reset:
            peer.reset()


async def fill(wire: Wire, to: Target, patient: Timeouts, connections: int) -> None:
    """Have so many connections in the pool, each used once."""
    answers = await asyncio.gather(*(wire.post(to, b"{}", patient) for _ in range(connections)))
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("pooled", [1, 5])
async def test_a_dead_connection_of_the_pool_is_replaced_by_a_new_one(
    short_wire: Wire, patient: Timeouts, pooled: int, *, reset: bool
) -> None:
    """The others of the pool are dead too: the request goes to none of them, but over a new connection."""
    async with RawServer(Dying(reset=reset)) as raw:
        to = Target.make(raw.url, "/x", headers={})
        await fill(short_wire, to, patient, pooled)
        assert (await short_wire.post(to, b"again", patient)).status == 200
        assert len(raw.peers) == pooled + 1
        assert [request.endswith(b"again") for request in raw.requests].count(True) == 2


async def test_aiohttps_own_way_replaces_a_dead_connection_too(patient: Timeouts) -> None:
    """Where a session is traced the pool is emptied first, so that the second attempt opens a connection."""
    async with (
        RawServer(Dying()) as raw,
        aiohttp.ClientSession(trace_configs=[aiohttp.TraceConfig()]) as session,
    ):
        wire, to = Wire(session), Target.make(raw.url, "/x", headers={})
        await fill(wire, to, patient, 5)
        assert (await wire.post(to, b"again", patient)).status == 200
        assert len(raw.peers) == 6


@pytest.mark.parametrize("how", ["open", "collect"])
async def test_streams_are_sent_again_too(short_wire: Wire, patient: Timeouts, how: str) -> None:
    """What is true of plain answers is true of streams."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(*STREAM)
        await peer.request()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        for _ in range(4):
            assert len(await asked(short_wire, how, to, b"{}", patient)) == 1
            await until(lambda: not held(short_wire))


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "last_words", [b"H", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
async def test_an_answer_that_had_begun_is_never_asked_for_again(
    short_wire: Wire, patient: Timeouts, last_words: bytes, *, reset: bool
) -> None:
    """One byte is enough, of the head or of an informational answer, and whatever ends the connection."""
    async with RawServer(Dying(last_words, reset=reset)) as raw:
        to = Target.make(raw.url, "/x", headers={})
        await fill(short_wire, to, patient, 1)
        with pytest.raises(TruncatedError):
            await short_wire.post(to, b"{}", patient)
        assert len(raw.requests) == 2


async def test_what_came_while_nobody_had_asked_is_no_answer(short_wire: Wire, patient: Timeouts) -> None:
    """A second answer to the first request would pass for the answer to the second one."""
    spoken = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"right")
        if peer.number == 1:
            await asyncio.sleep(0.02)
            await peer.answer(b"wrong")
            spoken.set()
        await peer.gone()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        assert (await short_wire.post(to, b"{}", patient)).body == b"right"
        await asyncio.wait_for(spoken.wait(), PATIENCE)
        await asyncio.sleep(0.02)
        assert (await short_wire.post(to, b"{}", patient)).body == b"right"
        assert len(raw.peers) == 2


async def test_nothing_of_an_answer_is_kept_by_its_connection(short_wire: Wire, patient: Timeouts) -> None:
    """A pool of idle connections does not hold the last answers in memory, nor what read them."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"x" * 1000)
        await peer.request()
        await peer.answer(b"y" * 2**20)
        await peer.request()
        await peer.stream(*STREAM)
        await peer.gone()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        for ask in (short_wire.post, short_wire.post, short_wire.collect):
            await ask(to, b"{}", patient)
            await until(lambda: not held(short_wire))
            (pooled,) = short_wire.session.connector._conns.values()  # type: ignore[union-attr]
            ((protocol, _),) = pooled
            kept = protocol._payload._buffer  # type: ignore[union-attr]
            assert kept is compat._NOBODY or not kept
            assert "_reschedule_timeout" not in vars(protocol)


async def test_a_new_connection_that_dies_is_an_error(wire: Wire, patient: Timeouts) -> None:
    """That was no stale connection: whether to try again is a question of the retry policy."""

    async def serve(peer: Peer) -> None:
        await peer.request()

    async with RawServer(serve) as raw:
        with pytest.raises(ConnectionFailedError, match="ended before an answer"):
            await wire.post(Target.make(raw.url, "/x", headers={}), b"{}", patient)
        assert len(raw.requests) == 1


async def test_a_request_is_sent_again_once_only(short_wire: Wire, patient: Timeouts) -> None:
    """A server that is gone for good is asked twice, over a pooled and over a new connection."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.answer(b"{}")
            await peer.request()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        await fill(short_wire, to, patient, 1)
        with pytest.raises(ConnectionFailedError):
            await short_wire.post(to, b"{}", patient)
        assert len(raw.requests) == 3


@pytest.mark.parametrize("shared", [False, True])
async def test_a_server_that_closes_after_each_stream_fails_no_request(
    *, shared: bool, manager: SessionManager, body: Body, patient: Timeouts
) -> None:
    """Hundreds of streams, many at once, against a server that closes without a word: all are answered."""
    with OpenAIServer() as server:
        server.script.default = Answer(cut="after", text="one two three")
        session = await manager.get("llm") if shared else aiohttp.ClientSession()
        wire = Wire(session)
        assert wire.reason is None
        to = Target.make(server.base_url, "/chat/completions", headers={})
        failed: list[LLMError] = []

        async def worker(number: int) -> None:
            for turn in range(10):
                try:
                    await wire.collect(to, body(f"{number} {turn}", stream=True), patient)
                except LLMError as error:
                    failed.append(error)

        await asyncio.gather(*(worker(number) for number in range(16)))
        assert not failed
        assert len([call for call in server.calls if call.attempt == 1]) == 160
        if not shared:
            await session.close()


async def test_a_server_that_closes_after_streams_is_known_by_its_second(
    short_wire: Wire, patient: Timeouts
) -> None:
    """After two dead connections in a row those of streams are not kept, so that nothing is sent in vain."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(*STREAM)
        await peer.request()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        for _ in range(10):
            await short_wire.collect(to, b"{}", patient)
            await until(lambda: not held(short_wire))
        assert len(raw.requests) == 10 + 2


async def test_a_server_that_keeps_connections_after_streams_is_not_suspected(
    short_wire: Wire, patient: Timeouts
) -> None:
    """Ten streams in turn, one connection."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.stream(*STREAM)

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        for _ in range(10):
            await short_wire.collect(to, b"{}", patient)
            await until(lambda: not held(short_wire))
        assert len(raw.peers) == 1
