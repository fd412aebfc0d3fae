"""Lines become requests: every form, every refusal, bodies untouched."""

import json
from typing import Any

import pytest

from lastcall.llm.batch import BatchRequest, LineError
from lastcall.llm.batch.requests import Requests, streamed

from .conftest import batch_line


def made(line: Any, number: int = 7, **options: Any) -> BatchRequest:
    """Return the request of a line, given as bytes or as data."""
    text = line if isinstance(line, bytes) else json.dumps(line).encode()
    return Requests(**options).from_line(number, text)


def refused(line: Any, **options: Any) -> LineError:
    """Return the error of a line that is no request."""
    with pytest.raises(LineError) as caught:
        made(line, **options)
    return caught.value


def test_a_batch_lines_body_is_sent_as_it_came() -> None:
    """Blanks, order and numbers of the body are those of the file."""
    body = b'{ "model":"m",  "seed":1.0, "messages" : [ {"role":"user","content":"\xc3\xa9"} ] }'
    line = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body": ' + body + b" }\n"
    request = made(line)
    assert (request.custom_id, request.path, request.body) == ("a", "/v1/chat/completions", body)


def test_a_line_with_messages_is_a_chat_request_named_by_its_line() -> None:
    """The whole line is the body."""
    request = made({"model": "m", "messages": [], "temperature": 0})
    assert (request.custom_id, request.path) == ("line-7", "/v1/chat/completions")
    assert json.loads(request.body) == {"model": "m", "messages": [], "temperature": 0}


def test_a_line_with_a_prompt_is_a_completion_request() -> None:
    """Its own id is taken out of the body."""
    request = made({"custom_id": "mine", "model": "m", "prompt": "once"})
    assert (request.custom_id, request.path) == ("mine", "/v1/completions")
    assert json.loads(request.body) == {"model": "m", "prompt": "once"}


def test_a_line_with_a_url_of_its_own_may_ask_for_embeddings() -> None:
    """A body without an envelope needs only the path beside it."""
    request = made({"url": "/v1/embeddings", "model": "m", "input": ["a"]})
    assert (request.path, json.loads(request.body)) == ("/v1/embeddings", {"model": "m", "input": ["a"]})


def test_model_and_parameters_of_the_batch_take_the_place_of_a_lines_own() -> None:
    """What else the line says stays."""
    line = batch_line("a", temperature=1, seed=3)
    request = made(line, model="big", params={"temperature": 0, "stop": ["x"]})
    body = json.loads(request.body)
    assert (body["model"], body["temperature"], body["seed"], body["stop"]) == ("big", 0, 3, ["x"])


def test_the_default_model_is_for_lines_that_name_none() -> None:
    """A line's own model is left."""
    assert json.loads(made({"messages": []}, default_model="d").body)["model"] == "d"
    assert json.loads(made({"messages": [], "model": "own"}, default_model="d").body)["model"] == "own"


def test_what_asks_for_a_stream_is_taken_out_and_remembered() -> None:
    """The output's answer is whole either way, so that a stream is a matter of transport."""
    plain = made(batch_line("a"))
    request = made(batch_line("a", stream=True, stream_options={"include_usage": True}))
    assert request.stream
    assert json.loads(request.body) == json.loads(plain.body)
    assert json.loads(streamed(request.path, request.body))["stream_options"] == {"include_usage": True}


def test_the_digest_says_what_is_asked_and_not_by_whom() -> None:
    """It changes with path and body, not with the id or the line."""
    one = made(batch_line("a"), 1)
    assert made(batch_line("b"), 2).digest == one.digest
    assert made(batch_line("a", "other"), 1).digest != one.digest
    assert made({**batch_line("a"), "url": "/v1/responses"}, 1).digest != one.digest
    assert made(batch_line("a"), 1, params={"seed": 1}).digest != one.digest


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"hello\n", "invalid_json", "not JSON"),
        (b'{"custom_id": "a"', "invalid_json", "not JSON"),
        (b'{"messages": [], "model": "\xff"}', "invalid_json", "utf-8"),
        (b'{"custom_id":"a","body":' + b"[" * 10**5 + b"]" * 10**5 + b"}", "invalid_json", "nested"),
        ([], "invalid_line", "expected `object`"),
        ({"model": "m"}, "invalid_line", "has neither"),
        ({"custom_id": 5, "messages": []}, "invalid_line", "`$.custom_id`"),
        ({"custom_id": None, "messages": []}, "invalid_line", "`$.custom_id`"),
        ({**batch_line("a"), "method": "GET"}, "invalid_line", "must be POST"),
        ({**batch_line("a"), "url": "http://elsewhere/v1"}, "invalid_line", "must be a path"),
        ({**batch_line("a"), "url": "/v1/a b"}, "invalid_line", "must be a path"),
        ({**batch_line("a"), "body": []}, "invalid_line", "must be an object"),
        (batch_line("a", messages="hello"), "invalid_line", "`messages` must be a list"),
        (batch_line("a", model=5), "invalid_line", "`$.model`"),
        (batch_line("a", stream="yes"), "invalid_line", "`$.stream`"),
        ({"model": "m", "prompt": 5}, "invalid_line", "`prompt` must be a text or a list"),
        ({"messages": []}, "invalid_line", "names no model"),
    ],
)
def test_a_line_that_is_no_request_is_refused_with_its_number(line: Any, code: str, words: str) -> None:
    """The error says which line, what is wrong, and what the line calls itself."""
    error = refused(line)
    assert (error.line, error.code) == (7, code)
    assert str(error).startswith("line 7: ")
    assert words in str(error)


def test_the_error_of_a_line_keeps_its_id_where_it_can_be_read() -> None:
    """So that it can be found again in the file of errors."""
    assert refused({**batch_line("mine"), "method": "GET"}).custom_id == "mine"
    assert refused(b"hello").custom_id is None
