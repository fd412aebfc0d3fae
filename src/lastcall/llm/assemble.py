"""One answer put together from the chunks of a stream, as it would have come in one piece."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import msgspec

from .errors import AnswerError

__all__ = ["Assembled", "assemble", "is_finished", "put_together"]

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

_NAMES = frozenset({"id", "type", "role", "name", "index", "object", "format", "status", "expires_at"})
"""Strings that are said once, or again and again, but never in pieces."""

_ENDS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)
"""Types of the last event of a stream of the Responses API."""

_TRIES = 8
"""How often chunks may turn out to differ in more than their text before that is given up."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """An answer put together, and when its parts came."""

    body: bytes
    """JSON: a `chat.completion`, a `text_completion` or a `response`."""

    first_chunk: float | None
    """When the first event with content came, in seconds from sending; None if none did."""

    gaps: tuple[float, ...]
    """The seconds between the events with content."""


class _Text(list[str]):
    """A string in pieces: joined at the end, so that a long answer takes time in its length only."""


class _Alike:
    """
    Chunks that are byte for byte like one that was read, but for their text.

    Nearly all of a stream are. If what stands in the text's place is a string of JSON, the rest means what it
    meant before, and need not be read: this is four times as fast.
    """

    __slots__ = ("_after", "_before", "_end", "_start", "_texts")

    def __init__(self, before: bytes, after: bytes, texts: _Text) -> None:
        self._before = before
        self._after = after
        self._start = len(before)
        self._end = -len(after)
        self._texts = texts

    @classmethod
    def of(cls, chunk: bytes, name: str, text: str, texts: _Text) -> Self | None:
        """Return what takes chunks like *chunk*, in which the field *name* is *text*."""
        places = list(re.finditer(rb'"%b": ?("(?:[^"\\]|\\.)*+")' % name.encode(), chunk))
        if len(places) != 1 or _decode_text(places[0][1]) != text:
            return None
        start, end = places[0].span(1)
        return cls(chunk[:start], chunk[end:], texts)

    def take(self, chunk: bytes) -> bool | None:
        """Add the text of *chunk* and return whether there is any; None if it is not alike."""
        if not (chunk.startswith(self._before) and chunk.endswith(self._after)):
            return None
        try:
            text = _decode_text(chunk[self._start : self._end])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        self._texts.append(text)
        return text != ""


def assemble(path: str, chunks: Iterable[bytes]) -> bytes:
    """
    Return the object that a plain answer would have been.

    Every choice is there, in the order of their indexes, with tool calls (by index), logprobs, refusal,
    reasoning and usage; what this package does not know survives: text is joined, lists are extended, and
    of anything else the last that is not null counts.

    Args:
        path: Of the request, for example "/v1/chat/completions".

        chunks: The data of the events in order, `[DONE]` left out.

    Returns:
        JSON.

    Raises:
        AnswerError: If a chunk is not a JSON object.
    """
    return put_together(path, chunks).body


def put_together(path: str, chunks: Iterable[bytes], times: Sequence[float] = ()) -> Assembled:
    """Do what `assemble` does, and find in *times*, one for each chunk, those of events with content."""
    add = _Response() if path.rstrip("/").endswith("/responses") else _Completion(path)
    at: list[float] = []
    for number, chunk in enumerate(chunks):
        says = add.take_alike(chunk)
        if says is None:
            says = add.take(decoded(chunk), chunk)
        if says and times:
            at.append(times[number])
    gaps = tuple(later - earlier for earlier, later in pairwise(at))
    return Assembled(_encode(add.whole()), at[0] if at else None, gaps)


def is_finished(chunks: Sequence[bytes]) -> bool:
    """Whether a stream without `[DONE]` has come to its end: each choice with a reason, or an error."""
    begun: set[object] = set()
    finished: set[object] = set()
    for chunk in chunks:
        try:
            event = decoded(chunk)
        except AnswerError:
            return False
        if event.get("error") or event.get("type") in _ENDS:
            return True
        for choice in _objects(event.get("choices")):
            begun.add(choice.get("index", 0))
            if choice.get("finish_reason") is not None:
                finished.add(choice.get("index", 0))
    return bool(begun) and begun == finished


def decoded(chunk: bytes) -> dict[str, Any]:
    """Return the object in the data of an event."""
    try:
        event = _decode(chunk)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AnswerError(f"an event of the stream is not JSON: {error}", body=chunk) from None
    if not isinstance(event, dict):
        raise AnswerError(f"an event of the stream is not an object but {type(event).__name__}", body=chunk)
    return event


class _Completion:
    """A chat or text completion."""

    def __init__(self, path: str) -> None:
        self._chat = "chat" in path
        self._alike: _Alike | None = None
        self._tries = 0
        self._hits = 0
        self._whole: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def take_alike(self, chunk: bytes) -> bool | None:
        """Add a chunk that is like the last but for its text; None if it is not, and was not added."""
        if self._alike is None:
            return None
        says = self._alike.take(chunk)
        self._hits += says is not None
        return says

    def take(self, event: dict[str, Any], chunk: bytes) -> bool:
        """Add an event; return whether it had content."""
        whole = self._whole
        for name, value in event.items():
            if name != "choices" and (value is not None or name not in whole):
                whole[name] = value
        has_content = False
        for choice in _objects(event.get("choices")):
            has_content |= self._add_choice(choice)
        # Where each chunk has something of its own, it is not tried for ever.
        hopeful = has_content and self._tries <= self._hits + _TRIES
        self._alike = self._next_alike(event, chunk) if hopeful else None
        return has_content

    def _next_alike(self, event: dict[str, Any], chunk: bytes) -> _Alike | None:
        """Return what takes chunks like this one, if all but its text may be said again without a change."""
        self._tries += 1
        choices = event["choices"]
        choice = choices[0]
        said = choice.get("delta") if self._chat else choice
        name = "content" if self._chat else "text"
        if len(choices) != 1 or not isinstance(said, dict) or not isinstance(said.get(name), str):
            return None
        others = {**choice, **said}
        if any(
            isinstance(others[key], str | dict | list) for key in others.keys() - _NAMES - {"delta", name}
        ):
            return None
        whole = self._choices[choice.get("index", 0)]
        texts = (whole["message"] if self._chat else whole)[name]
        return _Alike.of(chunk, name, said[name], texts)

    def _add_choice(self, choice: dict[str, Any]) -> bool:
        index = choice.get("index", 0)
        whole = self._choices.get(index)
        if whole is None:
            whole = self._choices[index] = {"index": index, "message": {}} if self._chat else {"index": index}
        has_content = False
        for name, value in choice.items():
            if name == "delta" and self._chat:
                has_content = isinstance(value, dict) and _merge(whole["message"], value)
            elif name == "text" and isinstance(value, str):
                has_content = _merge(whole, {name: value})
            elif isinstance(value, dict | list):
                _merge(whole, {name: value})
            elif value is not None or name not in whole:
                whole[name] = value
        return has_content

    def whole(self) -> dict[str, Any]:
        """Return the completion."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            choice.setdefault("logprobs", None)
            choice.setdefault("finish_reason", None)
            if self._chat:
                choice["message"] = {"role": "assistant", "content": None, **choice["message"]}
                _order_calls(choice["message"].get("tool_calls"))
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._whole, "object": kind, "choices": _joined(choices)}


class _Response:
    """An object of the Responses API: the last event has the whole of it."""

    def __init__(self) -> None:
        self._response: dict[str, Any] = {}
        self._items: dict[int, Any] = {}

    def take_alike(self, chunk: bytes) -> bool | None:  # noqa: ARG002
        """Return None: no two events are alike."""
        return None

    def take(self, event: dict[str, Any], chunk: bytes) -> bool:  # noqa: ARG002
        """Add an event; return whether it had content."""
        if isinstance(response := event.get("response"), dict):
            self._response = response
        elif event.get("type") == "response.output_item.done":
            self._items[event.get("output_index", len(self._items))] = event.get("item")
        elif event.get("type") == "error" or event.get("error"):
            self._response = {**self._response, "error": event.get("error") or event}
        return str(event.get("type")).endswith(".delta") and bool(event.get("delta"))

    def whole(self) -> dict[str, Any]:
        """Return the response, with the items that came if the last event left them out."""
        if self._items and not self._response.get("output"):
            return {**self._response, "output": [self._items[index] for index in sorted(self._items)]}
        return self._response


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _merge(whole: dict[str, Any], delta: dict[str, Any]) -> bool:
    """Add what a delta says to what is there; return whether it said something."""
    says = False
    for name, value in delta.items():
        known = whole.get(name)
        if isinstance(value, str) and name not in _NAMES:
            says |= bool(value)
            if isinstance(known, _Text):
                known.append(value)
            else:
                whole[name] = _Text([value])
        elif isinstance(value, dict):
            if not isinstance(known, dict):
                known = whole[name] = {}
            says |= _merge(known, value)
        elif isinstance(value, list):
            if not isinstance(known, list):
                known = whole[name] = []
            says |= bool(value)
            _extend(known, value)
        elif name not in whole or value not in (None, ""):
            whole[name] = value
    return says


def _extend(whole: list[Any], delta: list[Any]) -> None:
    """Add to a list: items that have an index go into the item of that index, others to the end."""
    for item in delta:
        index = item.get("index") if isinstance(item, dict) else None
        if index is None:
            whole.append(item)
            continue
        for known in whole:
            if isinstance(known, dict) and known.get("index") == index:
                _merge(known, item)
                break
        else:
            fresh: dict[str, Any] = {}
            _merge(fresh, item)
            whole.append(fresh)


def _order_calls(calls: Any) -> None:
    """Put tool calls in the order of their indexes, which a plain answer does not have."""
    if isinstance(calls, list) and all(isinstance(call, dict) and "index" in call for call in calls):
        calls.sort(key=lambda call: call["index"])
        for call in calls:
            del call["index"]


def _joined(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _joined(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_joined(item) for item in value]
    return value
