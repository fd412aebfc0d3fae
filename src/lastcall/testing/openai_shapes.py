"""What OpenAI's API says, without a server: checks of a request, and the objects that answer it.

Source: OpenAI API reference, "Chat Completions", "Completions", "Embeddings", "Models", "Error codes".
"""

from __future__ import annotations

import array
import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]
"""A JSON object."""

DONE = b"data: [DONE]\n\n"
"""What ends a stream."""

DIMENSIONS_MAX = 4096
"""The longest vector of an embedding."""

REQUIRED = {"/v1/chat/completions": "messages", "/v1/completions": "prompt", "/v1/embeddings": "input"}
"""From the path of each POST to the parameter it cannot do without, beside the model."""

_PIECE = re.compile(r"\s*\S{1,6}|\s+")
_EXCERPT_WORDS = 12
_SERVER_ERRORS = 500


class RefusedError(Exception):
    """A request that the API answers with an error object."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        """Keep what the error object will say."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Completion:
    """One generated text and what it cost."""

    id: str
    """Begins with "chatcmpl-" or "cmpl-"."""

    created: int
    """Seconds since 1970."""

    model: str
    """As the request named it."""

    tokens: tuple[str, ...]
    """The text in the pieces in which it is streamed; joined they are the text."""

    prompt_tokens: int
    """What was asked, counted in the same way."""

    finish_reason: str
    """"stop", or "length" if the request's limit was reached."""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.tokens)

    @property
    def usage(self) -> Json:
        """The usage object."""
        return usage(self.prompt_tokens, len(self.tokens))


def usage(prompt: int, completion: int) -> Json:
    """Return a usage object for so many tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def tokenize(text: str) -> tuple[str, ...]:
    """Cut a text into pieces of at most six letters, which stand for tokens; joined they are the text."""
    return tuple(_PIECE.findall(text))


def completion_text(prompt: str) -> str:
    """Return what the model says to *prompt*: always the same, and different for different prompts."""
    words = prompt.split()
    excerpt = " ".join(words[:_EXCERPT_WORDS]) + (" ..." if len(words) > _EXCERPT_WORDS else "")
    return f'You asked: "{excerpt}" My answer is {hashlib.sha256(prompt.encode()).hexdigest()[:8]}.'


def complete(
    texts: Sequence[str],
    body: Mapping[str, Any],
    said: str | None,
    *,
    id: str,  # noqa: A002
    created: int,
) -> Completion:
    """
    Return the completion of a request that is in order.

    Args:
        texts: What the request says, see `texts_of`; the last one is answered.

        body: The request.

        said: The text to answer with, instead of the one made from *texts*.

        id: Of the completion.

        created: Seconds since 1970.
    """
    tokens = tokenize(completion_text(texts[-1] if texts else "") if said is None else said)
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    is_cut = isinstance(limit, int) and 0 <= limit < len(tokens)
    return Completion(
        id=id,
        created=created,
        model=body["model"],
        tokens=tokens[:limit] if is_cut else tokens,
        prompt_tokens=sum(len(tokenize(text)) for text in texts),
        finish_reason="length" if is_cut else "stop",
    )


def texts_of(path: str, body: Mapping[str, Any]) -> list[str]:
    """Return the texts of a request that is in order: of each message, prompt or input; may be empty."""
    given = body[REQUIRED[path]]
    if REQUIRED[path] == "messages":
        return [_text_of(message.get("content")) for message in given]
    return [_text_of(item) for item in (given if isinstance(given, list) else [given])]


def check(path: str, body: Mapping[str, Any]) -> None:
    """Raise `RefusedError` for a body that the API would refuse at *path* ("/v1/..." )."""
    if not body:
        raise RefusedError(400, "We could not parse the JSON body of your request: it must be a JSON object.")
    if not isinstance(body.get("model"), str):
        raise RefusedError(400, "you must provide a model parameter")
    if (needed := REQUIRED[path]) not in body:
        message = f"Missing required parameter: '{needed}'."
        raise RefusedError(400, message, param=needed, code="missing_required_parameter")
    if needed == "messages":
        _check_messages(body["messages"])
    size = body.get("dimensions", 8)
    if not isinstance(size, int) or not 1 <= size <= DIMENSIONS_MAX:
        message = f"Invalid 'dimensions': expected an integer from 1 to {DIMENSIONS_MAX}."
        raise RefusedError(400, message, param="dimensions")
    if body.get("stream_options") is not None and body.get("stream") is not True:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RefusedError(400, message, param="stream_options")


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


def chat_object(completion: Completion) -> Json:
    """Return a chat.completion object."""
    message = {"role": "assistant", "content": completion.text, "refusal": None}
    choice = _choice("message", message, completion.finish_reason)
    return {**_common(completion, "chat.completion"), "choices": [choice], "usage": completion.usage}


def chat_chunks(completion: Completion) -> Iterator[Json]:
    """Yield the chat.completion.chunk objects of a stream, without the one for usage."""
    common = _common(completion, "chat.completion.chunk")
    yield {**common, "choices": [_choice("delta", {"role": "assistant", "content": ""}, None)]}
    for token in completion.tokens:
        yield {**common, "choices": [_choice("delta", {"content": token}, None)]}
    yield {**common, "choices": [_choice("delta", {}, completion.finish_reason)]}


def text_object(completion: Completion) -> Json:
    """Return a text_completion object."""
    choice = _choice("text", completion.text, completion.finish_reason)
    return {**_common(completion, "text_completion"), "choices": [choice], "usage": completion.usage}


def text_chunks(completion: Completion) -> Iterator[Json]:
    """Yield the text_completion objects of a stream, without the one for usage."""
    common = _common(completion, "text_completion")
    for token in completion.tokens:
        yield {**common, "choices": [_choice("text", token, None)]}
    yield {**common, "choices": [_choice("text", "", completion.finish_reason)]}


def with_usage(chunks: Iterable[Json], completion: Completion) -> Iterator[Json]:
    """Yield the chunks as `stream_options.include_usage` asks: null in each, and one more that has it."""
    chunk: Json = {}
    for chunk in chunks:
        yield {**chunk, "usage": None}
    yield {**chunk, "choices": [], "usage": completion.usage}


def event(data: Json) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json_bytes(data) + b"\n\n"


def json_bytes(data: Json) -> bytes:
    """Return an object as it goes over the wire."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


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


def _common(completion: Completion, kind: str) -> Json:
    return {"id": completion.id, "object": kind, "created": completion.created, "model": completion.model}


def _choice(name: str, content: Any, finish_reason: str | None) -> Json:
    return {"index": 0, name: content, "logprobs": None, "finish_reason": finish_reason}


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        message = "Invalid type for 'messages': expected an array of at least one message."
        raise RefusedError(400, message, param="messages", code="invalid_type")
    for index, item in enumerate(messages):
        if not isinstance(item, dict) or not isinstance(item.get("role"), str):
            where = f"messages[{index}].role"
            message = f"Missing required parameter: '{where}'."
            raise RefusedError(400, message, param=where, code="missing_required_parameter")


def _text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or a list of parts some of which are texts."""
    if isinstance(content, list):
        return " ".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
    return "" if content is None else str(content)


def _vector(text: str, size: int) -> list[float]:
    raw = hashlib.shake_256(text.encode()).digest(size)
    values = [byte - 127.5 for byte in raw]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(array.array("f", vector).tobytes()).decode()
