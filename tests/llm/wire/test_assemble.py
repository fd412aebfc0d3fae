"""Streams put together into the answers that would have come whole."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from lastcall.llm.assemble import assemble, is_finished, put_together
from lastcall.llm.errors import AnswerError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.testing import Answer, OpenAIServer, ToolCall

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
RESPONSES = "/v1/responses"


def chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"object": "chat.completion.chunk", **fields, "choices": list(choices)}).encode()


def delta(index: int = 0, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "finish_reason": reason}


def whole(path: str, *chunks: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(assemble(path, chunks))
    return answer


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    """Return the message that deltas of one choice make."""
    answer = whole(CHAT, *(chunk(delta(**fields)) for fields in deltas))
    made: dict[str, Any] = answer["choices"][0]["message"]
    return made


def test_text_is_joined_and_the_rest_is_as_in_a_plain_answer() -> None:
    """The object, its id, model, time and fingerprint, the choice with its reason, and the usage."""
    about = {"id": "c1", "created": 5, "model": "m", "system_fingerprint": "f"}
    assert whole(
        CHAT,
        chunk(delta(role="assistant", content=""), usage=None, **about),
        chunk(delta(content="Hel"), **about),
        chunk(delta(content="lo"), **about),
        chunk(delta(reason="stop"), **about),
        chunk(usage={"total_tokens": 3}, **about),
    ) == {
        **about,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"total_tokens": 3},
    }


def test_choices_are_kept_apart_and_in_order() -> None:
    """Chunks of several choices may come in any order, several in one, with reasons of their own."""
    answer = whole(
        CHAT,
        chunk(delta(1, content="b")),
        chunk(delta(0, content="a"), delta(1, content="B")),
        chunk(delta(0, content="A", reason="stop")),
        chunk(delta(1, reason="length")),
    )
    assert [
        (choice["index"], choice["message"]["content"], choice["finish_reason"])
        for choice in answer["choices"]
    ] == [(0, "aA", "stop"), (1, "bB", "length")]


def test_tool_calls_are_put_together_by_their_index() -> None:
    """Arguments come in pieces, also alternating; id, type and name once, or in every piece."""
    made = message(
        {
            "content": None,
            "tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
            ],
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {
            "tool_calls": [
                {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}
            ]
        },
        {
            "tool_calls": [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}},
                {"index": 1, "id": "", "function": {"arguments": "}"}},
            ]
        },
    )
    assert made["content"] is None
    assert made["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_refusal_reasoning_and_unknown_fields_survive() -> None:
    """Text of any name is joined, lists are extended, objects are merged, of the rest the last counts."""
    made = message(
        {"role": "assistant", "reasoning_content": "I th", "refusal": None, "odd": 1},
        {"reasoning_content": "ink", "refusal": "No", "audio": {"id": "x", "data": "ab"}, "list": [1]},
        {"refusal": ", sorry", "audio": {"id": "x", "data": "cd"}, "list": [2], "odd": 2},
        {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "a"}]},
        {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "b"}]},
    )
    assert made == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "I think",
        "refusal": "No, sorry",
        "odd": 2,
        "audio": {"id": "x", "data": "abcd"},
        "list": [1, 2],
        "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ab"}],
    }


def test_logprobs_are_one_list() -> None:
    """Each chunk brings those of its tokens."""
    one = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}], "refusal": None}}
    two = {"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}], "refusal": None}}
    none = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    choice = whole(CHAT, chunk(one), chunk(two), chunk(none))["choices"][0]
    assert choice["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


def test_unknown_fields_of_choice_and_chunk_survive() -> None:
    """Servers add what they like: `stop_reason`, `token_ids`, `timings`."""
    answer = whole(
        CHAT,
        chunk(
            {"index": 0, "delta": {"content": "a"}, "token_ids": [1], "stop_reason": None}, timings={"n": 1}
        ),
        chunk({"index": 0, "delta": {}, "token_ids": [2, 3], "stop_reason": "\n"}, timings={"n": 2}),
    )
    assert answer["timings"] == {"n": 2}
    assert answer["choices"][0]["token_ids"] == [1, 2, 3]
    assert answer["choices"][0]["stop_reason"] == "\n"


def test_text_completions_have_their_own_shape() -> None:
    """Text is joined, and so are the lists of logprobs."""
    answer = whole(
        TEXT,
        chunk({"index": 0, "text": "Hel", "logprobs": {"tokens": ["Hel"], "text_offset": [0]}}),
        chunk(
            {
                "index": 0,
                "text": "lo",
                "logprobs": {"tokens": ["lo"], "text_offset": [3]},
                "finish_reason": "stop",
            }
        ),
    )
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {
            "index": 0,
            "text": "Hello",
            "logprobs": {"tokens": ["Hel", "lo"], "text_offset": [0, 3]},
            "finish_reason": "stop",
        }
    ]


def test_a_response_is_the_last_that_was_told() -> None:
    """The Responses API ends with the whole object; items that are not in it come from their own events."""
    done = {"id": "r", "status": "completed", "output": [{"id": "m"}]}
    begun = json.dumps({"type": "response.created", "response": {"id": "r", "output": []}}).encode()
    text = json.dumps({"type": "response.output_text.delta", "delta": "a"}).encode()
    item = json.dumps({"type": "response.output_item.done", "output_index": 0, "item": {"id": "i"}}).encode()
    end = json.dumps({"type": "response.completed", "response": done}).encode()
    assert whole(RESPONSES, begun, text, item, end) == done
    assert whole(RESPONSES, begun, text, item) == {"id": "r", "output": [{"id": "i"}]}


@pytest.mark.parametrize("bad", [b"nonsense", b"[1]", b'"text"', b'{"cut": ', b"\xff"])
def test_what_is_no_object_is_an_error(bad: bytes) -> None:
    """It says what is wrong and carries the event."""
    with pytest.raises(AnswerError) as caught:
        assemble(CHAT, [chunk(delta(content="a")), bad])
    assert caught.value.body == bad


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": []},
        {"choices": [None, 5]},
        {"choices": {"index": 0}},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": None}}]},
        {},
    ],
)
def test_odd_chunks_are_borne(odd: dict[str, Any]) -> None:
    """Shapes that no reference knows break nothing."""
    answer = whole(CHAT, json.dumps(odd).encode(), chunk(delta(content="a", reason="stop")))
    assert answer["object"] == "chat.completion"


def test_no_chunks_make_an_answer_without_choices() -> None:
    """There is nothing to put together, and nothing to fail at."""
    assert whole(CHAT) == {"object": "chat.completion", "choices": []}


def test_times_are_those_of_events_with_content() -> None:
    """A role, a reason or a usage is no content; text, reasoning and tool calls are."""
    put = put_together(
        CHAT,
        [
            chunk(delta(role="assistant", content="")),
            chunk(delta(reasoning_content="hm")),
            chunk(delta(content="a")),
            chunk(delta(tool_calls=[{"index": 0, "function": {"arguments": "{"}}])),
            chunk(delta(reason="stop")),
            chunk(usage={}),
        ],
        [1.0, 2.0, 4.0, 7.0, 11.0, 12.0],
    )
    assert (put.first_chunk, put.gaps) == (2.0, (2.0, 3.0))
    assert put_together(CHAT, [chunk(usage={})], [1.0]).first_chunk is None


def test_a_stream_is_finished_when_each_choice_has_a_reason() -> None:
    """A stream without [DONE] that stops before is cut."""
    assert not is_finished([])
    assert not is_finished([chunk(delta(content="a"))])
    assert is_finished([chunk(delta(content="a")), chunk(delta(reason="stop")), chunk(usage={})])
    assert not is_finished([chunk(delta(0, content="a"), delta(1)), chunk(delta(0, reason="stop"))])
    assert is_finished([chunk(delta(0), delta(1)), chunk(delta(0, reason="stop"), delta(1, reason="stop"))])
    assert not is_finished([chunk(delta(reason="stop")), b"half"])


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_a_stream_of_the_responses_api_is_finished_by_its_last_event(kind: str) -> None:
    """There is no [DONE]."""
    begun = b'{"type":"response.created","response":{}}'
    assert not is_finished([begun])
    assert is_finished([begun, f'{{"type":"response.{kind}","response":{{}}}}'.encode()])
    assert is_finished([begun, b'{"type":"error","message":"no"}'])


ANSWERS = [
    Answer(text="Some words, 東京 🙂."),
    Answer(reasoning="I think so", text="yes"),
    Answer(refusal="I will not"),
    Answer(tool_calls=[ToolCall("f", '{"a": 1}'), ToolCall("g", '{"b": [2, 3]}')]),
    Answer(text="x", extra={"timings": {"n": 1.5}}),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
@pytest.mark.parametrize("fields", [{}, {"n": 3}, {"logprobs": True, "top_logprobs": 2}])
async def test_a_stream_put_together_equals_the_plain_answer(  # noqa: PLR0917
    short_wire: Wire,
    server: OpenAIServer,
    chat: Target,
    body: Callable[..., bytes],
    patient: Timeouts,
    answer: Answer,
    fields: dict[str, Any],
) -> None:
    """Of the same request the server's two forms are one, but for ids and times."""
    server.script.add(answer, answer)
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    fields = {**fields, "tools": tools}
    plain = json.loads((await short_wire.post(chat, body(**fields), patient)).body)
    usage = {"include_usage": True}
    collected = await short_wire.collect(chat, body(stream=True, stream_options=usage, **fields), patient)
    streamed = json.loads(collected.assembled(CHAT).body)
    assert _comparable(streamed) == _comparable(plain)


def _comparable(answer: dict[str, Any]) -> dict[str, Any]:
    for name in ("id", "created"):
        answer.pop(name)
    for choice in answer["choices"]:
        if not (choice["logprobs"] or {}).get("content"):
            choice["logprobs"] = None
        for call in choice["message"].get("tool_calls") or ():
            call.pop("id")
        for name in ("refusal", "tool_calls"):
            choice["message"].setdefault(name, None)
    return answer


def test_chunks_that_differ_in_their_text_alone_are_read_as_any_others() -> None:
    """What spares reading them changes nothing: texts of every kind, and whatever comes between."""
    chosen = random.Random(7)
    texts = [
        "a",
        "",
        " ",
        '"',
        '\\"',
        "\\",
        "\n",
        "東",
        "🙂",
        '","x":"',
        '"}}]}',
        "\u2028",
        "content",
        '"content":"b"',
    ]
    others: list[dict[str, Any]] = [
        {},
        {"reasoning_content": "r"},
        {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]},
        {"refusal": None, "role": "assistant"},
        {"list": [1]},
    ]
    for _ in range(300):
        stream = []
        for _ in range(chosen.randrange(1, 30)):
            fields = {"content": chosen.choice(texts), **chosen.choice(others[: chosen.choice((1, 1, 1, 5))])}
            index = chosen.choice((0, 0, 0, 0, 1))
            choice = {"index": index, "delta": fields, "logprobs": None, "finish_reason": None}
            more = {"usage": None} if chosen.random() < 0.9 else {"usage": {"n": chosen.randrange(9)}}
            stream.append(chunk(choice, **more))
        apart = [piece[:-1] + b" " * number + b"}" for number, piece in enumerate(stream)]  # no two are alike
        times = [float(number) for number in range(len(stream))]
        assert put_together(CHAT, stream, times) == put_together(CHAT, apart, times)


@pytest.mark.parametrize(
    "last",
    [
        b'{"choices":[{"index":0,"delta":{"content":"a","content":"b"},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{"content":"a" ,"role":"user"},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{"content":"a\xff"},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{"content":null},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{"content":"},"finish_reason":null}]}',
    ],
)
def test_a_chunk_that_only_looks_alike_is_read_for_itself(last: bytes) -> None:
    """What is between the parts that are alike must be one string of JSON, and nothing else."""
    first = b'{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}'
    try:
        expected = json.loads(last)["choices"][0]["delta"]["content"] or ""
    except ValueError:
        with pytest.raises(AnswerError):
            assemble(CHAT, [first, last])
    else:
        made = whole(CHAT, first, last)["choices"][0]["message"]
        assert made["content"] == "x" + expected
