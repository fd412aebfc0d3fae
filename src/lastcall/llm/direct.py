"""Streams and bodies read from a connection of the short way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .answer import Answer
from .compat import taken
from .stream import Events, OpenStream

if TYPE_CHECKING:
    from aiohttp.http import RawResponseMessage

    from .exchange import Exchange

__all__ = ["DirectStream", "read_events", "read_whole"]


class Whole:
    """Takes the bytes of a body; whoever waits for it is woken at its end."""

    __slots__ = ("done", "parts", "take")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.parts: list[bytes] = []
        self.take = self.parts.append
        self.done: asyncio.Future[None] = loop.create_future()

    def end(self) -> None:
        """Take note that the body is complete."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Take note that it never will be."""
        if not self.done.done():
            self.done.set_exception(error)


async def read_whole(exchange: Exchange, message: RawResponseMessage) -> Answer:
    """Read the body of an answer whose head has come, and give the connection back."""
    payload = exchange.payload
    assert payload is not None
    if payload.is_eof():
        body = taken(payload)
    else:
        whole = Whole(exchange.loop)
        try:
            exchange.divert(whole)
            await whole.done
        except BaseException as error:  # noqa: BLE001  (`fail` raises)
            exchange.fail(error, body=b"".join(whole.parts))
        body = b"".join(whole.parts)
    exchange.release()
    return Answer(message.code, message.headers, body)


async def read_events(exchange: Exchange) -> Events:
    """Read a stream to its end, woken once, and give the connection back."""
    events = Events(exchange.sent)
    try:
        exchange.divert(events)
        if not events.complete:
            await events.wait(exchange.loop)
        events.check(exchange.prepared.server)
    except BaseException as error:  # noqa: BLE001  (`fail` raises)
        exchange.fail(error, chunks=tuple(events.chunks))
    finish(exchange)
    return events


def finish(exchange: Exchange) -> None:
    """Give the connection back when the body ends, which `[DONE]` is not."""
    assert exchange.payload is not None
    if exchange.payload.is_eof():
        exchange.release(stream=True)
    else:
        exchange.trail()
        exchange.payload.on_eof(lambda: exchange.release(stream=True))


class DirectStream(OpenStream):
    """
    A streamed answer on a connection of the short way.

    Args:
        exchange: Belongs to it from now on.

        message: The head of the answer.
    """

    def __init__(self, exchange: Exchange, message: RawResponseMessage) -> None:
        super().__init__(message.code, message.headers)
        self._exchange = exchange
        self._message = message
        self._closed = False
        if self.is_stream:
            self._events = Events(exchange.sent, exchange.hold)
            self.chunks = self._events.chunks
            self.times = self._events.times
            exchange.divert(self._events)

    async def answer(self) -> Answer:
        """Read the answer as a whole."""
        if self.is_stream or self._closed:
            raise RuntimeError("it is a stream, or was read: there is no whole answer to read")
        self._closed = True
        return await read_whole(self._exchange, self._message)

    async def aclose(self) -> None:
        """Let go of the connection."""
        if self._closed:
            return
        self._closed = True
        if self.is_stream and self._events.complete:
            finish(self._exchange)
            return
        self._exchange.abandon()
        if self.is_stream:
            self._events.wake()

    async def _more(self) -> bool:
        if self._closed:
            return False
        exchange, events = self._exchange, self._events
        events.backlog = 0
        try:
            if not events.complete:
                exchange.flow()
                # What the parser had held back may have come at once, the end included.
                if self._next >= len(self.chunks) and not events.complete:
                    await events.wait(exchange.loop)
                return True
            events.check(exchange.prepared.server)
        except BaseException as error:  # noqa: BLE001  (`fail` raises)
            self._closed = True
            exchange.fail(error, chunks=tuple(self.chunks))
        self._closed = True
        finish(exchange)
        return False
