"""What a handle sends, and what it gives back."""

import contextlib
import json
from typing import Any

import pytest

from lastcall.llm import (
    AnswerError,
    ChatHandle,
    RequestError,
    StatusError,
    create_openai_api_handle_async,
)
from lastcall.testing import Answer, OpenAIServer
from lastcall.testing.script import ToolCall

from .conftest import HELLO, KEY


async def test_a_call_sends_model_messages_and_all_else_as_given(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """The body holds what was given and nothing more; the options of the call are not in it."""
    await handle(HELLO, temperature=0, extra={"deep": [1, None]}, timeout=9, max_retries=1)
    (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    assert call.json == {"model": "tiny", "messages": HELLO, "temperature": 0, "extra": {"deep": [1, None]}}
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.headers["Content-Type"] == "application/json"


async def test_a_call_may_name_another_model(server: OpenAIServer, handle: ChatHandle) -> None:
    """What the call says comes before the handle's own."""
    assert (await handle(HELLO, model="other"))["model"] == "other"


async def test_everything_the_server_says_is_given_back(server: OpenAIServer, handle: ChatHandle) -> None:
    """Tool calls, reasoning, choices and fields that no reference knows are in the dict."""
    server.script.add(
        Answer(
            tool_calls=[ToolCall("look", '{"at": 1}')], reasoning="hm", extra={"service_tier": {"new": True}}
        )
    )
    answer = await handle(HELLO)
    assert answer["service_tier"] == {"new": True}
    message = answer["choices"][0]["message"]
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": 1}'}
    assert message["reasoning_content"] == "hm"
    assert answer["usage"]["total_tokens"] > 0


async def test_several_choices_and_logprobs_come_back(handle: ChatHandle) -> None:
    """Every choice of `n` is there, with its logprobs."""
    answer = await handle(HELLO, n=3, logprobs=True)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert all(choice["logprobs"]["content"] for choice in answer["choices"])


async def test_the_other_paths_give_their_objects(server: OpenAIServer, handle: ChatHandle) -> None:
    """Text completions, embeddings and responses are asked for at their own paths."""
    objects = [
        await handle.complete("once", max_tokens=2),
        await handle.embed(["a", "b"], dimensions=3),
        await handle.respond("hello"),
    ]
    assert [answer["object"] for answer in objects] == ["text_completion", "list", "response"]
    assert [call.path for call in server.calls] == ["/v1/completions", "/v1/embeddings", "/v1/responses"]


def said(answer: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Return what each choice of an answer says, and why it ended."""
    return [
        (choice["message"]["content"] if "message" in choice else choice["text"], choice["finish_reason"])
        for choice in answer["choices"]
    ]


@pytest.mark.parametrize("method", ["__call__", "complete", "respond"])
async def test_a_call_that_asks_for_a_stream_gets_the_whole(handle: ChatHandle, method: str) -> None:
    """With stream=True the answer says what the plain one says."""
    call = getattr(handle, method)
    given: Any = HELLO if method == "__call__" else "hello"
    plain, whole = await call(given), await call(given, stream=True)
    if method == "respond":
        assert whole["output"][0]["content"] == plain["output"][0]["content"]
    else:
        assert said(whole) == said(plain)


async def test_objects_of_openais_client_may_stand_in_the_messages(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """What has `model_dump`, as the messages of OpenAI's and other clients, is written as its data."""

    class Message:
        def model_dump(self, *, mode: str, exclude_unset: bool) -> dict[str, str]:
            assert (mode, exclude_unset) == ("json", True)
            return {"role": "assistant", "content": "hi"}

    await handle([*HELLO, Message()])
    assert server.calls[0].json["messages"][1] == {"role": "assistant", "content": "hi"}


@pytest.mark.parametrize("value", [object(), "\ud800", {1.5j: 2}])
async def test_a_body_that_is_no_json_is_not_sent(
    server: OpenAIServer, handle: ChatHandle, value: object
) -> None:
    """It is the caller's mistake, and says what cannot be written."""
    with pytest.raises(RequestError, match="cannot be written as JSON"):
        await handle(HELLO, value=value)
    assert not server.calls


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(body=b"<html>hello</html>", content_type="text/html"), "text/html .* '<html>hello</html>'"),
        (Answer(body=b"[1]"), "no object"),
        (Answer(body=b""), "no object of JSON: ''"),
        (Answer(body=b'{"id": "cut'), "JSON that is broken"),
        (Answer(body=b'{"error": {"message": "upstream died"}}'), "with an error: upstream died"),
        (Answer(body=b"[" * 100_000), "no object"),
    ],
)
async def test_an_answer_that_is_none_is_an_error_with_its_body(
    server: OpenAIServer, handle: ChatHandle, answer: Answer, says: str
) -> None:
    """Status 200 is not enough: the body must be an object, and no error."""
    server.script.add(answer)
    with pytest.raises(AnswerError, match=says) as caught:
        await handle(HELLO)
    error = caught.value
    assert (error.status, error.body, error.attempt) == (200, answer.body, 1)
    assert error.request_id == "req_00000001"
    assert error.server == server.url


async def test_leading_blanks_and_an_error_that_is_null_do_no_harm(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """Keep-alive blanks before the body, and `"error": null` in front, are what good servers send."""
    server.script.add(Answer(body=b'\n\n {"choices": []}'), Answer(body=b'{"error":null,"output":[]}'))
    assert await handle(HELLO) == {"choices": []}
    assert await handle(HELLO) == {"error": None, "output": []}


async def test_a_stream_that_nobody_asked_for_is_put_together(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """A body of bytes may ask for a stream without the caller saying so."""
    body = json.dumps({"model": "tiny", "messages": HELLO, "stream": True}).encode()
    outcome = await handle.request("/v1/chat/completions", body)
    assert json.loads(outcome.body)["object"] == "chat.completion"


async def test_request_sends_bytes_as_they_are_and_gives_bytes_as_they_came(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """The batch driver's way: not even blanks are changed, on either side."""
    sent = b'{ "messages" :[{"role":"user","content":"hello"}],   "model":"m"}'
    came = b'{ "odd" :   [1.0, 2e3] }'
    server.script.add(Answer(body=came))
    outcome = await handle.request("/chat/completions", sent)
    assert (outcome.status, outcome.body, outcome.request_id) == (200, came, "req_00000001")
    assert (outcome.attempts, outcome.retries) == (1, ())
    assert outcome.waited < 0.1
    assert outcome.seconds > 0
    assert server.calls[0].path == "/v1/chat/completions"
    assert server.calls[0].headers["Content-Length"] == str(len(sent))


async def test_request_streams_and_tells_the_times(server: OpenAIServer, handle: ChatHandle) -> None:
    """A stream is put together, with the time of its first event and the gaps between the others."""
    outcome = await handle.request("/v1/chat/completions", {"messages": HELLO}, stream=True)
    assert json.loads(outcome.body)["choices"][0]["finish_reason"] == "stop"
    assert outcome.first_chunk is not None
    assert 0 < outcome.first_chunk <= outcome.seconds
    assert outcome.gaps
    assert server.calls[0].stream


@pytest.mark.parametrize(("base", "path"), [("/v1", "/v1/completions"), ("/openai", "/openai/completions")])
async def test_a_path_is_put_behind_the_base_url(server: OpenAIServer, base: str, path: str) -> None:
    """The `/v1` of OpenAI's Batch format stands for whatever the base URL has."""
    handle = create_openai_api_handle_async(server.url + base + "/", KEY, "tiny")
    with contextlib.suppress(StatusError):  # the server knows only one of them
        await handle.request("/v1/completions", {"prompt": "x"})
    assert server.calls[0].path == path


@pytest.mark.parametrize("path", ["", "chat", "/v1/a b", "/v1/x\r\nX-Evil: 1", "/v1/\u00fc", "/v1/x#y"])
async def test_a_path_that_is_none_is_not_sent(server: OpenAIServer, handle: ChatHandle, path: str) -> None:
    """Paths of batches come from files, and may be anything."""
    with pytest.raises(RequestError, match="is no path"):
        await handle.request(path, {"messages": HELLO})
    with pytest.raises(RequestError, match="is no path"):
        await anext(handle.stream_from(path, {"messages": HELLO}))
    assert not server.calls


async def test_any_number_of_paths_is_asked_in_little_memory(handle: ChatHandle) -> None:
    """What is made ready for each is not kept for ever."""
    for number in range(200):
        await handle.request(f"/v1/chat/completions?n={number}", {"messages": HELLO})
    assert handle._place is not None
    assert len(handle._place.targets) <= 64


async def test_the_query_of_a_base_url_goes_along(server: OpenAIServer) -> None:
    """Azure's `api-version` stands there; errors do not show it."""
    handle = create_openai_api_handle_async(f"{server.base_url}?api-version=secret-1", KEY, "tiny")
    server.script.add(Answer(status=400))
    with pytest.raises(StatusError) as caught:
        await handle(HELLO)
    assert server.requests[0].query == {"api-version": "secret-1"}
    assert "secret-1" not in repr(handle) + str(caught.value)
