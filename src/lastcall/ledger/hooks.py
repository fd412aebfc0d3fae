"""
The hooks in aiohttp's classes that feed the book.

They are set on the classes, so they see subclasses and sessions of third parties, whoever imported what
before. None stands in `__init__` or `close`: aiohttp's own warnings keep pointing at the user's line, and
`connector.close()`, `detach()` and `with connector` are seen too.
"""

from __future__ import annotations

import sys
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic
from types import FrameType
from typing import Any

from aiohttp.client import ClientSession
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, TCPConnector, UnixConnector

from .book import Book
from .entries import peer_of
from .responses import OpenRequest
from .sites import stack_at

__all__ = ["close_book", "hang_up", "open_book"]

# aiohttp 4 renames it.
_CLOSE = "_close" if hasattr(BaseConnector, "_close") else "_close_immediately"
_SESSION_GLOBALS = vars(sys.modules[ClientSession.__module__])
_SESSION_INIT = getattr(ClientSession.__init__, "__code__", None)

_book: Book | None = None
_installed: dict[tuple[type, str], tuple[Any, Any]] = {}


def open_book(book: Book, *, responses: bool) -> None:
    """Have the hooks it needs, and no others, feed *book*; with *responses* those of requests too."""
    global _book  # noqa: PLW0603 - there is one aiohttp in a process, and one book under it
    _book = book
    wanted = _HOOKS + (_RESPONSE_HOOKS if responses else [])
    if book.hears_connections:
        wanted = wanted + _CONNECTION_HOOKS
    places = {(owner, name) for owner, name, _ in wanted}
    _take_away([place for place in _installed if place not in places])
    for owner, name, make in wanted:
        if (owner, name) not in _installed:
            original = getattr(owner, name)
            hook = make(original)
            hook.__name__, hook.__qualname__ = name, f"{owner.__name__}.{name}"
            if name != "__new__":
                # Who asks for its parameters is told those of aiohttp's.
                hook.__wrapped__ = original  # type: ignore[attr-defined]
            _installed[owner, name] = (hook, owner.__dict__.get(name))
            setattr(owner, name, staticmethod(hook) if name == "__new__" else hook)


def close_book() -> None:
    """
    Feed no book any more, and take away the hooks that can be taken away.

    `__new__` stays, and does nothing: without it Python refuses the arguments of every constructor
    call. So does a hook that someone else has wrapped since.
    """
    global _book  # noqa: PLW0603
    _book = None
    _take_away(list(_installed))


def _take_away(places: Iterable[tuple[type, str]]) -> None:
    for owner, name in places:
        hook, before = _installed[owner, name]
        if name == "__new__" or owner.__dict__.get(name) is not hook:
            continue
        del _installed[owner, name]
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _make_new(original: Callable[..., Any], owner: type[Any]) -> Callable[..., Any]:
    def construct(cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if original is not object.__new__:
            return original(cls, *args, **kwargs)
        # What comes next for this class: object, or a mixin's __new__ that wants the arguments.
        following: Any = super(owner, cls).__new__
        if following is object.__new__:
            return following(cls)
        return following(cls, *args, **kwargs)

    return construct


def _session_new(original: Callable[..., Any]) -> Callable[..., Any]:
    construct = _make_new(original, ClientSession)
    plain = ClientSession if original is object.__new__ else None

    def new(cls: type[ClientSession], *args: Any, **kwargs: Any) -> ClientSession:
        if cls is plain and "connector" not in kwargs:
            # Its constructor opens a connector: there it is written down.
            return original(cls)  # type: ignore[no-any-return]
        session: ClientSession = construct(cls, args, kwargs)
        book = _book
        if book is not None and isinstance(session, ClientSession):
            connector = kwargs.get("connector")
            silent = cls.__del__ is not ClientSession.__del__
            if connector is not None or silent or cls.__init__ is not ClientSession.__init__:
                host = connector if isinstance(connector, BaseConnector) else None
                book.open_guest(sys._getframe(1), session, host, owner=kwargs.get("connector_owner", True))
        return session

    return new


def _connector_new(original: Callable[..., Any]) -> Callable[..., Any]:
    construct = _make_new(original, BaseConnector)
    # The usual class is told apart first: asking what comes next in the order takes a while.
    plain = TCPConnector if original is object.__new__ else None

    def new(cls: type[BaseConnector], *args: Any, **kwargs: Any) -> BaseConnector:
        connector: BaseConnector = original(cls) if cls is plain else construct(cls, args, kwargs)
        book = _book
        if book is not None:
            caller = sys._getframe(1)
            if caller.f_code is _SESSION_INIT or _is_session_init(caller):
                if not (book.expecting and book.seat_guest(caller.f_locals["self"], connector)):
                    # aiohttp hands the loop on; to ask asyncio for it takes a system call on Python 3.11.
                    book.open_session(caller.f_back, connector, kwargs.get("loop") or _get_running_loop())
            else:
                book.open_connector(caller, connector)
        return connector

    return new


def _is_session_init(frame: FrameType) -> bool:
    """Tell whether *frame* runs the constructor of `ClientSession`, also where its code was replaced."""
    return frame.f_globals is _SESSION_GLOBALS and frame.f_code.co_name == "__init__"


def _session_del(original: Callable[..., Any]) -> Callable[..., Any]:
    def delete(self: ClientSession) -> None:
        book = _book
        if book is not None:
            # The constructor may have failed before it set anything.
            connector = getattr(self, "_connector", None)
            if connector is not None and self.closed:
                connector = None
            if (connector is not None or book.guests) and book.session_collected(self, connector):
                return
        original(self)

    return delete


def _session_detach(original: Callable[..., Any]) -> Callable[..., Any]:
    def detach(self: ClientSession) -> None:
        connector = self._connector
        original(self)
        book = _book
        if book is not None and connector is not None and not connector._closed:
            book.session_detached(self, connector)

    return detach


def _connector_del(original: Callable[..., Any]) -> Callable[..., Any]:
    def delete(self: BaseConnector) -> None:
        book = _book
        if book is not None and _collected(book, self):
            hang_up(self)
        else:
            original(self)

    return delete


def _collected(book: Book, connector: BaseConnector) -> bool:
    """Write down that *connector* was collected; tell whether aiohttp is to keep silent about it."""
    key = id(connector)
    if key in book.hushed:
        book.hushed.discard(key)
        return not connector._closed
    entry = book.entries.pop(key, None)
    if entry is None:
        return False
    if connector._closed:
        book.connector_unheard(entry, built=hasattr(connector, "_conns"))
        return False
    used = bool(connector._conns or connector._acquired)
    book.connector_collected(connector, entry, has_connections=used)
    # A ghost waits for its session, which must be found open.
    return entry.is_after_scope() and key not in book.entries


def hang_up(connector: BaseConnector) -> None:
    """
    Close *connector* and its sockets at once, and without a word.

    Of a closed loop nothing else can be closed any more; its sockets would complain when they are
    collected, to whoever is running then.
    """
    protocols = [protocol for pooled in connector._conns.values() for protocol, *_ in pooled]
    transports = [protocol.transport for protocol in (*protocols, *connector._acquired)]
    getattr(connector, _CLOSE)()
    if connector._loop.is_closed():
        for transport in filter(None, transports):
            _drop_socket(transport)


def _drop_socket(transport: Any) -> None:
    wire = transport
    if (tls := getattr(transport, "_ssl_protocol", None)) is not None:
        transport._closed = True
        wire = tls._transport
    # uvloop has none here: it closes its sockets with the loop.
    if (sock := getattr(wire, "_sock", None)) is not None:
        wire._sock = None
        sock.close()


def _connector_close(original: Callable[..., Any]) -> Callable[..., Any]:
    def _close(self: BaseConnector, **kwargs: Any) -> Any:
        book = _book
        if book is not None:
            entry = book.entries.pop(id(self), None)
            if entry is not None:
                book.connector_closed(entry, self._loop)
        return original(self, **kwargs)

    return _close


def _connector_connect(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: BaseConnector, req: Any, *args: Any, **kwargs: Any) -> Any:
        book = _book
        if book is not None:
            entry = book.entries.get(id(self))
            if entry is not None:
                # yarl keeps it with the URL, and aiohttp needed it for the Host header.
                host = req.url.host_port_subcomponent
                (entry.use or book.use(self, entry)).note(self, host)
                if book.guests:
                    use = book.guest_use(getattr(req, "_session", None), self)
                    if use is not None:
                        use.note(self, host)
        # The coroutine itself, not one round it: it runs as it would without us.
        return original(self, req, *args, **kwargs)

    return connect


def _create_connection(original: Callable[..., Any]) -> Callable[..., Any]:
    async def _create_connection(self: BaseConnector, req: Any, *args: Any, **kwargs: Any) -> Any:
        began = monotonic()
        protocol = await original(self, req, *args, **kwargs)
        book = _book
        if book is not None:
            now = monotonic()
            book.count_connection(self, getattr(req, "_session", None), now - began)
            book.peers[protocol] = peer_of(req.connection_key, now)
        return protocol

    return _create_connection


def _connection_made(original: Callable[..., None]) -> Callable[..., None]:
    def connection_made(self: ResponseHandler, transport: Any) -> None:
        original(self, transport)
        if _book is not None:
            _book.connection_made(self)

    return connection_made


def _connection_released(original: Callable[..., None]) -> Callable[..., None]:
    def _release_acquired(self: BaseConnector, *args: Any) -> None:
        original(self, *args)
        if _book is not None:
            _book.connection_released(self)

    return _release_acquired


def _connection_lost(original: Callable[..., None]) -> Callable[..., None]:
    def connection_lost(self: ResponseHandler, exc: BaseException | None) -> None:
        if _book is not None:
            _book.connection_lost(self)
        original(self, exc)

    return connection_lost


def _wait(original: Callable[..., Any]) -> Callable[..., Any]:
    async def _wait_for_available_connection(self: BaseConnector, key: Any, *args: Any, **kwargs: Any) -> Any:
        book = _book
        if book is None:
            return await original(self, key, *args, **kwargs)
        pool = book.entries.get(id(self))
        host = str(peer_of(key))
        request = _request_in_progress()
        book.requests.queue(pool, host)
        began = monotonic()
        served = False
        if request is not None:
            request.queued = True
        try:
            result = await original(self, key, *args, **kwargs)
            served = True
        finally:
            book.requests.leave_queue(self, pool, host, monotonic() - began, served=served)
            if request is not None:
                request.queued = False
        return result

    return _wait_for_available_connection


def _request_in_progress() -> OpenRequest | None:
    frame = sys._getframe(2)
    while frame.f_back is not None:
        if frame.f_code is _tie.__code__:
            request: OpenRequest = frame.f_locals["request"]
            return request
        frame = frame.f_back
    return None


def _session_request(original: Callable[..., Any]) -> Callable[..., Any]:
    def _request(self: ClientSession, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        book = _book
        if book is None:
            return original(self, method, str_or_url, **kwargs)
        # Here the caller's line is on the stack, also for gather and create_task.
        stack = stack_at(sys._getframe(1))
        return _tie(book, stack, original, self, method, str_or_url, kwargs)

    return _request


async def _tie(  # noqa: PLR0917
    book: Book,
    stack: Any,
    original: Callable[..., Coroutine[Any, Any, Any]],
    session: ClientSession,
    method: str,
    url: Any,
    kwargs: dict[str, Any],
) -> Any:
    request = OpenRequest(stack, book.pool_of(session), method, url)
    book.requests.begin(request)
    try:
        response = await original(session, method, url, **kwargs)
    except BaseException:
        book.requests.open.discard(request)
        raise
    request.answered(response)
    return response


_Hook = tuple[type, str, Callable[[Callable[..., Any]], Callable[..., Any]]]
_HOOKS: list[_Hook] = [
    (ClientSession, "__new__", _session_new),
    (BaseConnector, "__new__", _connector_new),
    (ClientSession, "__del__", _session_del),
    (ClientSession, "detach", _session_detach),
    (BaseConnector, "__del__", _connector_del),
    (BaseConnector, _CLOSE, _connector_close),
    (BaseConnector, "connect", _connector_connect),
    (BaseConnector, "_wait_for_available_connection", _wait),
    (TCPConnector, "_create_connection", _create_connection),
    (UnixConnector, "_create_connection", _create_connection),
]
_RESPONSE_HOOKS: list[_Hook] = [(ClientSession, "_request", _session_request)]
_CONNECTION_HOOKS: list[_Hook] = [
    (ResponseHandler, "connection_made", _connection_made),
    (BaseConnector, "_release_acquired", _connection_released),
    (ResponseHandler, "connection_lost", _connection_lost),
]
