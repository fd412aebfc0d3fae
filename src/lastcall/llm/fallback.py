"""
aiohttp's own way: for proxies, sessions that are watched, and an aiohttp that is not known.

What it cannot see from outside, it leaves be: `first_byte` counts from the wait for a connection, and a
request is sent again only after a clean end of a connection that was idle before, since after a reset nobody
here knows whether an answer had begun.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import aiohttp
from aiohttp import ClientResponse, ClientSession, ClientTimeout

from .answer import Answer
from .compat import drop_idle, has_idle
from .stream import Collected, Events, OpenStream
from .trouble import explained, timed_out

if TYPE_CHECKING:
    from .sweep import Limits
    from .target import Target

__all__ = ["collect", "open_stream", "post"]

_LARGE = 2**20


class _Attempt:
    """One request in aiohttp's own way, and the limits it has to keep."""

    def __init__(self, session: ClientSession, target: Target, limits: Limits) -> None:
        self._session = session
        self._target = target
        self._limits = limits
        self._started = monotonic()
        self._response: ClientResponse | None = None
        self.sent = self._started

    async def ask(self, body: bytes, method: str) -> ClientResponse:
        """Send the request and wait for the head of its answer."""
        url, connector = self._target.url, self._session.connector
        place = (connector, url.raw_host, url.port)
        used = has_idle(*place, is_ssl=url.scheme == "https")
        try:
            return await self._send(body, method)
        except aiohttp.ServerDisconnectedError as error:
            # With a message it is the beginning of an answer that came.
            if not used or error.message != "Server disconnected":
                raise
        drop_idle(*place, is_ssl=url.scheme == "https")
        return await self._send(body, method)

    async def _send(self, body: bytes, method: str) -> ClientResponse:
        target, limits = self._target, self._limits
        self.sent = monotonic()
        async with self.limited("first_byte", limits.first_byte):
            self._response = await self._session.request(
                method,
                target.url,
                # aiohttp warns of larger bodies that are bytes.
                data=body if len(body) <= _LARGE else io.BytesIO(body),
                headers=target.headers,
                proxy=target.proxy,
                ssl=target.ssl,
                allow_redirects=False,
                raise_for_status=False,
                timeout=ClientTimeout(total=None, sock_connect=limits.connect.sock_connect),
            )
        return self._response

    async def piece(self) -> bytes:
        """Wait for the next piece of the body; empty at its end."""
        assert self._response is not None
        async with self.limited("between_chunks", self._limits.between):
            return await self._response.content.readany()

    @asynccontextmanager
    async def limited(self, name: str, seconds: float) -> AsyncIterator[None]:
        """Keep the limit of that name, or that of the whole if it comes first."""
        now = monotonic()
        left = self._started + self._limits.whole - now
        if left < seconds:
            name, seconds = self._limits.whole_name, self._limits.whole
        else:
            left = seconds
        scope = asyncio.timeout(None if left == math.inf else max(0.0, left))
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if scope.expired():
                raise timed_out(name, seconds, self._target.server) from None
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                limit = self._limits.connect_s
                raise timed_out("connect", limit, self._target.server) from error
            raise

    def fail(self, error: BaseException, body: bytes = b"", chunks: tuple[bytes, ...] = ()) -> NoReturn:
        """Close the connection and raise what *error* means, with what came of the answer."""
        self.close()
        response = self._response
        told = explained(
            error,
            self._target.server,
            began=response is not None or _is_part(error),
            status=response.status if response else None,
            request_id=response.headers.get("x-request-id") if response else None,
            body=body,
            chunks=chunks,
        )
        if told is error:
            raise told
        raise told from error

    def close(self) -> None:
        """Let go of the connection; it is kept if the answer has ended."""
        if self._response is not None:
            self._response.close()


def _is_part(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ServerDisconnectedError) and error.message != "Server disconnected"


async def post(session: ClientSession, target: Target, body: bytes, limits: Limits, method: str) -> Answer:
    """Do what `Wire.post` does."""
    attempt = _Attempt(session, target, limits)
    try:
        response = await attempt.ask(body, method)
    except BaseException as error:  # noqa: BLE001  (`fail` raises)
        attempt.fail(error)
    return await _whole(attempt, response)


async def _whole(attempt: _Attempt, response: ClientResponse) -> Answer:
    parts: list[bytes] = []
    try:
        while part := await attempt.piece():
            parts.append(part)
    except BaseException as error:  # noqa: BLE001  (`fail` raises)
        attempt.fail(error, body=b"".join(parts))
    return Answer(response.status, response.headers, b"".join(parts))


async def open_stream(session: ClientSession, target: Target, body: bytes, limits: Limits) -> FallbackStream:
    """Do what `Wire.open` does."""
    attempt = _Attempt(session, target, limits)
    try:
        response = await attempt.ask(body, "POST")
    except BaseException as error:  # noqa: BLE001  (`fail` raises)
        attempt.fail(error)
    return FallbackStream(attempt, response, target.server)


async def collect(session: ClientSession, target: Target, body: bytes, limits: Limits) -> Collected:
    """Do what `Wire.collect` does."""
    async with await open_stream(session, target, body, limits) as stream:
        if not stream.is_stream:
            return Collected(stream.status, stream.headers, [], [], await stream.answer())
        async for _ in stream:
            pass
        return Collected(stream.status, stream.headers, stream.chunks, stream.times)


class FallbackStream(OpenStream):
    """A streamed answer that aiohttp reads."""

    def __init__(self, attempt: _Attempt, response: ClientResponse, server: str) -> None:
        super().__init__(response.status, response.headers)
        self._attempt = attempt
        self._response = response
        self._server = server
        self._events = Events(attempt.sent)
        self.chunks = self._events.chunks
        self.times = self._events.times
        self._closed = False

    async def answer(self) -> Answer:
        """Read the answer as a whole."""
        if self.is_stream or self._closed:
            raise RuntimeError("it is a stream, or was read: there is no whole answer to read")
        self._closed = True
        return await _whole(self._attempt, self._response)

    async def aclose(self) -> None:
        """Let go of the connection."""
        if not self._closed:
            self._closed = True
            # Whoever waits for the next piece would wait for ever.
            self._response.content.set_exception(aiohttp.ClientConnectionError("the stream was closed"))
            self._attempt.close()

    async def _more(self) -> bool:
        if self._closed:
            return False
        events = self._events
        try:
            piece = await self._attempt.piece()
            if piece and not events.parser.done:
                events.take(piece)
                return True
            events.end()
            events.check(self._server)
        except BaseException as error:  # noqa: BLE001  (`fail` raises)
            if self._closed and isinstance(error, aiohttp.ClientConnectionError):
                return False
            self._closed = True
            self._attempt.fail(error, chunks=tuple(self.chunks))
        self._closed = True
        self._attempt.close()
        return False
