"""What is known of a server: how requests to it begin, and whether it keeps connections after streams."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .compat import Asking, never_pooled

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from aiohttp.client_proto import ResponseHandler

    from .target import Target

__all__ = ["Learned", "Prepared"]

_STRIKES = 2
_SOON_S = 1.0
_REMEMBERED_S = 300.0
_PER_REQUEST = frozenset({"CONTENT-LENGTH", "TRANSFER-ENCODING"})


class Learned:
    """
    Whether a server closes connections after streams without saying so.

    Some do (cpp-httplib, beneath llama.cpp's server). Two connections in a row found dead within a second of
    a stream are enough to close them ourselves from then on, for five minutes: a connection made anew costs
    less than a request sent for nothing.
    """

    __slots__ = ("_streamed", "_strikes", "_until")

    def __init__(self) -> None:
        self._streamed: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()
        self._strikes = 0
        self._until = 0.0

    def closes(self, protocol: ResponseHandler | None) -> bool:
        """Whether to close the connection on which a stream just ended."""
        now = monotonic()
        if now < self._until:
            return True
        if protocol is not None:
            self._streamed[protocol] = now
        return False

    def note_dead(self, protocol: ResponseHandler | None) -> None:
        """Take note that a pooled connection was found dead by a request sent on it."""
        now = monotonic()
        since = self._streamed.pop(protocol, None) if protocol is not None else None
        if since is None or now - since > _SOON_S:
            return
        self._strikes += 1
        if self._strikes >= _STRIKES:
            self._strikes = 0
            self._until = now + _REMEMBERED_S

    def note_alive(self, protocol: ResponseHandler | None) -> None:
        """Take note that a request was answered on a connection."""
        if self._streamed and protocol is not None and self._streamed.pop(protocol, None) is not None:
            self._strikes = 0


class Prepared:
    """
    What requests of one session to one target have in common.

    Args:
        session: Its headers come before the target's.

        target: Where they go.

        method: Of HTTP.

        learned: What is known of servers, by connection key; this one's is added.
    """

    __slots__ = ("about", "about_new", "head", "learned", "method", "server", "session")

    def __init__(
        self, session: ClientSession, target: Target, method: str, learned: dict[object, Learned]
    ) -> None:
        headers = session.headers.copy()
        headers.update(target.headers)
        self.session = session
        self.method = method
        self.server = target.server
        self.about = Asking.about(
            method, target.url, headers=headers, loop=session._loop, session=session, ssl=target.ssl
        )
        self.learned = learned.setdefault(self.about["connection_key"], Learned())
        self.about_new = never_pooled(self.about)
        self.head = _head(method, target, self.about["headers"])
        """The head of a request, up to the value of `Content-Length`."""


def _head(method: str, target: Target, headers: Any) -> bytes:
    lines = [f"{method} {target.url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.upper() not in _PER_REQUEST]
    if any(bad in line for line in lines for bad in "\r\n"):
        raise ValueError("a header of the session has a line break in it")
    return "\r\n".join([*lines, "Content-Length: "]).encode()
