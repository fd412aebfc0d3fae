"""
Our model server before the client most people have: `openai`'s own, plain and streamed.

The client reads leniently: it builds its objects without checking them. So what came is checked against
its models a second time, strictly, and a field that they do not know is a mistake of ours.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pydantic
import pytest
from openai import AsyncOpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState

from lastcall.testing import Answer, OpenAIServer, ToolCall, completion_text, tls_contexts

QUESTION = "Which planet has the tallest mountain?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Serve with an empty script."""
    async with OpenAIServer(api_key="key") as running:
        yield running


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    """Open a client that does not retry."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="key", max_retries=0) as opened:
        yield opened


def check(model: pydantic.BaseModel) -> None:
    """Assert that an object is as the client's model of it says, with no field it does not know."""
    type(model).model_validate_json(model.model_dump_json(exclude_unset=True, by_alias=True))
    assert list(unknown_fields(model)) == []


def unknown_fields(value: Any) -> Any:
    """Yield the fields that the client's models do not know, at any depth."""
    if isinstance(value, pydantic.BaseModel):
        yield from value.model_extra or ()
        value = [item for _, item in value]
    if isinstance(value, list):
        for item in value:
            yield from unknown_fields(item)


ASKED = [
    {},
    {"n": 3},
    {"logprobs": True, "top_logprobs": 2},
    {"tools": [WEATHER], "tool_choice": "required"},
    {"max_tokens": 2},
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "+".join(asked) or "nothing")
async def test_chats_are_the_same_plain_and_streamed(client: AsyncOpenAI, asked: Any) -> None:
    """What the client puts together from a stream is what it is told at once."""
    create: Any = client.chat.completions.create
    plain = await create(model="any", messages=MESSAGES, **asked)
    state: Any = ChatCompletionStreamState(input_tools=asked.get("tools", openai.omit))
    usage = {"stream_options": {"include_usage": True}}
    async for chunk in await create(model="any", messages=MESSAGES, stream=True, **asked, **usage):
        check(chunk)
        state.handle_chunk(chunk)
    check(plain)
    streamed = (
        state.get_final_completion() if "max_tokens" not in asked else state.current_completion_snapshot
    )
    assert told(streamed) == told(plain)


def told(completion: Any) -> dict[str, Any]:
    """Return what a completion says: all but its id, its time, and what the client adds to it."""
    data: dict[str, Any] = completion.model_dump(exclude={"id", "created"}, exclude_none=True)
    for choice in data["choices"]:
        choice["message"].pop("parsed", None)
        choice["message"].setdefault("content", None)
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        if "logprobs" in choice:
            choice["logprobs"] = choice["logprobs"].get("content")
    return data


async def test_refusals_calls_and_reasoning_are_read(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """The client's own helper for streams puts each of them together."""
    answer = Answer(text="Well.", refusal="No.", reasoning="Hm.", tool_calls=[ToolCall("weather", '{"a":1}')])
    server.script.default = answer
    async with client.chat.completions.stream(model="any", messages=MESSAGES, tools=[WEATHER]) as stream:
        async for _ in stream:
            pass
        message: Any = (await stream.get_final_completion()).choices[0].message
    assert (message.content, message.refusal, message.reasoning_content) == ("Well.", "No.", "Hm.")
    assert [call.function.arguments for call in message.tool_calls] == ['{"a":1}']


@pytest.mark.parametrize("asked", [{}, {"n": 2}, {"logprobs": 2}], ids=str)
async def test_old_style_completions_are_the_same_plain_and_streamed(client: AsyncOpenAI, asked: Any) -> None:
    """For each prompt and choice the pieces join to the text."""
    plain = await client.completions.create(model="any", prompt=["a", "b"], **asked)
    texts = ["" for _ in plain.choices]
    async for chunk in await client.completions.create(model="any", prompt=["a", "b"], stream=True, **asked):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    check(plain)
    assert texts == [choice.text for choice in plain.choices]
    assert texts[0] == completion_text("a")


@pytest.mark.parametrize("encoding", ["float", "base64", openai.omit])
async def test_embeddings_are_read_in_every_encoding(client: AsyncOpenAI, encoding: Any) -> None:
    """The client asks for base64 by itself and unpacks it."""
    made = await client.embeddings.create(
        model="any", input=["a", "b"], dimensions=5, encoding_format=encoding
    )
    assert [item.index for item in made.data] == [0, 1]
    assert encoding == "base64" or {len(item.embedding) for item in made.data} == {5}
    assert made.usage.total_tokens == 2


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"max_output_tokens": 2},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
        {"tools": [{**WEATHER["function"], "type": "function", "strict": None}], "tool_choice": "required"},
    ],
    ids=lambda asked: "+".join(asked) or "nothing",
)
async def test_responses_are_the_same_plain_and_streamed(client: AsyncOpenAI, asked: Any) -> None:
    """The last event of a stream carries what is told at once; every event is one that the client knows."""
    plain = await client.responses.create(model="any", input=QUESTION, **asked)
    stream: Any = await client.responses.create(model="any", input=QUESTION, stream=True, **asked)
    events = [event async for event in stream]
    for item in [plain, *events]:
        check(item)
    streamed = events[-1].response
    assert streamed.status == plain.status
    assert streamed.output_text == plain.output_text
    assert [item.type for item in streamed.output] == [item.type for item in plain.output]
    assert streamed.usage == plain.usage


async def test_a_response_of_every_kind_of_item_is_put_together(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    """The client's own helper follows the events of reasoning, text, refusal and calls."""
    answer = Answer(text="Well.", refusal="No.", reasoning="Hm.", tool_calls=[ToolCall("weather", '{"a":1}')])
    server.script.default = answer
    async with client.responses.stream(model="any", input=QUESTION) as stream:
        events = [event async for event in stream]
        response = await stream.get_final_response()
    for event in events:
        assert event.type.startswith("response.")
    assert response.output_text == "Well."
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    """And looked up by name."""
    (model,) = [model async for model in client.models.list()]
    check(model)
    assert await client.models.retrieve(model.id) == model


ERRORS = [
    (400, openai.BadRequestError),
    (401, openai.AuthenticationError),
    (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("status", "error"), ERRORS)
async def test_errors_are_those_of_the_api(
    server: OpenAIServer,
    client: AsyncOpenAI,
    status: int,
    error: type[openai.APIStatusError],
    streamed: bool,  # noqa: FBT001
) -> None:
    """The client raises what it raises for the API, with message, code and request id."""
    server.script.add(Answer(status=status, message="no", code="why"))
    with pytest.raises(error) as caught:
        await client.chat.completions.create(model="any", messages=MESSAGES, stream=streamed)
    assert (caught.value.code, caught.value.request_id) == ("why", "req_00000001")
    assert caught.value.body == {"message": "no", "type": caught.value.type, "param": None, "code": "why"}


async def test_a_wrong_key_is_refused(server: OpenAIServer) -> None:
    """As the API does it."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            await client.models.list()


@pytest.mark.parametrize("form", ["seconds", "date", "ms"])
async def test_the_client_comes_back_when_told(server: OpenAIServer, form: Any) -> None:
    """It understands each form of the header, and its second attempt is counted as one."""
    server.script.add(Answer.rate_limit(0.001 if form == "ms" else 0, form))
    async with AsyncOpenAI(base_url=server.base_url, api_key="key", max_retries=1) as client:
        made = await asyncio.wait_for(client.chat.completions.create(model="any", messages=MESSAGES), 5)
    assert made.choices[0].message.content == completion_text(QUESTION)
    assert [call.attempt for call in server.calls] == [1, 2]


FORMS = [
    Answer(event_line_end="\r\n"),
    Answer(event_comment="keepalive"),
    Answer(event_space=False),
    Answer(event_multiline=True),
    Answer(split=3),
    Answer(gzip=True),
    Answer(http10=True),
    Answer(informational=(103,)),
    Answer(cut="after"),
    Answer(done=False),
    Answer(stream_usage="last"),
    Answer(tokens=["x" * 2**20, "", "é"]),
]


@pytest.mark.parametrize("answer", FORMS, ids=repr)
async def test_odd_streams_are_read(server: OpenAIServer, client: AsyncOpenAI, answer: Answer) -> None:
    """What is odd but right is right to the client as well."""
    server.script.add(answer)
    text = ""
    async for chunk in await client.chat.completions.create(model="any", messages=MESSAGES, stream=True):
        text += chunk.choices[0].delta.content or ""
    assert text == ("".join(answer.tokens) if answer.tokens else completion_text(QUESTION))


FAULTS: list[tuple[Answer, type[Exception]]] = [
    (Answer(cut="before"), openai.APIConnectionError),
    (Answer(cut="before", reset=True), openai.APIConnectionError),
    (Answer(cut="head"), openai.APIConnectionError),
    (Answer(cut="body"), openai.APIConnectionError),
    (Answer(stream_error="overloaded"), openai.APIError),
    (Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n"), openai.APIConnectionError),
]


@pytest.mark.parametrize(("answer", "error"), FAULTS, ids=repr)
async def test_faults_are_faults_to_the_client(
    server: OpenAIServer, client: AsyncOpenAI, answer: Answer, error: type[Exception]
) -> None:
    """A stream that breaks raises, as it would before a real server."""
    server.script.add(answer)
    with pytest.raises(error):
        async for _ in await client.chat.completions.create(model="any", messages=MESSAGES, stream=True):
            pass


async def test_a_certificate_for_another_name_is_refused() -> None:
    """The client checks names with the context it is given."""
    tls = tls_contexts("elsewhere.test")
    async with OpenAIServer(ssl=tls.server) as server, httpx2.AsyncClient(verify=tls.client) as http:
        client = AsyncOpenAI(base_url=server.base_url, api_key="key", max_retries=0, http_client=http)
        with pytest.raises(openai.APIConnectionError):
            await client.models.list()


async def test_what_was_asked_is_remembered(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """The server's calls hold what the client sent."""
    await client.chat.completions.create(model="any", messages=MESSAGES, temperature=0.5)
    (call,) = server.calls
    assert json.loads(json.dumps(dict(call.json))) == {
        "model": "any",
        "messages": MESSAGES,
        "temperature": 0.5,
    }
