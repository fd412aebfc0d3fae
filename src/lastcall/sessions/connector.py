"""The connector beneath shared sessions: looks before it reuses, knows who holds what, ends on request."""

import asyncio
import functools
import logging
import math
import time
import warnings
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import ClientConnectionError, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, Connection

from lastcall.errors import BorrowedSessionWarning, SessionClosedError

from .calls import Call, Ending, OpenRequest, began, described, summary
from .handler import PooledHandler

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace

__all__ = ["SharedConnector", "warn_borrower"]

logger = logging.getLogger("lastcall")

_AIOHTTP = TCPConnector.__module__

_WAIT_REPORTED_AFTER = 1.0
_WAIT_REPORTED_EVERY = 60.0


class SharedConnector(TCPConnector):
    """
    A `TCPConnector` that belongs to a manager.

    Before a pooled connection is used again it is looked at: one that is dead, or older than `max_age`, is
    closed and another taken. When a call has waited for a free connection for over a second, one warning on
    the logger "lastcall" (at most once a minute and host) says who holds them. `close()` does nothing but
    warn: who borrowed a session does not close it.

    Args:
        session: Name of the session's profile, for messages.

        max_age: Seconds after which a connection is not used again, None for never.

        options: As for `aiohttp.TCPConnector`.
    """

    def __init__(self, session: str, *, max_age: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.session = session
        self.ending: Ending | None = None
        """Set from the moment at which new requests are refused."""
        self._is_cut = False
        self._calls: dict[object, Call] = {}  # by connection; by request while it has none
        self._connecting: set[asyncio.Timeout] = set()
        self._waits_reported: dict[str | None, float] = {}
        self._changed = asyncio.Event()
        # Weak: a handler whose transport was handed on to a TLS layer is never told of its end.
        self._live: weakref.WeakSet[PooledHandler] = weakref.WeakSet()
        handler = functools.partial(PooledHandler, self._live, self._changed, max_age, loop=self._loop)
        self._factory = handler  # type: ignore[assignment]

    @property
    def in_use(self) -> int:
        """Connections that a request holds or is opening."""
        return len(self._acquired)

    @property
    def idle(self) -> int:
        """Connections in the pool."""
        return sum(map(len, self._conns.values()))

    @property
    def waiting(self) -> int:
        """Calls that wait for a free connection."""
        return sum(map(len, self._waiters.values()))

    def close(self, *, abort_ssl: bool = False) -> Coroutine[Any, Any, None]:  # noqa: ARG002
        """Do nothing but warn: the connector belongs to the manager of its session."""
        warn_borrower("connector.close()", self.session)
        return nothing()

    async def connect(
        self,
        req: ClientRequest,
        traces: "list[Trace]",
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Get a connection as aiohttp does, and note who holds it."""
        if self._is_cut:
            raise self._closed_error()
        # With the loop given, current_task need not ask the system which process this is.
        call: Call = (req.method, req.url, asyncio.current_task(self._loop), time.monotonic())
        # The common case, a connection from the pool, is spared one more coroutine and what follows; not
        # where someone has wrapped aiohttp's method to see each request, as a watch does.
        is_short = req.proxy is None and BaseConnector.connect.__module__ == _AIOHTTP
        connection = await self._get(req.connection_key, traces) if is_short else None
        if connection is None:
            connection = await self._connect(call, req, traces, timeout)
        self._calls[connection.protocol] = call
        return connection

    async def _connect(
        self,
        call: Call,
        req: ClientRequest,
        traces: "list[Trace]",
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Open a connection, or wait for one; meanwhile the call is known by its request."""
        self._calls[req] = call
        try:
            connection = await super().connect(req, traces, timeout)
        except BaseException as error:
            self._changed.set()
            if self._is_cut and isinstance(error, ClientConnectionError):
                raise self._closed_error() from error
            raise
        finally:
            del self._calls[req]
        if self._is_cut:
            connection.close()
            raise self._closed_error()
        return connection

    def _get(self, key: "ConnectionKey", traces: "list[Trace]") -> Coroutine[Any, Any, Connection | None]:
        """Drop the spent connections that would be next, then let aiohttp take one."""
        if conns := self._conns.get(key):
            now = time.monotonic()
            oldest = -math.inf if self._keepalive_timeout is None else now - self._keepalive_timeout
            while conns:
                handler: Any = conns[0][0]  # a PooledHandler: the factory makes no other
                if conns[0][1] >= oldest and not handler.is_spent(now):
                    break
                conns.popleft()
                self._drop(key, handler)
        return super()._get(key, traces)

    def _drop(self, key: "ConnectionKey", handler: ResponseHandler) -> None:
        transport = handler.transport
        handler.close()
        if key.is_ssl and not self._cleanup_closed_disabled:
            self._cleanup_closed_transports.append(transport)

    def _release_acquired(self, key: "ConnectionKey", proto: ResponseHandler) -> None:
        self._calls.pop(proto, None)
        if self.ending is not None:
            self._changed.set()
        super()._release_acquired(key, proto)

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: "list[Trace]",
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        """Open a connection, in a scope that `cut` can end without cancelling the caller's task."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._connecting.add(scope)
                return await super()._create_connection(req, traces, timeout)
        except TimeoutError:
            if scope.expired():
                raise self._closed_error() from None
            raise
        finally:
            self._connecting.discard(scope)

    async def _wait_for_available_connection(self, key: "ConnectionKey", traces: "list[Trace]") -> None:
        """Wait as aiohttp does; whoever waits for long has it reported."""
        timer = self._loop.call_later(_WAIT_REPORTED_AFTER, self._report_wait, key)
        try:
            await super()._wait_for_available_connection(key, traces)
        finally:
            timer.cancel()

    def _report_wait(self, key: "ConnectionKey") -> None:
        """Say once a minute which limit makes calls to a host wait, and who holds its connections."""
        now = time.monotonic()
        if now - self._waits_reported.get(key.host, -_WAIT_REPORTED_EVERY) < _WAIT_REPORTED_EVERY:
            return
        self._waits_reported[key.host] = now
        by_host = len(self._acquired_per_host.get(key, ())) >= self._limit_per_host > 0
        held = self._acquired_per_host[key] if by_host else self._acquired
        holders = [described(call) for proto in held if (call := self._calls.get(proto))]
        limit = f"limit_per_host={self._limit_per_host}" if by_host else f"limit={self._limit}"
        logger.warning(
            "session %r: a call to %s has waited %g s for a free connection: %s is reached and %d calls wait."
            " The connections are held by\n%s",
            self.session,
            key.host,
            _WAIT_REPORTED_AFTER,
            limit,
            self.waiting,
            summary(holders) or "  calls that are still connecting",
        )

    # What follows is for closing.py and keeper.py, in the order in which they call it.

    async def settled(self, grace: float) -> bool:
        """Wait until no request is at work, for *grace* seconds at most; return whether that came."""
        deadline = self._loop.time() + grace
        while await self._until(lambda: not self._calls, deadline - self._loop.time()):
            await asyncio.sleep(0)  # a redirect lets go of one connection before it asks for the next
            if not self._calls:
                return True
        return False

    def at_work(self) -> tuple[OpenRequest, ...]:
        """Return the requests at work, in the order in which they began."""
        return tuple(map(described, sorted(self._calls.values(), key=began)))

    def cut(self) -> None:
        """Give everyone who waits for a slot, a connection, headers, a body or a message the error."""
        if self._is_cut:
            return
        self._is_cut = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                # aiohttp would cancel them, which looks as if somebody had cancelled their task.
                if not waiter.done():
                    waiter.set_exception(self._closed_error())
        for scope in self._connecting:
            scope.reschedule(self._loop.time())
        assert self.ending is not None
        for handler in self._calls:
            if isinstance(handler, PooledHandler):
                handler.fail(self.ending)

    def hang_up(self, *, abort: bool = False) -> int:
        """Close every connection, flushing what is to be sent, or *abort* it; return how many."""
        wires = [(handler, wire) for handler in tuple(self._live) if (wire := handler.wire) is not None]
        for handler, wire in wires:
            if abort:
                wire.abort()
            else:
                handler.close()  # once at most: closed twice, asyncio's TLS transport cannot be aborted
        return len(wires)

    async def gone(self, limit: float) -> bool:
        """Wait until no connection is left, for *limit* seconds at most; return whether that came."""
        return await self._until(
            lambda: not any(handler.wire is not None for handler in tuple(self._live)), limit
        )

    async def close_for_good(self) -> None:
        """Do what `close` does for a connector that belongs to its session."""
        await super().close()

    def forget(self) -> list[object]:
        """
        Mark it closed without touching a transport, after a fork or when the loop is gone.

        Returns:
            What must stay alive in a forked child: to collect a transport there would take the parent's out
            of the epoll set that both share.
        """
        self._is_cut = True
        self._closed = True
        kept: list[object] = [self._conns, self._acquired, self._calls, self._waiters, tuple(self._live)]
        self._conns = defaultdict(deque)
        self._acquired = set()
        self._calls = {}
        self._waiters = defaultdict(OrderedDict)
        return kept

    async def _until(self, done: Callable[[], bool], limit: float) -> bool:
        try:
            async with asyncio.timeout(limit):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return done()
        return True

    def _closed_error(self) -> SessionClosedError:
        assert self.ending is not None
        return self.ending.error()


def warn_borrower(call: str, session: str) -> None:
    """Warn the caller's caller that its *call* on a shared *session* does nothing."""
    warnings.warn(
        f"{call} on the shared session {session!r} does nothing: whoever opened a session closes it, and that"
        " is the SessionManager. Remove the call; for code that must close what it gets, use"
        f" SessionManager.lend({session!r}).",
        BorrowedSessionWarning,
        stacklevel=3,
    )


async def nothing() -> None:
    """Be what there is to await where a close is asked for in vain."""
