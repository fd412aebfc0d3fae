"""The objects in which OpenAI's API answers, all but those of `/v1/responses`.

Source: OpenAI API reference, "Chat Completions", "Completions", "Embeddings", "Models", "Error codes".
"""

from __future__ import annotations

import array
import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import zip_longest
from typing import Any

from .openai_completion import Choice, Completion, tokenize
from .script import StreamUsage

Json = dict[str, Any]
"""A JSON object."""

_SERVER_ERRORS = 500


def error_object(
    status: int, message: str | None, *, param: str | None = None, code: str | None = None
) -> Json:
    """Return the error object that goes with a status; None takes the status's own words."""
    kind = {429: "requests"}.get(
        status, "server_error" if status >= _SERVER_ERRORS else "invalid_request_error"
    )
    return {"error": {"message": message or reason(status), "type": kind, "param": param, "code": code}}


def reason(status: int) -> str:
    """Return the words that go with a status, those of no standard (529 and the like) included."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"


def json_bytes(data: Json) -> bytes:
    """Return an object as it goes over the wire."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def usage(completion: Completion) -> Json:
    """Return the usage object of a completion."""
    asked, said = completion.prompt_tokens, completion.completion_tokens
    data: Json = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    if completion.reasoning_tokens:
        data["completion_tokens_details"] = {"reasoning_tokens": completion.reasoning_tokens}
    return data


def chat_object(completion: Completion) -> Json:
    """Return a chat.completion object."""
    choices = [_chat_choice(choice, completion) for choice in completion.choices]
    return {**_common(completion, "chat.completion"), "choices": choices, "usage": usage(completion)}


def chat_chunks(completion: Completion) -> Iterator[Json]:
    """Yield the chat.completion.chunk objects of a stream, choices in turn, without the one for usage."""
    common = _common(completion, "chat.completion.chunk")
    streams = [_chat_deltas(choice, completion) for choice in completion.choices]
    for parts in zip_longest(*streams):
        yield from ({**common, "choices": [part]} for part in parts if part is not None)


def text_object(completion: Completion) -> Json:
    """Return a text_completion object."""
    choices = [
        _choice(choice, "text", choice.text, choice.finish_reason, _text_logprobs(choice.tokens, completion))
        for choice in completion.choices
    ]
    return {**_common(completion, "text_completion"), "choices": choices, "usage": usage(completion)}


def text_chunks(completion: Completion) -> Iterator[Json]:
    """Yield the text_completion objects of a stream, choices in turn, without the one for usage."""
    common = _common(completion, "text_completion")
    streams = [_text_pieces(choice, completion) for choice in completion.choices]
    for parts in zip_longest(*streams):
        yield from ({**common, "choices": [part]} for part in parts if part is not None)


def with_usage(chunks: Iterable[Json], completion: Completion, where: StreamUsage) -> Iterator[Json]:
    """
    Yield the chunks with the usage where it is to be.

    Args:
        chunks: Those without; there is at least one.

        completion: Of which they are the chunks.

        where: "asked" does as `stream_options.include_usage` says, with null in every chunk before.
    """
    options = completion.body.get("stream_options") or {}
    is_asked = where == "asked" and options.get("include_usage") is True
    nothing: Json = {"usage": None} if is_asked else {}
    last: Json | None = None
    for chunk in chunks:
        if last is not None:
            yield {**last, **nothing}
        last = chunk
    assert last is not None
    yield {**last, "usage": usage(completion)} if where == "last" else {**last, **nothing}
    if is_asked or where == "own":
        yield {**last, "choices": [], "usage": usage(completion)}


def embeddings_object(texts: Sequence[str], body: Mapping[str, Any]) -> Json:
    """Return the list of embeddings: for each text one vector of length 1, always the same one."""
    size = body.get("dimensions", 8)
    vectors = [_vector(text, size) for text in texts]
    as_text = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if as_text else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(tokenize(text)) for text in texts)
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": counts}


def model_object(model: str) -> Json:
    """Return a model object."""
    return {"id": model, "object": "model", "created": 0, "owned_by": "lastcall"}


def token_logprobs(tokens: Sequence[str], alternatives: int) -> list[Json]:
    """Return the log probabilities of *tokens*, always the same ones, each with so many alternatives."""
    return [
        {
            **_logprob(token, 0),
            "top_logprobs": [_logprob(token + "'" * rank, rank) for rank in range(alternatives)],
        }
        for token in tokens
    ]


def _common(completion: Completion, kind: str) -> Json:
    named = {"id": completion.id, "object": kind, "created": completion.created, "model": completion.model}
    return {**named, **completion.extra}


def _choice(choice: Choice, name: str, content: Any, finish_reason: str | None, logprobs: Any) -> Json:
    return {"index": choice.index, name: content, "logprobs": logprobs, "finish_reason": finish_reason}


def _chat_choice(choice: Choice, completion: Completion) -> Json:
    message: Json = {
        "role": "assistant",
        "content": None if choice.is_silent else choice.text,
        "refusal": "".join(choice.refusal) or None,
    }
    if choice.reasoning:
        message[completion.reasoning_field] = "".join(choice.reasoning)
    if calls := [_call_object(choice, number) for number in range(len(choice.tool_calls))]:
        message["tool_calls"] = calls
    logprobs = _chat_logprobs(completion, content=choice.tokens, refusal=choice.refusal)
    return _choice(choice, "message", message, choice.finish_reason, logprobs)


def _chat_deltas(choice: Choice, completion: Completion) -> Iterator[Json]:
    content = None if choice.is_silent else ""
    yield _choice(choice, "delta", {"role": "assistant", "content": content}, None, None)
    for piece in choice.reasoning:
        yield _choice(choice, "delta", {completion.reasoning_field: piece}, None, None)
    for piece in choice.tokens:
        logprobs = _chat_logprobs(completion, content=[piece])
        yield _choice(choice, "delta", {"content": piece}, None, logprobs)
    for piece in choice.refusal:
        logprobs = _chat_logprobs(completion, refusal=[piece])
        yield _choice(choice, "delta", {"refusal": piece}, None, logprobs)
    for number, call in enumerate(choice.tool_calls):
        begun = {**_call_object(choice, number), "index": number}
        begun["function"] = {"name": call.name, "arguments": ""}
        yield _choice(choice, "delta", {"tool_calls": [begun]}, None, None)
        for piece in tokenize(call.arguments):
            more = {"index": number, "function": {"arguments": piece}}
            yield _choice(choice, "delta", {"tool_calls": [more]}, None, None)
    yield _choice(choice, "delta", {}, choice.finish_reason, None)


def _text_pieces(choice: Choice, completion: Completion) -> Iterator[Json]:
    at = 0
    for token in choice.tokens:
        yield _choice(choice, "text", token, None, _text_logprobs([token], completion, at))
        at += len(token)
    yield _choice(choice, "text", "", choice.finish_reason, None)


def _call_object(choice: Choice, number: int) -> Json:
    call = choice.tool_calls[number]
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id or f"call_{choice.index}_{number}", "type": "function", "function": function}


def _chat_logprobs(
    completion: Completion, *, content: Sequence[str] = (), refusal: Sequence[str] = ()
) -> Json | None:
    if completion.body.get("logprobs") is not True:
        return None
    count = completion.body.get("top_logprobs") or 0
    return {
        "content": token_logprobs(content, count) if content else None,
        "refusal": token_logprobs(refusal, count) if refusal else None,
    }


def _text_logprobs(tokens: Sequence[str], completion: Completion, at: int = 0) -> Json | None:
    count = completion.body.get("logprobs")
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    each = token_logprobs(tokens, count)
    return {
        "tokens": list(tokens),
        "token_logprobs": [item["logprob"] for item in each],
        "top_logprobs": [{top["token"]: top["logprob"] for top in item["top_logprobs"]} for item in each],
        "text_offset": [at + sum(map(len, tokens[:number])) for number in range(len(tokens))],
    }


def _logprob(token: str, rank: int) -> Json:
    raw = token.encode()
    return {
        "token": token,
        "bytes": list(raw),
        "logprob": -hashlib.sha256(raw).digest()[0] / 256 - 2 * rank,
    }


def _vector(text: str, size: int) -> list[float]:
    raw = hashlib.shake_256(text.encode()).digest(size)
    values = [byte - 127.5 for byte in raw]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(array.array("f", vector).tobytes()).decode()
