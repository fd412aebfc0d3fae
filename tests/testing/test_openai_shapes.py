"""What the model server says when asked for more than one plain text."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from lastcall.testing import Answer, OpenAIServer, Script, ToolCall, completion_text

CHAT = "/v1/chat/completions"
QUESTION = "Which planet has the tallest mountain?"
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Serve with an empty script."""
    async with OpenAIServer() as running:
        yield running


async def post(server: OpenAIServer, path: str = CHAT, **changes: Any) -> str:
    """Post a request; return the body of the answer."""
    body: dict[str, Any] = {"model": "any", **changes}
    if path == CHAT:
        body.setdefault("messages", [{"role": "user", "content": QUESTION}])
    async with aiohttp.ClientSession(server.url) as session, session.post(path, json=body) as response:
        assert response.status == 200
        return await response.text()


async def ask(server: OpenAIServer, path: str = CHAT, **changes: Any) -> Any:
    """Post a request; return the JSON of the answer."""
    return json.loads(await post(server, path, **changes))


async def chunks(server: OpenAIServer, path: str = CHAT, **changes: Any) -> list[Any]:
    """Post a streamed request; return the objects of its events."""
    text = await post(server, path, stream=True, **changes)
    return list(data_of(text))


def data_of(text: str) -> Iterator[Any]:
    """Yield the objects of a stream of plain events."""
    for event in text.split("\n\n"):
        for line in event.split("\n"):
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def deltas(stream: list[Any], index: int, name: str) -> list[Any]:
    """Return the values of a field in the deltas of one choice."""
    choices = (choice for chunk in stream for choice in chunk["choices"])
    return [item["delta"][name] for item in choices if item["index"] == index and name in item["delta"]]


async def test_as_many_choices_as_asked_for_are_given(server: OpenAIServer) -> None:
    """Each has its number and a text of its own, the first that of a single choice."""
    data = await ask(server, n=3)
    texts = [choice["message"]["content"] for choice in data["choices"]]
    assert [choice["index"] for choice in data["choices"]] == [0, 1, 2]
    assert texts == [completion_text(QUESTION, number) for number in range(3)]
    assert len(set(texts)) == 3


async def test_choices_of_a_stream_come_in_turn(server: OpenAIServer) -> None:
    """Their chunks are mixed, and put together by index they are the texts."""
    stream = await chunks(server, n=2)
    order = [chunk["choices"][0]["index"] for chunk in stream]
    assert order[:4] == [0, 1, 0, 1]
    for index in range(2):
        assert "".join(deltas(stream, index, "content")) == completion_text(QUESTION, index)


async def test_each_prompt_has_its_choices(server: OpenAIServer) -> None:
    """`/v1/completions` answers a list of prompts, n times each; a list of token numbers is one prompt."""
    data = await ask(server, "/v1/completions", prompt=["a", "b"], n=2)
    assert [choice["text"] for choice in data["choices"]] == [
        completion_text(prompt, number) for prompt in "ab" for number in range(2)
    ]
    assert len((await ask(server, "/v1/completions", prompt=[1, 2, 3]))["choices"]) == 1


async def test_log_probabilities_are_given_when_asked_for(server: OpenAIServer) -> None:
    """One for each token, with so many alternatives, plain and streamed the same."""
    asked: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}
    plain = (await ask(server, **asked))["choices"][0]["logprobs"]["content"]
    stream = await chunks(server, **asked)
    parts = [chunk["choices"][0]["logprobs"] for chunk in stream]
    assert "".join(item["token"] for item in plain) == completion_text(QUESTION)
    assert {len(item["top_logprobs"]) for item in plain} == {2}
    assert [item for part in parts if part for item in part["content"]] == plain


async def test_old_style_log_probabilities_are_lists(server: OpenAIServer) -> None:
    """`/v1/completions` has one list for each kind, of the same length."""
    logprobs = (await ask(server, "/v1/completions", prompt="a", logprobs=1))["choices"][0]["logprobs"]
    assert set(logprobs) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
    assert len({len(values) for values in logprobs.values()}) == 1


async def test_a_script_has_functions_called(server: OpenAIServer) -> None:
    """The calls stand in the message, without a text."""
    calls = [ToolCall("weather", '{"city": "Rome"}'), ToolCall("time", id="call_x")]
    server.script.add(Answer(tool_calls=calls))
    (choice,) = (await ask(server))["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["weather", "time"]
    assert choice["message"]["tool_calls"][1]["id"] == "call_x"


async def test_the_arguments_of_a_call_are_streamed_in_pieces(server: OpenAIServer) -> None:
    """The first piece of a call names it, the others carry its index and more of its arguments."""
    server.script.add(Answer(text="Let me see.", tool_calls=[ToolCall("weather", '{"city": "Rome"}')]))
    stream = await chunks(server)
    pieces = [call for calls in deltas(stream, 0, "tool_calls") for call in calls]
    assert pieces[0]["function"] == {"name": "weather", "arguments": ""}
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"city": "Rome"}'
    assert {piece["index"] for piece in pieces} == {0}
    assert "".join(deltas(stream, 0, "content")) == "Let me see."


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_function_is_called_when_the_request_demands_it(server: OpenAIServer, choice: Any) -> None:
    """`tool_choice` names one, or "required" takes the first."""
    data = await ask(server, tools=[WEATHER], tool_choice=choice)
    (call,) = data["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": "{}"}


async def test_a_model_may_refuse(server: OpenAIServer) -> None:
    """The refusal stands where the text would, and is streamed in pieces."""
    server.script.add(Answer(refusal="I cannot help with that."), Answer(refusal="I cannot help with that."))
    message = (await ask(server))["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I cannot help with that.")
    assert "".join(deltas(await chunks(server), 0, "refusal")) == "I cannot help with that."


async def test_reasoning_has_a_field_of_any_name(server: OpenAIServer) -> None:
    """It stands beside the text, comes before it in a stream, and is counted apart."""
    server.script.default = Answer(reasoning="Olympus Mons, on Mars.", reasoning_field="reasoning")
    data = await ask(server)
    assert data["choices"][0]["message"]["reasoning"] == "Olympus Mons, on Mars."
    assert data["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert "".join(deltas(await chunks(server), 0, "reasoning")) == "Olympus Mons, on Mars."


async def test_fields_of_no_reference_are_added(server: OpenAIServer) -> None:
    """They are in the object and in each chunk."""
    server.script.default = Answer(extra={"timings": {"predicted_ms": 1.5}})
    assert (await ask(server))["timings"] == {"predicted_ms": 1.5}
    assert all(chunk["timings"] == {"predicted_ms": 1.5} for chunk in await chunks(server))


@pytest.mark.parametrize(
    ("where", "asked", "place"),
    [("own", False, "own"), ("last", True, "last"), ("never", True, "never"), ("asked", False, "never")],
)
async def test_the_usage_of_a_stream_is_where_the_script_wants_it(
    server: OpenAIServer,
    where: Any,
    asked: bool,  # noqa: FBT001
    place: str,
) -> None:
    """In a chunk of its own, in the last one with a choice, or nowhere."""
    server.script.default = Answer(stream_usage=where)
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked else {}
    stream = await chunks(server, **options)
    found = [("last" if chunk["choices"] else "own") for chunk in stream if chunk.get("usage")]
    assert found == ([] if place == "never" else [place])


async def test_tokens_are_streamed_as_given(server: OpenAIServer) -> None:
    """Empty, huge and single-byte pieces arrive one chunk each; a finish reason may be any."""
    tokens = ["", "x" * 2**20, "é", "\u2028", "\x00"]
    server.script.default = Answer(tokens=tokens, finish_reason="content_filter")
    stream = await chunks(server)
    assert deltas(stream, 0, "content")[1:] == tokens
    assert stream[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert (await ask(server))["choices"][0]["message"]["content"] == "".join(tokens)


async def test_a_response_has_the_shape_of_the_reference(server: OpenAIServer) -> None:
    """`/v1/responses` answers with output items; instructions count as asked for."""
    data = await ask(server, "/v1/responses", input=QUESTION, instructions="Be short.")
    (item,) = data["output"]
    assert (data["object"], data["status"], item["type"]) == ("response", "completed", "message")
    assert item["content"][0]["text"] == completion_text(QUESTION)
    usage = data["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert (await ask(server, "/v1/responses", input=QUESTION))["usage"]["input_tokens"] < usage[
        "input_tokens"
    ]


async def test_a_response_takes_a_list_of_items(server: OpenAIServer) -> None:
    """The last item is answered, its content a string or parts."""
    parts = [{"type": "input_text", "text": "b"}]
    given = [{"role": "user", "content": "a"}, {"role": "user", "content": parts}]
    data = await ask(server, "/v1/responses", input=given)
    assert data["output"][0]["content"][0]["text"] == completion_text("b")


async def test_a_response_can_be_cut_by_its_limit(server: OpenAIServer) -> None:
    """Its status then is "incomplete", and the reason is told."""
    data = await ask(server, "/v1/responses", input=QUESTION, max_output_tokens=2)
    assert (data["status"], data["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert data["usage"]["output_tokens"] == 2


async def test_a_streamed_response_is_named_and_numbered_events(server: OpenAIServer) -> None:
    """The deltas join to the text, the last event carries the whole response, and no `[DONE]` follows."""
    text = await post(server, "/v1/responses", input=QUESTION, stream=True)
    events = list(data_of(text))
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    pieces = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(pieces) == completion_text(QUESTION)
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == completion_text(QUESTION)
    assert "[DONE]" not in text


async def test_a_streamed_response_has_items_of_every_kind(server: OpenAIServer) -> None:
    """Reasoning, a text, a refusal and a call, each in its own events."""
    answer = Answer(reasoning="Hm.", text="Well.", refusal="No.", tool_calls=[ToolCall("f", '{"a":1}')])
    server.script.add(answer)
    events = await chunks(server, "/v1/responses", input=QUESTION)
    said = {
        kind: "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta")
        for kind in ("reasoning_text", "output_text", "refusal", "function_call_arguments")
    }
    assert list(said.values()) == ["Hm.", "Well.", "No.", '{"a":1}']
    kinds = [item["type"] for item in events[-1]["response"]["output"]]
    assert kinds == ["reasoning", "message", "function_call"]


async def test_a_streamed_response_can_break_off() -> None:
    """The last event is an error with the script's message."""
    async with OpenAIServer(Script(Answer(stream_error="overloaded"))) as server:
        last = (await chunks(server, "/v1/responses", input=QUESTION))[-1]
    assert (last["type"], last["message"]) == ("error", "overloaded")


@pytest.mark.parametrize("number", [0, -1, 1000, "many"])
async def test_a_number_of_choices_that_cannot_be_is_refused(server: OpenAIServer, number: Any) -> None:
    """It is a 400 that names the parameter."""
    body = {"model": "any", "messages": [{"role": "user", "content": "?"}], "n": number}
    async with aiohttp.ClientSession(server.url) as session, session.post(CHAT, json=body) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "n")
