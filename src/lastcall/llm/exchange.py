"""One request and its answer, on a connection that is held meanwhile and let go of whatever happens."""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import ServerDisconnectedError

from .compat import Asking, divert, forget, make_ready
from .trouble import explained, is_lost, timed_out

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import BaseConnector, Connection
    from aiohttp.http import RawResponseMessage
    from aiohttp.streams import StreamReader

    from .servers import Prepared
    from .sweep import Limits, Sweep

__all__ = ["Exchange"]

_JOINED_BELOW = 2**16
_TRAILING_S = 1.0
"""Seconds within which a stream's end must follow its `[DONE]`, for its connection to be used again."""

_INFORMATION = range(100, 200)
_SWITCHING = 101

_CONNECTING, _ASKED, _READING, _TRAILING, _ENDED = range(5)


class Exchange:
    """
    A request from the wait for a connection to the end of its answer.

    Args:
        prepared: Where it goes.

        limits: What it may take; the sweep sees to it.

        sweep: Looks after it from now on, until `release` or `abandon`; one of them must follow.
    """

    __slots__ = (
        "_cancelling",
        "_connection",
        "_once",
        "_state",
        "_sweep",
        "_task",
        "consumer",
        "ends",
        "expired",
        "last",
        "limits",
        "loop",
        "message",
        "paused",
        "payload",
        "prepared",
        "protocol",
        "sent",
        "started",
    )

    def __init__(self, prepared: Prepared, limits: Limits, sweep: Sweep) -> None:
        self.prepared = prepared
        self.limits = limits
        self._sweep = sweep
        self.loop = sweep.loop
        self._state = _CONNECTING
        self._connection: Connection | None = None
        self._once = False
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self.protocol: ResponseHandler | None = None
        self.message: RawResponseMessage | None = None
        self.payload: StreamReader | None = None
        self.consumer: Any = None
        self.expired: BaseException | None = None
        self.paused = False
        self.sent = 0.0
        """When the request was written, in seconds of the monotonic clock; like all times here."""
        self.last = 0.0
        """When a piece of the answer came last; 0.0 before the first byte."""
        self.started = now = monotonic()
        self.ends = now + limits.whole
        sweep.add(self, now)

    async def ask(self, connector: BaseConnector, body: bytes) -> RawResponseMessage:
        """
        Send the request and wait for the head of its answer.

        A connection that had been used before and ends before one byte of the answer was dead: the request
        is sent again, once, on a new one.
        """
        prepared = self.prepared
        request = Asking(prepared.about)
        connection = await self._connect(connector, request)
        # aiohttp gives a connection its parser with its first request.
        used = connection.protocol._parser is not None  # type: ignore[union-attr]
        if not used:
            return await self._send(connection, body)
        try:
            message = await self._send(connection, body)
        except Exception as error:
            if self.last or self.expired is not None or not is_lost(error):
                raise
        else:
            prepared.learned.note_alive(self.protocol)
            return message
        prepared.learned.note_dead(self.protocol)
        self._let_go(close=True)
        # Another one of the pool may be dead too. The new one is in nobody's pool, and is closed in the end.
        self._once = True
        return await self._send(await self._connect(connector, Asking(prepared.about_new)), body)

    async def _connect(self, connector: BaseConnector, request: Asking) -> Connection:
        self._task = asyncio.current_task(self.loop)
        self._state = _CONNECTING
        try:
            connection = await connector.connect(request, [], self.limits.connect)
        except TimeoutError as error:
            self._raise_expired()
            limit = self.limits.connect_s
            raise timed_out("connect", limit, self.prepared.server) from error
        except BaseException:
            self._raise_expired()
            raise
        self._connection = connection
        self._state = _ASKED
        self._raise_expired()
        return connection

    def _raise_expired(self) -> None:
        """If the sweep has cancelled the wait for a connection, take that back and say why."""
        if self.expired is not None and self._task is not None and self._task.uncancel() <= self._cancelling:
            raise self.expired

    async def _send(self, connection: Connection, body: bytes) -> RawResponseMessage:
        protocol = self.protocol = connection.protocol
        assert protocol is not None
        transport = protocol.transport
        if transport is None or len(protocol):
            # The connection is lost; or something came while nobody had asked, and would pass for the answer.
            raise ServerDisconnectedError
        # Called with whatever comes, before it is parsed; it would set a timer of aiohttp's anew.
        protocol._reschedule_timeout = self._hear  # type: ignore[method-assign]
        make_ready(protocol, transport)
        head = b"%b%d\r\n\r\n" % (self.prepared.head, len(body))
        self.sent = monotonic()
        # Nobody waits until it is sent: the answer says so, and a refusal may come before.
        if len(body) < _JOINED_BELOW:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        message, payload = await protocol.read()
        while message.code in _INFORMATION and message.code != _SWITCHING:
            message, payload = await protocol.read()
        self.message = message
        self.payload = payload
        self._state = _READING
        return message

    def _hear(self) -> None:
        self.last = monotonic()

    def divert(self, consumer: Any) -> None:
        """Hand the answer's body to *consumer* as it comes."""
        assert self.payload is not None
        if self.expired is not None:
            raise self.expired
        self.consumer = consumer
        divert(self.payload, consumer)

    def hold(self) -> None:
        """Let the server wait: the reader is behind."""
        if not self.paused and self.protocol is not None:
            self.paused = True
            self.protocol.pause_reading()

    def flow(self) -> None:
        """Let the server go on."""
        if self.paused and self.protocol is not None:
            self.paused = False
            self.last = monotonic()
            self.protocol.resume_reading()

    def release(self, *, stream: bool = False) -> None:
        """Give the connection back, for others to use if it can be; of a *stream*, if the server allows."""
        self._let_go(close=self._once or (stream and self.prepared.learned.closes(self.protocol)))
        self._sweep.discard(self)
        self._state = _ENDED

    def trail(self) -> None:
        """Give the connection back when the end has come, which follows soon, or close it."""
        self._state = _TRAILING
        now = monotonic()
        self.ends = now + _TRAILING_S
        self._sweep.hasten(now, self.ends)

    def abandon(self) -> None:
        """Close the connection at once, what is still to be sent included; may be called again."""
        self._let_go(close=True)
        self._sweep.discard(self)
        self._state = _ENDED

    def _let_go(self, *, close: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.consumer is not None and self.payload is not None:
            self.consumer = None
            forget(self.payload)
        protocol = connection.protocol
        if protocol is not None:
            vars(protocol).pop("_reschedule_timeout", None)
            transport = protocol.transport
            if transport is not None and transport.get_write_buffer_size():
                # Closed in order, it would wait for a server that may never read the rest.
                transport.abort()
                close = True
        if close:
            connection.close()
        else:
            connection.release()

    def look(self, now: float) -> float:
        """Do what the sweep is for."""
        limits, state = self.limits, self._state
        if state == _ENDED:
            return math.inf
        if now >= self.ends:
            if state == _TRAILING:
                self.abandon()
                return math.inf
            return self._expire(limits.whole_name, limits.whole)
        if state == _READING and self.protocol is not None and self.protocol.transport is None:
            self._notice_loss()
            return self.ends
        due = self.ends
        if state == _ASKED and not self.last:
            due = self.sent + limits.first_byte
            name, seconds = "first_byte", limits.first_byte
        elif state in (_ASKED, _READING) and not self.paused:
            due = self.last + limits.between
            name, seconds = "between_chunks", limits.between
        return min(self.ends, due) if now < due else self._expire(name, seconds)

    def _notice_loss(self) -> None:
        """End it if its session was closed under it: aiohttp then tells no one who reads."""
        if self.payload is not None and not self.payload.is_eof() and self.consumer is not None:
            self.consumer.fail(ServerDisconnectedError("Connection closed"))

    def _expire(self, limit: str, seconds: float) -> float:
        """End it with the error that says which limit was reached."""
        if self.expired is not None or (self.payload is not None and self.payload.is_eof()):
            return math.inf
        error = self.expired = timed_out(limit, seconds, self.prepared.server)
        if self._state == _CONNECTING:
            if self._task is not None:
                self._cancelling = self._task.cancelling()
                self._task.cancel()
            return math.inf
        if self.consumer is not None:
            self.consumer.fail(error)
        elif self.protocol is not None:
            self.protocol.set_exception(error)
        self.abandon()
        return math.inf

    def fail(self, error: BaseException, body: bytes = b"", chunks: tuple[bytes, ...] = ()) -> NoReturn:
        """Close the connection and raise what *error* means, with what came of the answer."""
        self.abandon()
        message = self.message
        told = explained(
            error,
            self.prepared.server,
            began=bool(self.last),
            status=message.code if message else None,
            request_id=message.headers.get("x-request-id") if message else None,
            body=body,
            chunks=chunks,
        )
        if told is error:
            raise told
        raise told from error
