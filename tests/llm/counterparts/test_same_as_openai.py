"""What the handle gives back is what `openai`'s own client reads of the same bytes, however they come."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from lastcall.llm import (
    AnswerError,
    ChatHandle,
    ConnectionFailedError,
    LLMError,
    RateLimitedError,
    StatusError,
    TruncatedError,
    create_openai_api_handle_async,
)
from lastcall.testing import Answer, OpenAIServer, Script, Step, ToolCall

MESSAGES: Any = [{"role": "user", "content": "Which planet has the tallest mountain?"}]
CALLS = (ToolCall("weather", '{"city": "Rome"}'), ToolCall("time", "{}"))
EVERYTHING = Answer(
    text="Well.", refusal="No.", reasoning="Hm.", tool_calls=CALLS, extra={"timings": {"a": 1.5}}
)

WIRES = [
    {},
    {"gzip": True},
    {"split": 1},
    {"split": 7, "event_line_end": "\r\n"},
    {"event_line_end": "\r", "event_comment": "keepalive"},
    {"event_comment": "", "event_space": False, "event_name": "message"},
    {"event_multiline": True, "event_line_end": "\r\n", "split": 3},
    {"http10": True},
    {"http10": True, "split": 11},
    {"informational": (100, 103)},
    {"cut": "after"},
    {"cut": "after", "reset": True},
    {"close": True},
    {"done": False},
    {"stream_usage": "last"},
    {"stream_usage": "own", "done": False},
]
"""Ways over the wire that change nothing of what is said."""


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Serve with an empty script."""
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def theirs(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    """Open OpenAI's client, which does not retry."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="key", max_retries=0) as client:
        yield client


@pytest.fixture
async def ours(server: OpenAIServer) -> AsyncIterator[ChatHandle]:
    """Open our handle, which does not retry."""
    async with create_openai_api_handle_async(server.base_url, "key", "any", max_retries=0) as handle:
        yield handle


def same(data: Any) -> Any:
    """Return what was said without what differs from request to request: ids, and the time."""
    kept = {key: value for key, value in data.items() if key not in {"id", "created", "created_at"}}
    if "output" in kept:
        kept["output"] = [{**item, "id": None} for item in kept["output"]]
    return kept


@pytest.mark.parametrize("wire", WIRES, ids=str)
async def test_plain_answers_are_the_same(
    server: OpenAIServer, theirs: AsyncOpenAI, ours: ChatHandle, wire: Any
) -> None:
    """Every field, those that no reference knows included."""
    server.script.default = replace(EVERYTHING, **wire)
    their = await theirs.chat.completions.create(model="any", messages=MESSAGES, n=2)
    assert same(await ours(MESSAGES, n=2)) == same(their.to_dict())


@pytest.mark.parametrize("wire", WIRES, ids=str)
async def test_chunks_of_streams_are_the_same(
    server: OpenAIServer, theirs: AsyncOpenAI, ours: ChatHandle, wire: Any
) -> None:
    """One for one, whatever the bytes were cut through."""
    server.script.default = replace(EVERYTHING, **wire)
    stream = await theirs.chat.completions.create(model="any", messages=MESSAGES, stream=True, n=2)
    their = [same(chunk.to_dict()) async for chunk in stream]
    async with ours.stream(MESSAGES, n=2) as chunks:
        assert [same(chunk) async for chunk in chunks] == their


@pytest.mark.parametrize("wire", WIRES, ids=str)
async def test_a_stream_put_together_is_the_plain_answer(
    server: OpenAIServer, ours: ChatHandle, wire: Any
) -> None:
    """All choices, calls, refusals, reasoning, log probabilities, and the usage where the stream tells it."""
    asked: dict[str, Any] = {"n": 2, "logprobs": True, "top_logprobs": 1}
    usage: dict[str, Any] = {"stream_options": {"include_usage": True}}
    server.script.add(EVERYTHING)
    plain = same(await ours(MESSAGES, **asked))
    server.script.default = replace(EVERYTHING, **wire)
    assert same(await ours(MESSAGES, stream=True, **asked, **usage)) == plain


@pytest.mark.parametrize("streamed", [False, True])
async def test_text_completions_are_the_same(
    theirs: AsyncOpenAI,
    ours: ChatHandle,
    streamed: bool,  # noqa: FBT001
) -> None:
    """For every prompt and choice, put together from a stream as well."""
    asked: dict[str, Any] = {"n": 2, "logprobs": 1}
    their = await theirs.completions.create(model="any", prompt=["a", "b"], **asked)
    usage: dict[str, Any] = {"stream_options": {"include_usage": True}} if streamed else {}
    our = await ours.complete(["a", "b"], stream=streamed, **asked, **usage)
    assert same(our) == same(their.to_dict())


async def test_embeddings_are_the_same(theirs: AsyncOpenAI, ours: ChatHandle) -> None:
    """Number by number."""
    their = await theirs.embeddings.create(model="any", input=["a", "b"], encoding_format="float")
    assert await ours.embed(["a", "b"], encoding_format="float") == their.to_dict()


@pytest.mark.parametrize("streamed", [False, True])
async def test_responses_are_the_same(
    server: OpenAIServer,
    theirs: AsyncOpenAI,
    ours: ChatHandle,
    streamed: bool,  # noqa: FBT001
) -> None:
    """The last event of a stream carries the whole one."""
    server.script.default = EVERYTHING
    their = await theirs.responses.create(model="any", input="a")
    our = await ours.respond("a", stream=streamed)
    assert same(our) == same(their.to_dict())


ERRORS: list[tuple[Any, type[LLMError], type[openai.APIError]]] = [
    ({"cut": "before"}, ConnectionFailedError, openai.APIConnectionError),
    ({"cut": "before", "reset": True}, ConnectionFailedError, openai.APIConnectionError),
    ({"cut": "body"}, TruncatedError, openai.APIConnectionError),
    ({"cut": "body", "reset": True}, TruncatedError, openai.APIConnectionError),
    ({"status": 400}, StatusError, openai.APIStatusError),
    ({"status": 429}, RateLimitedError, openai.RateLimitError),
    ({"status": 503, "http10": True}, StatusError, openai.InternalServerError),
    ({"stream_error": "overloaded"}, LLMError, openai.APIError),
]


@pytest.mark.parametrize(("fault", "our", "their"), ERRORS, ids=str)
async def test_what_is_an_error_to_one_is_to_the_other(
    server: OpenAIServer, theirs: AsyncOpenAI, ours: ChatHandle, *, fault: Any, our: Any, their: Any
) -> None:
    """Each by its own name, when a stream is read."""
    server.script.default = Answer(**fault)
    with pytest.raises(their):
        async for _ in await theirs.chat.completions.create(model="any", messages=MESSAGES, stream=True):
            pass
    with pytest.raises(our):
        await ours(MESSAGES, stream=True)


TRUNCATED: list[Any] = [
    {"http10": True, "cut": "body"},
    {"body": b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'},
    {"body": b""},
]


@pytest.mark.parametrize("fault", TRUNCATED, ids=str)
async def test_a_stream_that_ends_too_early_is_an_error_to_us_alone(
    server: OpenAIServer, theirs: AsyncOpenAI, ours: ChatHandle, fault: Any
) -> None:
    """A clean end without a finish reason and `[DONE]` is no answer, which OpenAI's client does not say."""
    server.script.default = Answer(**fault)
    async for _ in await theirs.chat.completions.create(model="any", messages=MESSAGES, stream=True):
        pass
    with pytest.raises(AnswerError):
        await ours(MESSAGES, stream=True)
    async with ours.stream(MESSAGES) as chunks:
        with pytest.raises(AnswerError):
            async for _ in chunks:
                pass


@pytest.mark.parametrize("streamed", [False, True])
async def test_requests_in_turn_over_connections_that_end_unannounced_all_succeed(
    server: OpenAIServer,
    ours: ChatHandle,
    streamed: bool,  # noqa: FBT001
) -> None:
    """A pooled connection that is dead costs nobody an answer, and no request is answered twice."""
    server.script.default = Answer(cut="after")

    async def worker() -> None:
        for _ in range(10):
            assert (await ours(MESSAGES, stream=streamed))["choices"]

    await asyncio.gather(*(worker() for _ in range(8)))
    assert len(server.calls) == 80


async def test_a_failed_request_is_sent_again_as_often_as_openais_client_does() -> None:
    """Two retries by default, on the same statuses."""
    for status in (408, 409, 429, 500, 502, 503, 504):
        counts = []
        script = Script(Step(Answer(status=status, retry_after=0.001, retry_after_form="ms"), times=None))
        async with OpenAIServer(script) as server:
            async with AsyncOpenAI(base_url=server.base_url, api_key="key") as client:
                with pytest.raises(openai.APIStatusError):
                    await client.chat.completions.create(model="any", messages=MESSAGES)
            counts.append(len(server.calls))
            async with create_openai_api_handle_async(server.base_url, "key", "any") as handle:
                with pytest.raises(StatusError):
                    await handle(MESSAGES)
            counts.append(len(server.calls) - counts[0])
        assert counts == [3, 3], status
