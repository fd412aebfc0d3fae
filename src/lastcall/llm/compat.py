"""
What the short way takes from aiohttp's inside: named here, and tried out when this module is imported.

aiohttp's own way of making a request passes through `ClientSession._request`, which makes a dozen objects
for each. The short way uses the same session, connector, connections and parser, and leaves those out. Where
one of these parts is not as it is known from aiohttp 3.11 to 3.14, `REASON` says which, and every request
takes aiohttp's own way.
"""

from __future__ import annotations

import inspect
from types import MethodType
from typing import TYPE_CHECKING, Any

import aiohttp.client
from aiohttp import ClientRequest, ClientSession, DummyCookieJar, HttpVersion11, hdrs, http
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import BaseConnector, Connection
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from lastcall.ledger.live.traffic import beneath

if TYPE_CHECKING:
    from aiohttp.connector import BaseConnector as Connector

__all__ = [
    "REASON",
    "Asking",
    "Sink",
    "divert",
    "drop_idle",
    "forget",
    "has_idle",
    "is_plain",
    "make_ready",
    "never_pooled",
    "obstacle",
    "taken",
]

_GLOBALS = vars(aiohttp.client)

_READ_BUFSIZE = 2**20
_RECEIVED_AT_ONCE = 2**16
"""
What asyncio asks the system for in one call. Its own 256 KiB are above what glibc takes from its heap: every
read of a few hundred bytes maps, shrinks and unmaps memory, which is a fifth of what a request costs.
"""


class Sink(StreamReader):
    """
    A `StreamReader` that keeps nothing.

    What the parser feeds goes to the consumer that sits in its buffer's place. aiohttp's parser makes the
    readers itself, so that one becomes a `Sink` by its class, see `divert`.
    """

    __slots__ = ()

    def feed_data(self, data: bytes, size: int = 0) -> bool:  # noqa: ARG002
        """Hand on what came."""
        self._buffer.take(data)  # type: ignore[attr-defined]
        return False

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Hand on why no more will come."""
        super().set_exception(exc, *cause)
        self._buffer.fail(exc)  # type: ignore[attr-defined]

    def begin_http_chunk_receiving(self) -> None:
        """Do nothing: where HTTP's chunks begin is of no use."""

    def end_http_chunk_receiving(self) -> None:
        """Do nothing."""


def divert(payload: StreamReader, consumer: Any) -> None:
    """
    Hand what was received of *payload*, and from now on all that comes, to *consumer*.

    Args:
        payload: Nobody else reads it.

        consumer: Its `take(data)` is called with each piece, then once `end()` or `fail(error)`.
    """
    early = taken(payload)
    payload.__class__ = Sink
    payload._buffer = consumer
    if early:
        consumer.take(early)
    if payload._exception is not None:
        consumer.fail(payload._exception)
        return
    payload.on_eof(consumer.end)
    if payload._protocol._reading_paused:
        payload._protocol.resume_reading()


class _Nobody:
    """A consumer that lets go of everything."""

    def take(self, data: bytes) -> None:
        """Do nothing."""

    def fail(self, error: BaseException) -> None:
        """Do nothing."""


_NOBODY: Any = _Nobody()


def forget(payload: StreamReader) -> None:
    """Let go of the consumer of *payload*: a connection keeps its last payload until its next."""
    payload._buffer = _NOBODY


def taken(payload: StreamReader) -> bytes:
    """
    Return what was received of *payload*, and forget it.

    Its own `read_nowait` looks at each HTTP chunk whether to read on: for a burst of a stream that takes
    longer than all the rest.
    """
    if payload is EMPTY_PAYLOAD:
        return b""
    buffer = payload._buffer
    data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
    buffer.clear()
    return data


class Asking(ClientRequest):
    """
    What a connector wants to know of one request; all those to one target share what they know.

    Each is an object of its own, since a connector notes who waits for a connection.
    """

    connection_key: Any = None

    def __init__(self, shared: dict[str, Any]) -> None:
        self.__dict__ = shared

    @classmethod
    def about(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what requests share that are made as `ClientRequest(*args, **kwargs)`."""
        request = ClientRequest(*args, **kwargs)
        return {**vars(request), "connection_key": request.connection_key}


def never_pooled(about: dict[str, Any]) -> dict[str, Any]:
    """Return what requests share that want a new connection: their key has none in the pool, ever."""
    # No hash is -1 in CPython, so nobody's headers for a proxy have it.
    return {**about, "connection_key": about["connection_key"]._replace(proxy_headers_hash=-1)}


def make_ready(protocol: Any, transport: Any) -> None:
    """
    Have a connection read the answer to a request as this package wants it.

    A parser reads one answer after the other; one of ours is used for as long as nobody else has put a
    parser in its place.
    """
    if getattr(protocol, "lastcall_parser", None) is protocol._parser is not None:
        return
    protocol.set_response_params(read_until_eof=True, auto_decompress=True, read_bufsize=_READ_BUFSIZE)
    protocol.lastcall_parser = protocol._parser
    if hasattr(transport, "max_size"):
        transport.max_size = _RECEIVED_AT_ONCE


def is_plain(session: ClientSession) -> bool:
    """
    Whether the session makes requests as aiohttp does, at this moment.

    If a test, a tracer or the ledger has put something in the place of `_request`, or the session is being
    closed, then every request has to pass there. What only measures it is no hindrance, see `Wire`.
    """
    request: Any = session._request
    # A proxy around the method, as tracers make it, has the method's own attributes.
    if type(request) is not MethodType:
        return False
    function = request.__func__
    return function.__globals__ is _GLOBALS or getattr(beneath(function), "__globals__", None) is _GLOBALS


def obstacle(session: ClientSession) -> str | None:
    """Return why requests of this session cannot take the short way, however they are made; or None."""
    jar = session.cookie_jar
    if not isinstance(jar, DummyCookieJar) and len(jar):
        return "it holds cookies"
    if session._request_class is not ClientRequest or session._version != HttpVersion11:
        return "it makes requests in a way of its own"
    for name in ("_trace_configs", "_middlewares", "_default_auth", "_default_proxy", "_trust_env"):
        if getattr(session, name, None):
            return f"it has {name.removeprefix('_').removeprefix('default_')}"
    return None


def has_idle(connector: Connector | None, host: str | None, port: int | None, *, is_ssl: bool) -> bool:
    """Whether the next request to that server would get a connection that was used before."""
    pool: dict[ConnectionKey, Any] = getattr(connector, "_conns", {})
    return any(conns and key[:3] == (host, port, is_ssl) for key, conns in pool.items())


def drop_idle(connector: Connector | None, host: str | None, port: int | None, *, is_ssl: bool) -> None:
    """Close the idle connections to a server, so that the next request opens one."""
    pool: dict[ConnectionKey, Any] = getattr(connector, "_conns", {})
    for key in [key for key in pool if key[:3] == (host, port, is_ssl)]:
        for protocol, _ in pool.pop(key):
            protocol.close()


def _missing() -> str | None:
    """Return the first part of aiohttp that is not as it is known, or None."""
    wanted: list[tuple[Any, set[str]]] = [
        (BaseConnector.connect, {"req", "traces", "timeout"}),
        (ResponseHandler.set_response_params, {"read_until_eof", "auto_decompress", "read_bufsize"}),
        (ResponseHandler._reschedule_timeout, set()),
        (ClientSession._request, set()),
    ]
    for function, names in wanted:
        if not names <= set(inspect.signature(function).parameters):
            return str(function.__qualname__)
    if not {"host", "port", "is_ssl", "proxy_headers_hash"} <= set(ConnectionKey._fields):
        return "ConnectionKey"
    if not (hasattr(Connection, "protocol") and hasattr(Connection, "release")):
        return "Connection"
    if http.HttpResponseParser.__module__ != "aiohttp._http_parser":
        return "the parser in C"  # of the one in Python it is not known when an answer begins
    return None


class _Loop:
    """As much of a loop as the parts ask for while nobody waits."""

    def get_debug(self) -> bool:
        return False


class _Tried:
    """A consumer that remembers."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def take(self, data: bytes) -> None:
        self.seen.append(data)

    def end(self) -> None:
        self.seen.append(None)

    def fail(self, error: BaseException) -> None:
        self.seen.append(type(error).__name__)


def _try_out() -> str | None:
    """Have the real parts read an answer that comes in two pieces; return what is wrong, or None."""
    loop: Any = _Loop()
    handler, consumer, heard = ResponseHandler(loop), _Tried(), _Tried()
    handler._reschedule_timeout = heard.end  # type: ignore[method-assign]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(2):
        make_ready(handler, None)
        handler.data_received(head + b"2\r\nab\r\n")
        message, payload = handler._buffer.popleft()[0]
        divert(payload, consumer)
        handler.data_received(b"2\r\ncd\r\n0\r\n\r\n")
    if (message.code, consumer.seen, heard.seen) != (200, [b"ab", b"cd", None] * 2, [None] * 4):
        return "the way from a connection to its reader"
    reusable = not handler.should_close
    return None if reusable else "whether a connection can be used again"


def _reason() -> str | None:
    try:
        return _missing() or _try_out()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is not the aiohttp that is known)
        return f"{type(error).__name__}: {error}"


REASON: str | None = _reason()
"""Which part of aiohttp is not as it is known, so that the short way is closed; None if it is open."""

HOST = hdrs.HOST
