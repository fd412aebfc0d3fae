"""Streams as dicts: their events, their ends, and what becomes of their connections."""

import asyncio
import gc
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lastcall.llm import (
    AnswerError,
    ChatHandle,
    RateLimitedError,
    StatusError,
    TimedOutError,
    Timeouts,
    TruncatedError,
)
from lastcall.testing import Answer, ConnectionEnd, OpenAIServer

from .conftest import HELLO, MakeHandle


async def text_of(stream: AsyncIterator[dict[str, Any]]) -> str:
    """Read a stream to its end and return its text."""
    return "".join([chunk["choices"][0]["delta"].get("content") or "" async for chunk in stream])


async def released(server: OpenAIServer) -> bool:
    """Wait until the server has seen its only connection end; return whether the client ended it."""
    assert await asyncio.to_thread(server.wait_until_no_connections, 5)
    return server.connections[0].end in (ConnectionEnd.PEER, ConnectionEnd.RESET)


async def test_a_stream_gives_each_chunk_as_a_dict(server: OpenAIServer, handle: ChatHandle) -> None:
    """Its text is that of the plain answer; status and request id are known once it has begun."""
    stream = handle.stream(HELLO, temperature=0)
    assert "not begun" in repr(stream)
    assert (stream.status, stream.request_id) == (None, None)
    text = await text_of(stream)
    assert (stream.status, stream.request_id) == (200, "req_00000001")
    assert "over" in repr(stream)
    assert text == (await handle(HELLO))["choices"][0]["message"]["content"]
    assert server.calls[0].json["temperature"] == 0


async def test_an_unknown_field_and_the_usage_survive(server: OpenAIServer, handle: ChatHandle) -> None:
    """Chunks are given as they came, the one with the usage and no choice too."""
    server.script.add(Answer(extra={"new": {"field": 1}}))
    chunks = [chunk async for chunk in handle.stream(HELLO, stream_options={"include_usage": True})]
    assert chunks[0]["new"] == {"field": 1}
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert chunks[-1]["choices"] == []


async def test_any_path_that_streams_gives_its_events(handle: ChatHandle) -> None:
    """The events of the Responses API come as they are, the model is filled in."""
    events = [event async for event in handle.stream_from("/v1/responses", {"input": "hello"})]
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["model"] == "tiny"


@pytest.mark.parametrize("way", ["break", "raise", "aclose"])
async def test_a_stream_that_is_left_early_lets_go_of_its_connection(
    server: OpenAIServer, handle: ChatHandle, way: str
) -> None:
    """Out of `async with`, by whatever way; the server sees its connection end."""
    server.script.default = Answer(text="word " * 50, event_delay=0.05)
    stream = handle.stream(HELLO)
    if way == "aclose":
        await anext(stream)
        await stream.aclose()
        await stream.aclose()
    else:
        try:
            async with stream:
                async for _ in stream:
                    if way == "break":
                        break
                    raise KeyError  # noqa: TRY301
        except KeyError:
            pass
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert await released(server)


async def test_a_stream_that_is_forgotten_lets_go_of_its_connection(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """A `break` without `async with` is how people write it."""
    server.script.default = Answer(text="word " * 50, event_delay=0.05)
    async for _ in handle.stream(HELLO):
        break
    gc.collect()
    assert await released(server)


def test_a_stream_that_outlives_its_loop_is_silent(server: OpenAIServer, make: MakeHandle) -> None:
    """Collected after the end of its loop, it neither warns nor fails: the keeper has closed everything."""
    server.script.default = Answer(text="word " * 50, event_delay=0.05)

    async def begin() -> Any:
        stream = make().stream(HELLO)
        await anext(stream)
        return stream

    stream = asyncio.run(begin())
    assert server.wait_until_no_connections(5)
    del stream
    gc.collect()


async def test_a_cancelled_reader_lets_go(server: OpenAIServer, handle: ChatHandle) -> None:
    """Cancelled in the middle of a wait for the next chunk."""
    server.script.default = Answer(text="word " * 50, event_delay=30)
    began = asyncio.Event()

    async def read() -> None:
        async with handle.stream(HELLO) as stream:
            async for _ in stream:
                began.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(began.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await released(server)


async def test_a_stream_is_asked_for_again_until_it_begins(server: OpenAIServer, handle: ChatHandle) -> None:
    """Limits, failures and lost connections before the first byte are retried as for any request."""
    server.script.add(
        Answer.rate_limit(0.01, "ms"),
        Answer(status=500, retry_after=0.01, retry_after_form="ms"),
    )
    assert await text_of(handle.stream(HELLO))
    assert len(server.calls) == 3


async def test_a_refusal_is_the_error_that_a_call_raises(server: OpenAIServer, handle: ChatHandle) -> None:
    """With its body and attempts, at the first chunk."""
    server.script.default = Answer.rate_limit(0.01, "ms")
    with pytest.raises(RateLimitedError) as caught:
        await anext(handle.stream(HELLO, max_retries=1))
    assert caught.value.attempt == 2
    assert b"Rate limit" in caught.value.body
    server.script.default = Answer(status=400)
    with pytest.raises(StatusError):
        await anext(handle.stream(HELLO))


@pytest.mark.parametrize("fault", [Answer(cut="body"), Answer(cut="body", reset=True)])
async def test_a_stream_that_is_cut_is_an_error_that_carries_what_came(
    server: OpenAIServer, handle: ChatHandle, fault: Answer
) -> None:
    """Begun, it is never asked for again; all chunks are in the error, those not yet read too."""
    server.script.add(fault)
    stream = handle.stream(HELLO)
    await anext(stream)
    with pytest.raises(TruncatedError) as caught:
        await text_of(stream)
    assert len(caught.value.chunks) > 1
    assert (caught.value.status, caught.value.attempt, caught.value.server) == (200, 1, server.url)
    assert len(server.calls) == 1


async def test_an_error_in_the_stream_ends_it(server: OpenAIServer, handle: ChatHandle) -> None:
    """OpenAI's servers and proxies send one as an event, under status 200."""
    server.script.add(Answer(stream_error="the model fell over"))
    with pytest.raises(TruncatedError, match="the model fell over") as caught:
        await text_of(handle.stream(HELLO))
    assert len(caught.value.chunks) > 1
    assert await text_of(handle.stream(HELLO))


@pytest.mark.parametrize("event", [b"data: {oops\n\n", b"data: 17\n\n"])
async def test_an_event_that_is_no_object_ends_it(
    server: OpenAIServer, handle: ChatHandle, event: bytes
) -> None:
    """What was read before was given; the error holds the event."""
    good = b'data: {"choices": []}\n\n'
    server.script.add(
        Answer(body=good + event + good + b"data: [DONE]\n\n", content_type="text/event-stream")
    )
    stream = handle.stream(HELLO)
    assert await anext(stream) == {"choices": []}
    with pytest.raises(AnswerError, match="no"):
        await anext(stream)


async def test_a_stalled_stream_is_found(server: OpenAIServer, handle: ChatHandle) -> None:
    """By the limit between chunks; what came is carried."""
    server.script.default = Answer(text="a b c d", event_delay=60)
    with pytest.raises(TimedOutError) as caught:
        await text_of(handle.stream(HELLO, timeout=Timeouts(between_chunks=0.2)))
    assert caught.value.limit == "between_chunks"
    assert caught.value.chunks


async def test_an_answer_that_is_no_stream_is_said_to_be_none(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """Some servers ignore `stream`; their answer is in the error."""
    server.script.add(Answer(body=b'{"choices": []}', content_type="application/json"))
    with pytest.raises(AnswerError, match="application/json where a stream was asked for") as caught:
        await anext(handle.stream(HELLO))
    assert caught.value.body == b'{"choices": []}'


async def test_five_hundred_streams_at_once(server: OpenAIServer, make: MakeHandle) -> None:
    """Each its own handle, all over one session, each with its own text."""
    streams = [make().stream([{"role": "user", "content": f"question {n}"}]) for n in range(500)]
    texts = await asyncio.gather(*map(text_of, streams))
    assert all(f'"question {n}"' in text for n, text in enumerate(texts))


async def test_a_stream_that_never_begins_ends_with_its_deadline(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """The total counts for streams too."""
    server.script.default = Answer(delay=math.inf)
    with pytest.raises(TimedOutError) as caught:
        await anext(handle.stream(HELLO, timeout=Timeouts(total=0.2)))
    assert caught.value.limit == "total"
