"""The kinds of requests: an answer read whole, a stream put together, a stream to be read by the caller."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from .assemble import assemble
from .attempts import Attempts
from .errors import LLMError, TruncatedError
from .lane import Lane, Turn
from .outcome import Outcome
from .problems import UNREADABLE, Answered, Redactor, answer_error, error_object, status_error
from .sse import EventParser
from .stream import OpenStream
from .target import Target

__all__ = ["Collected", "Opened", "Plain", "checked", "readable_object"]

_OK = 200
_MOVED = 300
_EXCERPT = 80
_PARTS_OF_ANSWERS = {"choices", "data", "output"}

_decode = msgspec.json.decode


class _Usage(msgspec.Struct):
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


_usage = msgspec.json.Decoder(_Answer)


class Plain(Attempts[Outcome]):
    """Reads the answer whole."""

    __slots__ = ()

    async def _attempt(self, index: int) -> Outcome:
        timeouts = self._begin_attempt()
        started = time.monotonic()
        answer = await self._place.wire.post(self._targets[index], self._body, timeouts)
        seconds = time.monotonic() - started
        body = checked(answer, self._path, self._targets[index])
        made, waited = self._attempts, self._waited
        return Outcome(answer.status, body, answer.headers, made, waited, seconds, None, (), self._retries)

    def _learn(self, lane: Lane, turn: Turn, result: Outcome) -> None:
        tokens = _total_tokens(result.body) if lane.counts_tokens else None
        lane.answered(turn, result.headers, result.first_chunk or result.seconds, tokens)


class Collected(Plain):
    """Reads a stream and puts it together; nobody is woken for its parts."""

    __slots__ = ()

    async def _attempt(self, index: int) -> Outcome:
        timeouts = self._begin_attempt()
        started = time.monotonic()
        collected = await self._place.wire.collect(self._targets[index], self._body, timeouts)
        seconds = time.monotonic() - started
        if collected.answer is not None:
            body = checked(collected.answer, self._path, self._targets[index])
            first: float | None = None
            gaps: tuple[float, ...] = ()
        else:
            if (said := broken_off(collected.chunks[-1:])) is not None:
                raise stream_error(said, collected)
            whole = collected.assembled(self._path)
            body, first, gaps = whole.body, whole.first_chunk, whole.gaps
        return Outcome(
            collected.status,
            body,
            collected.headers,
            self._attempts,
            self._waited,
            seconds,
            first,
            gaps,
            self._retries,
        )


class Opened(Attempts[OpenStream]):
    """Opens a stream; its turn goes on until `leave`."""

    __slots__ = ("_index",)

    keeps_turn = True

    async def _attempt(self, index: int) -> OpenStream:
        timeouts = self._begin_attempt()
        stream = await self._place.wire.open(self._targets[index], self._body, timeouts)
        if stream.is_stream:
            self._index = index
            return stream
        try:
            answer = await stream.answer()
        finally:
            await stream.aclose()
        checked(answer, self._path, self._targets[index])
        kind = answer.headers.get("content-type", "no content type")
        raise answer_error(answer, f"answered with {kind} where a stream was asked for")

    def _learn(self, lane: Lane, turn: Turn, result: OpenStream) -> None:
        tokens = None
        if lane.counts_tokens and result.chunks:
            tokens = _total_tokens(result.chunks[-1])
        lane.answered(turn, result.headers, result.times[0] if result.times else 0.0, tokens)

    def succeeded(self, stream: OpenStream) -> None:
        """Tell the lane of a stream that was read to its end."""
        if self._turn is not None and self._turn.held:
            self._learn(self._place.lanes[self._index], self._turn, stream)

    def failed(self, error: LLMError) -> None:
        """Complete the error of a stream that had begun, and tell the lane of it."""
        self._complete(error, self._index)
        self._place.lanes[self._index].failed(self._turn, error)

    def leave(self) -> None:
        """End the turn."""
        if self._turn is not None:
            self._place.lanes[self._index].leave(self._turn)


def checked(answer: Answered, path: str, target: Target) -> bytes:
    """
    Return the body of a good answer.

    Raises:
        StatusError: For a status of 300 or above.

        AnswerError: For a body that is no object, or one that is an error.

        TruncatedError: For a stream that nobody asked for, and that is not complete.
    """
    body = answer.body
    if answer.status == _OK and body[:1] == b"{" and body[:8] != b'{"error"':
        return body  # what nearly every answer is
    if not _OK <= answer.status < _MOVED:
        raise status_error(answer, target.url)
    if answer.headers.get("content-type", "").lower().startswith("text/event-stream"):
        parser = EventParser()
        return assemble(path, [*parser.feed(body), *parser.finish()])
    try:
        data = _decode(body)
    except UNREADABLE:
        data = None
    if not isinstance(data, dict):
        kind = answer.headers.get("content-type", "no content type")
        text = " ".join(body[: 4 * _EXCERPT].decode("utf-8", "replace").split())[:_EXCERPT]
        raise answer_error(
            answer, f"answered {answer.status} with {kind} that is no object of JSON: {text!r}"
        )
    if data.get("error") and not data.keys() & _PARTS_OF_ANSWERS:
        said = error_object(body).get("message", "it does not say which")
        raise answer_error(answer, f"answered {answer.status} with an error: {said}")
    return body


class Streamed(Protocol):
    """What is read of a stream."""

    status: int
    chunks: list[bytes]

    @property
    def headers(self) -> Mapping[str, str]:
        """In any case."""


def broken_off(chunks: Sequence[bytes]) -> str | None:
    """Return with which words of the server the last of *chunks* ends the stream, if it is an error."""
    if not chunks or b'"error"' not in chunks[-1]:
        return None
    try:
        event = _decode(chunks[-1])
    except UNREADABLE:
        return None
    return error_of(event) if isinstance(event, dict) else None


def error_of(event: Mapping[str, Any]) -> str | None:
    """Return what an event says of an error, which ends a stream; None if it is none."""
    if not event.get("error") and event.get("type") != "error":
        return None
    if str(event.get("type", "")).startswith("response."):
        return None  # a response that failed is an answer, and says so itself
    error = event.get("error")
    said = error.get("message") if isinstance(error, dict) else error or event.get("message")
    return str(said or "it does not say which")


def stream_error(said: str, stream: Streamed) -> TruncatedError:
    """Return the error for a stream that broke off; *said* says why."""
    error = TruncatedError(
        f"the stream broke off with an error: {said}",
        status=stream.status,
        request_id=stream.headers.get("x-request-id"),
        body=stream.chunks[-1],
    )
    error.chunks = tuple(stream.chunks)
    return error


def readable_object(outcome: Outcome, redactor: Redactor, server: str) -> dict[str, Any]:
    """
    Return the object that an answer is.

    Raises:
        AnswerError: If it is none.
    """
    try:
        answer = _decode(outcome.body)
    except UNREADABLE as error:
        broken = answer_error(outcome, f"answered with JSON that is broken: {error}")
        broken.server, broken.attempt = server, outcome.attempts
        redactor.clean(broken)
        raise broken from error
    assert isinstance(answer, dict), "an answer that does not begin as an object was refused before"
    return answer


def _total_tokens(body: bytes) -> int | None:
    """Return what an answer's usage says it took; None if it says nothing."""
    try:
        usage = _usage.decode(body).usage
    except UNREADABLE:
        return None
    return usage.total_tokens if usage else None
