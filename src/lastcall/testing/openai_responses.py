"""The objects and events of OpenAI's `/v1/responses`.

Source: OpenAI API reference, "Responses" and "Streaming events".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .openai_completion import Choice, Completion, tokenize
from .openai_shapes import Json, token_logprobs

_ASKED = ("instructions", "max_output_tokens", "metadata", "temperature", "top_p", "tool_choice", "tools")
_USUAL = {"metadata": {}, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": []}


def response_object(completion: Completion) -> Json:
    """Return a finished response object."""
    choice = completion.choices[0]
    is_cut = choice.finish_reason == "length"
    return {
        **_unfinished(completion),
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "output": list(_items(choice, completion)),
        "usage": _usage(completion),
    }


def response_events(completion: Completion, broken_off: str | None) -> Iterator[Json]:
    """
    Yield the events of a streamed response, in order and numbered.

    Args:
        completion: What is said.

        broken_off: The message of an error event in the middle of the stream, its last; None is no error.
    """
    events = list(_events(completion))
    if broken_off is not None:
        error = {"type": "error", "code": "server_error", "message": broken_off, "param": None}
        events = [*events[: len(events) // 2], error]
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _events(completion: Completion) -> Iterator[Json]:
    begun = _unfinished(completion)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for place, item in enumerate(_items(completion.choices[0], completion)):
        where = {"output_index": place}
        yield {"type": "response.output_item.added", **where, "item": _empty(item)}
        yield from _item_events(item, {"item_id": item["id"], **where}, completion)
        yield {"type": "response.output_item.done", **where, "item": item}
    response = response_object(completion)
    yield {"type": f"response.{response['status']}", "response": response}


def _item_events(item: Json, where: Json, completion: Completion) -> Iterator[Json]:
    if item["type"] == "function_call":
        kind = "response.function_call_arguments"
        for piece in tokenize(item["arguments"]):
            yield {"type": f"{kind}.delta", **where, "delta": piece}
        yield {"type": f"{kind}.done", **where, "arguments": item["arguments"]}
        return
    for number, part in enumerate(item["content"]):
        yield from _part_events(part, {**where, "content_index": number}, completion)


def _part_events(part: Json, where: Json, completion: Completion) -> Iterator[Json]:
    choice = completion.choices[0]
    name, pieces = {
        "output_text": ("text", choice.tokens),
        "refusal": ("refusal", choice.refusal),
        "reasoning_text": ("text", choice.reasoning),
    }[part["type"]]
    kind = "response.output_text" if part["type"] == "output_text" else f"response.{part['type']}"
    logprobs = {"logprobs": list(map(_without_bytes, part["logprobs"]))} if "logprobs" in part else {}
    begun = {**part, **{key: [] for key in logprobs}, name: ""}
    yield {"type": "response.content_part.added", **where, "part": begun}
    for number, piece in enumerate(pieces):
        about = {key: value[number : number + 1] for key, value in logprobs.items()}
        yield {"type": f"{kind}.delta", **where, "delta": piece, **about}
    yield {"type": f"{kind}.done", **where, name: part[name], **logprobs}
    yield {"type": "response.content_part.done", **where, "part": part}


def _without_bytes(logprob: Json) -> Json:
    """Return a log probability as events have it: unlike the finished part, they leave the bytes out."""
    tops = [{"token": top["token"], "logprob": top["logprob"]} for top in logprob["top_logprobs"]]
    return {"token": logprob["token"], "logprob": logprob["logprob"], "top_logprobs": tops}


def _items(choice: Choice, completion: Completion) -> Iterator[Json]:
    """Yield the output items: reasoning, a message, calls of functions, those that there are."""
    ids = (f"{completion.id.removeprefix('resp_')}_{number}" for number in itertools.count())
    if choice.reasoning:
        thought = {"type": "reasoning_text", "text": "".join(choice.reasoning)}
        yield {"id": f"rs_{next(ids)}", "type": "reasoning", "summary": [], "content": [thought]}
    parts: list[Json] = []
    if not choice.is_silent:
        parts.append(_text_part(choice, completion))
    if choice.refusal:
        parts.append({"type": "refusal", "refusal": "".join(choice.refusal)})
    if parts:
        status = "incomplete" if choice.finish_reason == "length" else "completed"
        said = {"type": "message", "status": status, "role": "assistant", "content": parts}
        yield {"id": f"msg_{next(ids)}", **said}
    for number, call in enumerate(choice.tool_calls):
        yield {
            "id": f"fc_{next(ids)}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id or f"call_0_{number}",
            "name": call.name,
            "arguments": call.arguments,
        }


def _text_part(choice: Choice, completion: Completion) -> Json:
    is_asked = "message.output_text.logprobs" in (completion.body.get("include") or ())
    logprobs = token_logprobs(choice.tokens, completion.body.get("top_logprobs") or 0) if is_asked else []
    return {"type": "output_text", "text": choice.text, "annotations": [], "logprobs": logprobs}


def _empty(item: Json) -> Json:
    """Return an item as it is added, before anything of it is said."""
    empty: dict[str, Any] = {"content": []} if "content" in item else {"arguments": ""}
    return {**item, **empty, **({"status": "in_progress"} if "status" in item else {})}


def _unfinished(completion: Completion) -> Json:
    asked = {name: completion.body.get(name, _USUAL.get(name)) for name in _ASKED}
    return {
        "id": completion.id,
        "object": "response",
        "created_at": completion.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": completion.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        **asked,
        "usage": None,
        **completion.extra,
    }


def _usage(completion: Completion) -> Json:
    asked, said = completion.prompt_tokens, completion.completion_tokens
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": completion.reasoning_tokens},
        "total_tokens": asked + said,
    }
