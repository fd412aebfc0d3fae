"""Server-sent events, in every form that the standard allows and some server uses.

Source: WHATWG HTML, "Server-sent events", 9.2.5 "Parsing an event stream".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .openai_shapes import Json, json_bytes
from .script import Answer

DONE = b"[DONE]"
"""The data of the event that ends a stream."""


def event_stream(data: Iterable[Json], answer: Answer, *, named: bool, done: bool) -> Iterator[bytes]:
    """
    Yield the events of a stream as they go over the wire.

    Args:
        data: One object for each event.

        answer: Says in which form.

        named: Whether each event is named by the `type` of its object, as those of `/v1/responses` are.

        done: Whether `[DONE]` comes last.
    """
    for item in data:
        raw = json.dumps(item, indent=1, ensure_ascii=False).encode() if answer.event_multiline else b""
        yield _event(raw or json_bytes(item), answer, item["type"] if named and "type" in item else None)
    if done:
        yield _event(DONE, answer, None)


def _event(data: bytes, answer: Answer, name: str | None) -> bytes:
    space = b" " if answer.event_space else b""
    end = answer.event_line_end.encode()
    lines = [b"data:" + space + line for line in data.split(b"\n")]
    if name := name or answer.event_name:
        lines.insert(0, b"event:" + space + name.encode())
    if answer.event_comment is not None:
        # On its own before the event, as servers keep a quiet connection alive.
        lines[:0] = [b": " + answer.event_comment.encode(), b""]
    return end.join([*lines, b"", b""])
