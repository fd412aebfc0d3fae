"""From the lines of a batch, in any of their forms, to requests that can be sent."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from lastcall.llm.errors import RequestError

__all__ = ["BatchRequest", "LineError", "Requests", "fingerprint"]

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"

LINE_MAX = 32 * 2**20
"""Bytes that one line of the input may have; images in a chat make long ones."""

_ENVELOPE = frozenset({"custom_id", "method", "url"})
_STREAM_KEYS = frozenset({"stream", "stream_options"})


class LineError(RequestError):
    """
    A line of the input that is no request; nothing was sent for it.

    Attributes:
        code: "invalid_json", "invalid_line", "duplicate_custom_id" or "line_too_long".

        line: Its number, counted from one.

        custom_id: What the line calls itself, or None if that cannot be read.
    """

    code: str = "invalid_line"
    line: int = 0
    custom_id: str | None = None

    @classmethod
    def at(cls, line: int, code: str, problem: str, custom_id: str | None = None) -> "LineError":
        """Return the error of one line; the number of the line begins its message."""
        error = cls(f"line {line}: {problem}")
        error.line, error.code, error.custom_id = line, code, custom_id
        return error

    def __str__(self) -> str:
        """Return the problem alone: no server was asked."""
        return self.problem


@dataclass(slots=True)
class BatchRequest:
    """One request of a batch, ready to be sent."""

    custom_id: str
    """Unique in the batch; of a line without one, "line-" and its number."""

    path: str
    """For example "/v1/chat/completions"."""

    body: bytes
    """JSON, with the model and the parameters of the whole batch in it; without `stream`."""

    line: int = 0
    """The number of its line, or its place among the requests, counted from one."""

    stream: bool = False
    """Whether it asks for a stream itself; the answer is put together all the same."""

    digest: bytes = field(default=b"", repr=False)
    """16 bytes of a hash of path and body: says in the output what was asked."""


def fingerprint(path: str, body: bytes) -> bytes:
    """Return 16 bytes that are the same for the same request only; the stream's keys are not part of it."""
    return hashlib.sha256(path.encode() + b"\0" + body).digest()[:16]


def streamed(path: str, body: bytes) -> bytes:
    """Return a body, which has something in it, so that it asks for a stream with the usage at its end."""
    usage = b"" if path.endswith("/responses") else b',"stream_options":{"include_usage":true}'
    return b'%b,"stream":true%b}' % (body.rstrip()[:-1], usage)


class _Line(msgspec.Struct):
    """What is read of a line; the body stays as it came."""

    custom_id: str | UnsetType = UNSET
    method: str = "POST"
    url: str | UnsetType = UNSET
    body: Raw | UnsetType = UNSET
    messages: Raw | UnsetType = UNSET
    prompt: Raw | UnsetType = UNSET


class _Body(msgspec.Struct):
    """What is read of a body, to know whether it can be sent as it is."""

    model: str | UnsetType = UNSET
    messages: Raw | UnsetType = UNSET
    prompt: Raw | UnsetType = UNSET
    stream: bool | UnsetType | None = UNSET
    stream_options: Raw | UnsetType = UNSET


class _IdAlone(msgspec.Struct):
    """What is read of a line at fault."""

    custom_id: Any = None


_line = msgspec.json.Decoder(_Line)
_body = msgspec.json.Decoder(_Body)
_items = msgspec.json.Decoder(dict[str, Raw])
_id_alone = msgspec.json.Decoder(_IdAlone)
_encode = msgspec.json.Encoder().encode


class Requests:
    """
    Makes requests of lines, and adds to each what the whole batch is asked with.

    Args:
        model: Takes the place of every line's own model; None leaves those.

        default_model: For lines that name no model; None refuses such lines.

        params: More of the body, in the place of a line's own: from name to a value that JSON can hold.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        default_model: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        given = dict(params or {}) if model is None else {**(params or {}), "model": model}
        self._params = {name: Raw(_encode(value)) for name, value in given.items()}
        self._default = None if default_model is None else Raw(_encode(default_model))

    def from_line(self, number: int, text: bytes) -> BatchRequest:
        """
        Return the request of one line.

        Args:
            number: The line's, counted from one.

            text: A JSON object: a line of OpenAI's Batch API, or a body with `messages` or `prompt`, which
                may have a `custom_id`.

        Raises:
            LineError: If it is none of these.
        """
        try:
            return self._from_line(number, text)
        except LineError as error:
            error.custom_id = error.custom_id or _id_of(text)
            raise
        except msgspec.ValidationError as error:
            problem = f"wrong type: {str(error)[:1].lower()}{str(error)[1:]}"
            raise LineError.at(number, "invalid_line", problem, _id_of(text)) from None
        except RecursionError:
            raise LineError.at(number, "invalid_json", "nested too deeply") from None
        except ValueError as error:  # DecodeError and UnicodeDecodeError are ones
            raise LineError.at(number, "invalid_json", f"not JSON: {_plain(error)}") from None

    def from_mapping(self, number: int, mapping: Mapping[str, Any]) -> BatchRequest:
        """
        Return the request of a mapping that says what a line says.

        Raises:
            LineError: As `from_line`; also for a value that JSON cannot hold.
        """
        try:
            text = _encode(mapping)
        except (TypeError, ValueError, RecursionError) as error:
            raise LineError.at(number, "invalid_json", f"cannot be JSON: {error}") from None
        return self.from_line(number, text)

    def from_any(self, items: Iterable[Any]) -> Iterator[BatchRequest | LineError]:
        """Yield the request of each item, in order, or what is wrong with it; see `from_item`."""
        for number, item in enumerate(items, 1):
            yield self.from_item(number, item)

    def from_item(self, number: int, item: Any) -> BatchRequest | LineError:
        """Return the request of a `BatchRequest`, a mapping or a line as bytes; or what is wrong with it."""
        try:
            match item:
                case BatchRequest():
                    item.line = item.line or number
                    item.digest = item.digest or fingerprint(item.path, item.body)
                    return item
                case bytes():
                    return self.from_line(number, item)
                case Mapping():
                    return self.from_mapping(number, item)
        except LineError as error:
            return error
        problem = f"a request is a mapping, a line as bytes, or a BatchRequest, not a {type(item).__name__}"
        return LineError.at(number, "invalid_line", problem)

    def _from_line(self, number: int, text: bytes) -> BatchRequest:
        if not text.isascii():
            text.decode()  # msgspec skips over the text of a body without a look at its UTF-8
        line = _line.decode(text)
        path = _path_of(number, line)
        body = _own_body(text) if line.body is UNSET else bytes(line.body)
        if not body.startswith(b"{"):
            raise LineError.at(number, "invalid_line", "wrong type: `body` must be an object")
        custom_id = f"line-{number}" if line.custom_id is UNSET else line.custom_id
        body, stream = self._complete(number, body)
        return BatchRequest(custom_id, path, body, number, stream, fingerprint(path, body))

    def _complete(self, number: int, body: bytes) -> tuple[bytes, bool]:
        """Return the body as it is sent, and whether it asked for a stream."""
        head = _body.decode(body)
        _check(number, head)
        no_model = head.model is UNSET and "model" not in self._params
        if no_model and self._default is None:
            raise LineError.at(number, "invalid_line", "names no model, and none was given for the batch")
        has_stream = head.stream is not UNSET or head.stream_options is not UNSET
        if not (self._params or no_model or has_stream):
            return body, False
        items = {name: value for name, value in _items.decode(body).items() if name not in _STREAM_KEYS}
        if no_model:
            assert self._default is not None
            items["model"] = self._default
        items.update(self._params)
        return _encode(items), head.stream is True


def _path_of(number: int, line: _Line) -> str:
    if line.method != "POST":
        raise LineError.at(number, "invalid_line", f"`method` must be POST, not {line.method!r}")
    if line.url is not UNSET:
        if line.url.startswith("/") and line.url.isascii() and line.url.isprintable() and " " not in line.url:
            return line.url
        raise LineError.at(number, "invalid_line", "`url` must be a path such as /v1/chat/completions")
    if line.body is not UNSET:
        head = _body.decode(line.body)
        messages, prompt = head.messages, head.prompt
    else:
        messages, prompt = line.messages, line.prompt
    if messages is not UNSET:
        return CHAT
    if prompt is not UNSET:
        return COMPLETIONS
    raise LineError.at(number, "invalid_line", "has neither `url` and `body`, nor `messages`, nor `prompt`")


def _own_body(text: bytes) -> bytes:
    """Return a line that is a body itself without what only a batch needs."""
    items = _items.decode(text)
    if not _ENVELOPE.isdisjoint(items):
        return _encode({name: value for name, value in items.items() if name not in _ENVELOPE})
    return text.strip()


def _check(number: int, head: _Body) -> None:
    if head.messages is not UNSET and not bytes(head.messages).startswith(b"["):
        raise LineError.at(number, "invalid_line", "wrong type: `messages` must be a list")
    if head.prompt is not UNSET and not bytes(head.prompt).startswith((b'"', b"[")):
        raise LineError.at(number, "invalid_line", "wrong type: `prompt` must be a text or a list")


def _id_of(text: bytes) -> str | None:
    """Return what a line at fault calls itself, as far as that can be read."""
    try:
        custom_id = _id_alone.decode(text).custom_id
    except (ValueError, RecursionError):
        return None
    return custom_id if isinstance(custom_id, str) else None


def _plain(error: ValueError) -> str:
    return str(error).removeprefix("JSON is malformed: ")
