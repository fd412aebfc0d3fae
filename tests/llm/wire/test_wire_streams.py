"""Streamed answers, event by event and whole, on both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from lastcall.llm.direct import DirectStream
from lastcall.llm.errors import TruncatedError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.testing import Answer, OpenAIServer

from .asking import asked, held
from .raw import PATIENCE, Peer, RawServer, until

Body = Callable[..., bytes]

FINISHED = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


def said(chunks: list[bytes]) -> str:
    choices = [choice for chunk in chunks for choice in json.loads(chunk)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


SHAPES = [
    Answer(text="one two three"),
    Answer(text="one two three", split=1),
    Answer(text="one two three", split=3, event_line_end="\r\n"),
    Answer(text="one two three", event_line_end="\r", event_space=False),
    Answer(text="東京 🙂 naïve", split=2, event_comment="keepalive"),
    Answer(text="one two three", event_multiline=True, event_name="chunk"),
    Answer(text="one two three", gzip=True),
    Answer(text="one two three", http10=True),
    Answer(text="one two three", done=False),
    Answer(text="one two three", informational=(100, 103)),
    Answer(text="one two three", event_delay=0.005),
    Answer(tokens=["x" * 2**20, "y"]),
    Answer(tokens=["word "] * 2000),
]


@pytest.mark.parametrize("answer", SHAPES, ids=range(len(SHAPES)))
async def test_a_stream_is_read_event_by_event(  # noqa: PLR0917
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts, answer: Answer
) -> None:
    """Whatever its shape, iteration gives every event once and in order, and remembers when it came."""
    server.script.add(answer)
    async with await wire.open(chat, body(stream=True), patient) as stream:
        assert stream.is_stream
        events = [data async for data in stream]
    assert said(events) == (answer.text if answer.text is not None else "".join(answer.tokens or ()))
    assert stream.chunks == events
    assert len(stream.times) == len(events)
    assert stream.times == sorted(stream.times)
    assert all(0 < at < PATIENCE for at in stream.times)


@pytest.mark.parametrize("answer", SHAPES, ids=range(len(SHAPES)))
async def test_a_stream_is_collected_whole(  # noqa: PLR0917
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts, answer: Answer
) -> None:
    """`collect` gives the same events, and one completion of them."""
    server.script.add(answer)
    collected = await wire.collect(chat, body(stream=True), patient)
    text = answer.text if answer.text is not None else "".join(answer.tokens or ())
    assert said(collected.chunks) == text
    assert len(collected.times) == len(collected.chunks)
    whole = collected.assembled("/v1/chat/completions")
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == text
    assert whole.first_chunk is not None
    assert 0 < whole.first_chunk < PATIENCE


async def test_what_is_no_stream_is_read_as_an_answer(
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """A refusal, and an answer of another content type, come back whole from both ways of streaming."""
    server.script.add(
        Answer(status=429),
        Answer(content_type="text/html"),
        Answer(status=503),
        Answer(content_type="application/json"),
    )
    stream = await wire.open(chat, body(stream=True), patient)
    assert not stream.is_stream
    assert (stream.status, (await stream.answer()).status) == (429, 429)
    stream = await wire.open(chat, body(stream=True), patient)
    assert (await stream.answer()).body.startswith(b"data: ")
    collected = await wire.collect(chat, body(stream=True), patient)
    assert collected.answer is not None
    assert json.loads(collected.answer.body)["error"]
    collected = await wire.collect(chat, body(stream=True), patient)
    assert collected.answer is not None
    assert (collected.status, collected.chunks) == (200, [])


@pytest.mark.parametrize("how", ["open", "collect"])
@pytest.mark.parametrize("cut", ["end", "reset", "clean end"])
async def test_a_stream_that_is_cut_carries_what_came(
    wire: Wire, patient: Timeouts, how: str, cut: str
) -> None:
    """An end without [DONE] and without a finish reason is a truncated answer, however it ends."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(event(b'{"choices":[{"index":0,"delta":{"content":"a"}}]}'), end=cut == "clean end")
        await asyncio.sleep(0.05)  # a reset may overtake what was sent
        if cut == "reset":
            peer.reset()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        with pytest.raises(TruncatedError) as caught:
            await asked(wire, how, to, b"{}", patient)
        assert [json.loads(chunk) for chunk in caught.value.chunks] == [
            {"choices": [{"index": 0, "delta": {"content": "a"}}]}
        ]
        assert caught.value.status == 200
        assert len(raw.requests) == 1


@pytest.mark.parametrize("how", ["open", "collect"])
async def test_a_stream_that_ends_in_an_error_event_is_given_back(
    wire: Wire, patient: Timeouts, how: str
) -> None:
    """What a server says of its failure is an event like others: whoever asked reads it."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(event(b'{"error":{"message":"no"}}'))

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        chunks = await asked(wire, how, to, b"{}", patient)
        assert chunks == [b'{"error":{"message":"no"}}']


@pytest.mark.parametrize("leave", ["break", "aclose", "cancel", "error"])
async def test_a_stream_left_early_closes_its_connection(wire: Wire, patient: Timeouts, leave: str) -> None:
    """On every way out the server sees the end at once, and so stops making tokens."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(event(FINISHED.replace(b'"stop"', b"null")), end=False)
        await peer.gone()

    async def read() -> None:
        async with await wire.open(Target.make(raw.url, "/x", headers={}), b"{}", patient) as stream:
            async for _ in stream:
                if leave == "break":
                    break
                if leave == "aclose":
                    await stream.aclose()
                if leave == "error":
                    raise ZeroDivisionError
                reading.set()

    reading = asyncio.Event()
    async with RawServer(serve) as raw:
        task = asyncio.create_task(read())
        if leave == "cancel":
            await asyncio.wait_for(reading.wait(), PATIENCE)
            task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        assert task.cancelled() == (leave == "cancel")
        if leave == "error":
            assert isinstance(task.exception(), ZeroDivisionError)
        async with asyncio.timeout(PATIENCE):
            await raw.peers[0].ended.wait()


async def test_closing_a_stream_wakes_the_task_that_reads_it(wire: Wire, patient: Timeouts) -> None:
    """Iteration ends when another task closes the stream under it."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(event(b"{}"), end=False)
        await peer.gone()

    async with RawServer(serve) as raw:
        stream = await wire.open(Target.make(raw.url, "/x", headers={}), b"{}", patient)
        assert await anext(stream) == b"{}"
        reader = asyncio.create_task(anext(stream, None))
        await asyncio.sleep(0.01)
        await stream.aclose()
        assert await asyncio.wait_for(reader, PATIENCE) is None
        await stream.aclose()


async def test_a_stream_left_after_its_end_keeps_its_connection(
    short_wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Who leaves at the finish reason has left nothing unread: the connection goes back to the pool."""
    async with await short_wire.open(chat, body(stream=True), patient) as stream:
        async for data in stream:
            if json.loads(data)["choices"][0]["finish_reason"]:
                break
        async with asyncio.timeout(PATIENCE):
            assert isinstance(stream, DirectStream)
            await until(lambda: stream._events.parser.done)
    await until(lambda: not held(short_wire))
    await short_wire.post(chat, body(), patient)
    assert {call.connection for call in server.calls} == {1}


async def test_a_connection_whose_stream_never_ends_after_done_is_closed(
    short_wire: Wire, patient: Timeouts
) -> None:
    """[DONE] ends the answer at once; the end of the body is waited for a moment, by nobody's task."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(event(FINISHED), event(b"[DONE]"), end=False)
        await peer.gone()

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        collected = await asyncio.wait_for(short_wire.collect(to, b"{}", patient), PATIENCE)
        assert collected.chunks == [FINISHED]
        async with asyncio.timeout(PATIENCE):
            await raw.peers[0].ended.wait()
        await asyncio.sleep(0)
        assert not held(short_wire)


async def test_a_slow_reader_makes_the_server_wait(wire: Wire, patient: Timeouts) -> None:
    """What waits for a reader is bounded: the server cannot send all of it, and then all of it arrives."""
    sent = 0
    one = event(b'"' + b"x" * 2**16 + b'"')

    async def serve(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.stream(end=False)
        for _ in range(1000):
            await peer.send(b"%x\r\n%b\r\n" % (len(one), one))
            sent += 1
        await peer.send(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    async with RawServer(serve) as raw:
        stream = await wire.open(Target.make(raw.url, "/x", headers={}), b"{}", patient)
        await anext(stream)
        before = -1
        async with asyncio.timeout(PATIENCE):
            while sent != before:
                before = sent
                await asyncio.sleep(0.1)
        assert sent < 900
        read = 1
        async for _ in stream:
            read += 1
        assert read == 1000


@pytest.mark.parametrize("size", [2**10, 2**16, 2**18, 2**20, 2**22])
async def test_a_reader_that_was_behind_gets_all_that_was_held_back(
    short_wire: Wire, patient: Timeouts, size: int
) -> None:
    """However much came while nobody read, the rest comes in order, with its end."""
    events = [b"%d %b" % (number, b"x" * size) for number in range(3 * 2**20 // size + 2)]

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream(*(event(data) for data in [*events, b"[DONE]"]))
        await peer.gone()

    async with RawServer(serve) as raw:
        read: list[bytes] = []
        async with await short_wire.open(Target.make(raw.url, "/x", headers={}), b"{}", patient) as stream:
            async for data in stream:
                if len(read) % 16 == 0:
                    await asyncio.sleep(0.02)
                read.append(data)
        assert read == events


async def test_streams_by_the_hundred_do_not_disturb_each_other(
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Each of many streams at once gets its own answer."""

    async def one(number: int) -> None:
        text = f"answer number {number}"
        collected = await wire.collect(chat, body(text, stream=True), patient)
        assert text in said(collected.chunks)

    await asyncio.gather(*(one(number) for number in range(200)))
