"""A streamed answer: its events as they come, or all of them at the end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .answer import Answer
from .assemble import Assembled, is_finished, put_together
from .errors import TruncatedError
from .sse import EventParser

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

__all__ = ["Collected", "Events", "OpenStream", "is_stream"]

_BACKLOG_MAX = 2**20
"""Bytes that may wait for a slow reader before the server has to wait too."""


def is_stream(status: int, headers: CIMultiDictProxy[str]) -> bool:
    """Whether an answer is a stream of events, and no refusal."""
    return status == 200 and headers.get("content-type", "").lower().startswith("text/event-stream")  # noqa: PLR2004


class Collected:
    """
    A streamed answer, whole; or an answer that was no stream, see `answer`.

    Args:
        status: Of HTTP.

        headers: In any case.

        chunks: The data of the events in order, `[DONE]` left out.

        times: When each came, in seconds from sending the request; as many as *chunks*.

        answer: What came if it was no stream: another status, or another content type.
    """

    __slots__ = ("answer", "chunks", "headers", "status", "times")

    def __init__(
        self,
        status: int,
        headers: CIMultiDictProxy[str],
        chunks: list[bytes],
        times: list[float],
        answer: Answer | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self.times = times
        self.answer = answer

    def assembled(self, path: str) -> Assembled:
        """Return the object that a plain answer would have been, and when its parts came; see `assemble`."""
        return put_together(path, self.chunks, self.times)


class Events:
    """
    Takes the bytes of a stream and keeps the data of its events, with the time of each.

    Args:
        sent: When the request was written, in seconds of the monotonic clock.

        hold: Called when much waits for a reader, who is woken by every event; None if nobody reads before
            the end, which alone wakes.
    """

    __slots__ = ("_hold", "_sent", "backlog", "chunks", "ended", "error", "parser", "times", "waiter")

    def __init__(self, sent: float, hold: Callable[[], None] | None = None) -> None:
        self._sent = sent
        self._hold = hold
        self.parser = EventParser()
        self.chunks: list[bytes] = []
        self.times: list[float] = []
        self.waiter: asyncio.Future[None] | None = None
        self.ended = False
        self.error: BaseException | None = None
        self.backlog = 0
        """Bytes that came since the reader had read all."""

    @property
    def complete(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.parser.done or self.ended

    def take(self, data: bytes) -> None:
        """Take a piece of the body."""
        parser, chunks, times = self.parser, self.chunks, self.times
        parser.feed_into(data, chunks)
        came = len(chunks) - len(times)
        if came:
            at = monotonic() - self._sent
            times.append(at)
            if came > 1:
                times += [at] * (came - 1)
        if self.waiter is None and self._hold is not None:
            self.backlog += len(data)
            if self.backlog > _BACKLOG_MAX:
                self._hold()
        elif came and self._hold is not None:
            self.wake()
        if parser.done:
            self.wake()

    def end(self) -> None:
        """Take note that the body is complete."""
        self.ended = True
        if not self.parser.done:
            events = self.parser.finish()
            self.chunks += events
            self.times += [monotonic() - self._sent] * len(events)
        self.wake()

    def fail(self, error: BaseException) -> None:
        """Take note that no more will come."""
        if self.error is None and not self.ended:
            self.error = error
        self.wake()

    def wake(self) -> None:
        """Have whoever waits look again."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return what is done when there is something new; raise why there never will be."""
        if self.error is not None:
            raise self.error
        waiter = self.waiter = loop.create_future()
        return waiter

    def check(self, server: str) -> None:
        """Raise why the answer is not complete, if it is not: `TruncatedError` if the stream just ended."""
        if self.error is not None and not self.complete:
            raise self.error
        if not self.parser.done and not is_finished(self.chunks):
            raise TruncatedError(
                "the stream ended without [DONE], and before the answer gave a reason to finish",
                server=server,
            )


class OpenStream(ABC):
    """
    A streamed answer that is being read: iterate over it, and close it if you leave before its end.

    Iteration gives the data of one event at a time, `[DONE]` left out, and raises `TruncatedError` or
    `TimedOutError`, which carry all that came. If the server did not answer with a stream (`is_stream` is
    false), `answer` is to be called, which reads and returns what it said.

    Args:
        status: Of HTTP.

        headers: In any case.
    """

    def __init__(self, status: int, headers: CIMultiDictProxy[str]) -> None:
        self.status = status
        self.headers = headers
        self.is_stream = is_stream(status, headers)
        self.chunks: list[bytes] = []
        """The data of all events that came so far, those not yet iterated over included."""
        self.times: list[float] = []
        """When each came, in seconds from sending the request."""
        self._next = 0

    @abstractmethod
    async def answer(self) -> Answer:
        """Read the answer as a whole, whatever it is."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of the connection: it is closed if the end has not come. May be called again."""

    @abstractmethod
    async def _more(self) -> bool:
        """Wait for more chunks; return whether there may be some, false at the end of the answer."""

    def __aiter__(self) -> Self:
        """Iterate over the data of the events."""
        return self

    async def __anext__(self) -> bytes:
        """Return the data of the next event."""
        while self._next >= len(self.chunks):
            if not await self._more():
                raise StopAsyncIteration
        self._next += 1
        return self.chunks[self._next - 1]

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.aclose()
