"""A real aiohttp server in a thread, which counts connections and knows how each one ended."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ssl as ssl_module
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from http import HTTPStatus
from types import MappingProxyType, TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from .connections import ConnectionBook, WatchedProtocol
from .records import ConnectionEnd, ConnectionRecord, RequestRecord
from .routes import built_in_app

AppFactory = Callable[[], web.Application]
"""Makes the application of one server; called in the server's thread, on its running loop."""

_HOST = "127.0.0.1"
_START_LIMIT = 10.0
_STOP_LIMIT = 5.0
_HANDLERS_LIMIT = 1.0

# Five hundred clients that connect at once must not have to send their SYN again.
_BACKLOG = 4096


class LoopbackServer:
    """
    A real aiohttp server on 127.0.0.1, in a thread and on a loop of its own.

    Because it does not run on the caller's loop it also judges blocking programs, subprocesses and
    loops that are about to end. Use it once, with `with` or `async with`: both start it and stop it,
    within a few seconds even if a handler hangs. A stopped server keeps its records.

    Every attribute may be read from any thread. A connection counts as ended when the server has
    seen its end, a moment after the client's side: wait for it with `wait_until_no_connections`.

    Args:
        app: Makes the application to serve; None gives the routes of `built_in_app`.

        port: The port to listen on; 0 takes any free one, and `url` tells which.

        ssl: Serves HTTPS with this context; None serves HTTP.

        keepalive: Seconds for which an idle connection is kept. It is then closed without a word, as
            HTTP allows: a small value shows what stale connections in a client's pool do.

        records_max: How many requests and how many ended connections are remembered, the newest.

    Raises:
        OSError: On entering, if the port cannot be had. What *app* raises is raised there too.
    """

    def __init__(
        self,
        app: AppFactory | None = None,
        *,
        port: int = 0,
        ssl: ssl_module.SSLContext | None = None,
        keepalive: float = 75.0,
        records_max: int = 100_000,
    ) -> None:
        self._app = app
        self._port = port
        self._ssl = ssl
        self._keepalive = keepalive
        self._requests: deque[RequestRecord] = deque(maxlen=records_max)
        self._book = ConnectionBook(self._notify, records_max=records_max)
        self._requests_count = 0
        self._in_flight = 0
        self._in_flight_peak = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._released = asyncio.Event()

    @property
    def url(self) -> str:
        """Its address without a slash at the end, for example "http://127.0.0.1:54321"."""
        if self._thread is None:
            raise RuntimeError("a server has no address before it is started: enter it in a with block first")
        return f"{'https' if self._ssl else 'http'}://{_HOST}:{self._port}"

    @property
    def connections_opened(self) -> int:
        """Connections accepted so far."""
        return self._book.opened

    @property
    def connections_open(self) -> int:
        """Connections open now."""
        return len(self._book)

    @property
    def connections_peak(self) -> int:
        """The largest number of connections open at one time."""
        return self._book.peak

    @property
    def connections(self) -> list[ConnectionRecord]:
        """One record per connection, a copy: first those that ended, in that order, then the open ones."""
        return self._book.records()

    @property
    def connection_ends(self) -> Counter[ConnectionEnd]:
        """How many connections ended in which way; `ConnectionEnd.OPEN` counts the open ones."""
        return Counter(record.end for record in self.connections)

    @property
    def requests(self) -> list[RequestRecord]:
        """One record per request, a copy, in the order in which they began."""
        return list(self._requests.copy())

    @property
    def requests_count(self) -> int:
        """Requests begun so far, those that are no longer remembered included."""
        return self._requests_count

    @property
    def requests_in_flight(self) -> int:
        """Requests whose handler is at work now."""
        return self._in_flight

    @property
    def requests_in_flight_peak(self) -> int:
        """The largest number of requests at work at one time."""
        return self._in_flight_peak

    def __repr__(self) -> str:
        """Tell its address, whether it serves, and what is open."""
        name = type(self).__name__
        if self._thread is None:
            return f"<{name} not started>"
        state = "serving" if self._loop else "stopped"
        return (
            f"<{name} {self.url} {state}: {self.connections_open} connections open of "
            f"{self.connections_opened}, {self._in_flight} requests in flight>"
        )

    def wait_until(self, predicate: Callable[[], bool], timeout: float = 5.0) -> bool:
        """
        Block until *predicate* holds; it is asked again after each change on the server.

        Args:
            predicate: Looks at the server; called in the server's thread, so it must not block.

            timeout: Seconds, in all.

        Returns:
            Whether it held within *timeout*. A server that is stopped is asked once.
        """
        future = self._submit_wait(predicate, timeout)
        concurrent.futures.wait([future], timeout + _STOP_LIMIT)
        # A server that is stopped meanwhile cancels the wait, or never begins it.
        return future.result() if future.done() and not future.cancelled() else predicate()

    async def await_until(self, predicate: Callable[[], bool], timeout: float = 5.0) -> bool:  # noqa: ASYNC109
        """Do as `wait_until` without blocking the running loop, on which the clients may live."""
        future = asyncio.wrap_future(self._submit_wait(predicate, timeout))
        await asyncio.wait([future], timeout=timeout + _STOP_LIMIT)
        return future.result() if future.done() and not future.cancelled() else predicate()

    def wait_until_connections(self, n: int, timeout: float = 5.0) -> bool:
        """Block until exactly *n* connections are open; return whether that came within *timeout* seconds."""
        return self.wait_until(lambda: self.connections_open == n, timeout)

    async def await_until_connections(self, n: int, timeout: float = 5.0) -> bool:  # noqa: ASYNC109
        """Do as `wait_until_connections` without blocking the running loop."""
        return await self.await_until(lambda: self.connections_open == n, timeout)

    def wait_until_no_connections(self, timeout: float = 5.0) -> bool:
        """Block until no connection is open; return whether that came within *timeout* seconds."""
        return self.wait_until_connections(0, timeout)

    async def await_until_no_connections(self, timeout: float = 5.0) -> bool:  # noqa: ASYNC109
        """Do as `wait_until_no_connections` without blocking the running loop."""
        return await self.await_until_connections(0, timeout)

    def release(self) -> None:
        """Let the built-in `/hang`, `/stall` and `/noread` go on, now and from here on."""
        self._call(self._released.set)

    def start(self) -> None:
        """Start the thread and return once the port is open; a `with` block does it for you."""
        if self._thread is not None:
            raise RuntimeError("a LoopbackServer is used once: make another one")
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="loopback server", daemon=True
        )
        self._thread.start()
        started.result(_START_LIMIT)

    def stop(self) -> None:
        """
        End every connection, cancel the handlers and join the thread; a `with` block does it for you.

        Raises:
            TimeoutError: If a handler blocks the server's thread and does not let go.
        """
        if self._thread is None:
            return
        self._call(self._stopping.set)
        self._thread.join(_STOP_LIMIT)
        if self._thread.is_alive():
            raise TimeoutError(f"{self!r} could not be stopped: one of its handlers blocks the thread")

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Start it; the running loop waits a few milliseconds."""
        self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def make_app(self) -> web.Application:
        """Make the application to serve; on the server's loop. Subclasses serve their own."""
        return self._app() if self._app else built_in_app(self._released)

    def connection_number(self, request: web.Request) -> int:
        """Return the number of the connection a request came on, 0 if it has ended; for handlers."""
        return self._book.number(request.transport)

    def _run(self, started: concurrent.futures.Future[None]) -> None:
        loop = _new_loop()
        try:
            loop.run_until_complete(self._serve(started))
        except BaseException as error:  # it belongs to whoever called start()
            if started.done():
                raise
            started.set_exception(error)
        finally:
            self._loop = None
            loop.close()

    async def _serve(self, started: concurrent.futures.Future[None]) -> None:
        app = self.make_app()
        app.middlewares.insert(0, self._record)
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=self._keepalive,
            shutdown_timeout=_HANDLERS_LIMIT,
        )
        await runner.setup()
        try:
            server = await self._listen(runner)
            self._port = server.sockets[0].getsockname()[1]
            self._loop = asyncio.get_running_loop()
            started.set_result(None)
            await self._stopping.wait()
            # No wait_closed: since Python 3.12 it waits for connections, which are ended below.
            server.close()
            await self._end_connections()
        finally:
            await runner.cleanup()
            await _cancel_the_rest()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        def protocol() -> asyncio.Protocol:
            assert runner.server is not None
            return WatchedProtocol(runner.server(), self._book)

        loop = asyncio.get_running_loop()
        return await loop.create_server(protocol, _HOST, self._port, ssl=self._ssl, backlog=_BACKLOG)

    async def _end_connections(self) -> None:
        # A connection that was accepted just now is made in the next turn of the loop.
        await asyncio.sleep(0)
        for transport in self._book.transports():
            transport.abort()
        await self._until(lambda: not len(self._book), _HANDLERS_LIMIT)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._requests_count += 1
        self._book.count_request(request.transport)
        self._requests.append(
            RequestRecord(
                method=request.method,
                path=request.path,
                connection=self.connection_number(request),
                at=time.monotonic(),
                query=MappingProxyType(dict(request.query)),
                headers=request.headers,
            )
        )
        self._in_flight += 1
        self._in_flight_peak = max(self._in_flight_peak, self._in_flight)
        self._notify()
        try:
            return await handler(request)
        except ConnectionResetError:
            # The client went away, as clients do; aiohttp would log it as an error of the handler.
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            self._in_flight -= 1
            self._notify()

    def _notify(self) -> None:
        self._changed.set()

    async def _until(self, predicate: Callable[[], bool], limit: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while not predicate():
                    self._changed.clear()
                    await self._changed.wait()
        return predicate()

    def _submit_wait(self, predicate: Callable[[], bool], timeout: float) -> concurrent.futures.Future[bool]:
        coroutine = self._until(predicate, timeout)
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # it was stopped and closed a moment ago
                return asyncio.run_coroutine_threadsafe(coroutine, loop)
        coroutine.close()
        answer: concurrent.futures.Future[bool] = concurrent.futures.Future()
        answer.set_result(predicate())
        return answer

    def _call(self, callback: Callable[[], None]) -> None:
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # it was stopped and closed a moment ago
                loop.call_soon_threadsafe(callback)


def _new_loop() -> asyncio.AbstractEventLoop:
    # Not the policy's: a program under test that installs uvloop must not change who judges it.
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop()
    return asyncio.SelectorEventLoop()


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=_HANDLERS_LIMIT)
