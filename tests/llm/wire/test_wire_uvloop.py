"""The short way on uvloop's loop, whose transports are not asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from lastcall.llm.errors import TimedOutError, TruncatedError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.testing import OpenAIServer

from .asking import HOW, asked, held
from .raw import Peer, RawServer, until

uvloop = pytest.importorskip("uvloop")


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* on a loop of uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_answers_and_streams_come_back(body: Callable[..., bytes], patient: Timeouts) -> None:
    """All three ways, many at once, over connections that are used again."""

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            wire = Wire(session)
            assert wire.reason is None
            to = Target.make(server.base_url, "/chat/completions", headers={})
            for how in HOW:
                sent = body(stream=how != "post")
                answers = await asyncio.gather(*(asked(wire, how, to, sent, patient) for _ in range(50)))
                assert all(answers)
            await until(lambda: not held(wire))

    with OpenAIServer() as server:
        run(main)


@pytest.mark.parametrize("how", HOW)
def test_stalls_cuts_and_dead_connections_are_met(how: str, patient: Timeouts) -> None:
    """The sweep ends what stalls, what is cut is told, and what died in the pool is replaced."""

    async def stall(peer: Peer) -> None:
        await peer.request()
        await peer.stream(b"data: {}\n\n", end=False)
        await peer.gone()

    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.stream(b"data: {}\n\n", end=False)

    async def die(peer: Peer) -> None:
        await peer.request()
        await peer.stream(b'data: {"error": 1}\n\n')
        await peer.request()

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            wire = Wire(session)
            async with RawServer(stall) as raw:
                to = Target.make(raw.url, "/x", headers={})
                with pytest.raises(TimedOutError):
                    await asked(wire, how, to, b"{}", Timeouts(between_chunks=0.1))
            async with RawServer(cut) as raw:
                with pytest.raises(TruncatedError):
                    await asked(wire, how, Target.make(raw.url, "/x", headers={}), b"{}", patient)
            async with RawServer(die) as raw:
                to = Target.make(raw.url, "/x", headers={})
                for _ in range(3):
                    assert await asked(wire, how, to, b"{}", patient)
                    await until(lambda: not held(wire))

    run(main)


def test_a_large_body_and_a_slow_reader(patient: Timeouts) -> None:
    """Both kinds of back pressure, up and down."""
    large = b"x" * 2**23
    events = [b"%d " % number + b"y" * 2**16 for number in range(200)]

    async def serve(peer: Peer) -> None:
        assert (await peer.request()).endswith(large)
        await peer.stream(*(b"data: " + data + b"\n\n" for data in [*events, b"[DONE]"]))
        await peer.gone()

    async def main() -> None:
        async with aiohttp.ClientSession() as session, RawServer(serve) as raw:
            read: list[bytes] = []
            to = Target.make(raw.url, "/x", headers={})
            async with await Wire(session).open(to, large, patient) as stream:
                async for data in stream:
                    if len(read) % 50 == 0:
                        await asyncio.sleep(0.02)
                    read.append(data)
            assert read == events

    run(main)
