"""How long requests and connections last, as histograms that cost a request a few microseconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from aiohttp.client import ClientSession
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from yarl import URL

from lastcall.ledger.watch import current

__all__ = [
    "CONNECTIONS",
    "OTHER",
    "REQUESTS",
    "Attributes",
    "Histogram",
    "Histograms",
    "begin",
    "beneath",
    "end",
    "is_timed",
    "timed",
]

Attributes = Mapping[str, str | int]
"""From names in the words of OpenTelemetry's semantic conventions to values."""

OTHER = "_OTHER"
"""What stands for methods that are not known, and for the hosts and errors of histograms beyond `KEPT`."""
KEPT = 500
"""How many histograms a metric has before further hosts are added up in `OTHER`."""

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_ERROR = 400

Outcome = int | str | None
"""A status, the name of the exception a request ended with, or nothing."""
Key = tuple[str, str | None, int | None, Outcome]
"""Method (empty for a connection), host and port (None where there was no URL), and outcome."""


class Histogram:
    """
    Durations that have all attributes in common.

    Counting takes no lock: CPython hands the GIL over at calls and backward jumps only, and there is none
    between reading a count and writing it. Without a GIL two threads may lose a count.
    """

    __slots__ = ("attributes", "counts", "seconds")

    def __init__(self, attributes: Attributes, size: int) -> None:
        self.attributes = attributes
        self.counts = [0] * size
        """How many durations lie above the bound before and not above the bound itself; the last has none."""
        self.seconds = 0.0
        """Their sum."""


class Histograms:
    """
    All histograms of one metric, by their attributes.

    Args:
        name: As in OpenTelemetry's semantic conventions.

        description: What is measured, in a sentence without a full stop.

        bounds: The upper bounds of all buckets but the last, in seconds, in order.
    """

    def __init__(self, name: str, description: str, bounds: tuple[float, ...]) -> None:
        self.name = name
        self.description = description
        self.bounds = bounds
        self.series: dict[Key, Histogram] = {}
        """Each histogram once."""
        self.pass_on: Callable[[float, Attributes], None] | None = None
        """Called with every duration in seconds, and its attributes."""
        self._found: dict[Key, Histogram] = {}  # by what was counted, before it was made uniform

    def add(self, key: Key, seconds: float) -> None:
        """Count a duration."""
        histogram = self._found.get(key) or self._find(key)
        bucket, counts = bisect_left(self.bounds, seconds), histogram.counts
        counts[bucket] += 1
        histogram.seconds += seconds
        if self.pass_on is not None:
            self.pass_on(seconds, histogram.attributes)

    def _find(self, key: Key) -> Histogram:
        method, host, port, outcome = key
        method = method.upper() if method.upper() in _METHODS or not method else OTHER
        uniform = method, host or OTHER, port, outcome
        if uniform not in self.series and len(self.series) >= KEPT:
            uniform = method, OTHER, None, OTHER if isinstance(outcome, str) else outcome
        histogram = self.series.setdefault(uniform, Histogram(_attributes(*uniform), len(self.bounds) + 1))
        if len(self._found) < 2 * KEPT:
            self._found[key] = histogram
        return histogram


def _attributes(method: str, host: str, port: int | None, outcome: Outcome) -> Attributes:
    attributes: dict[str, str | int] = {"server.address": host}
    if port is not None:
        attributes["server.port"] = port
    if method:
        attributes["http.request.method"] = method
    if isinstance(outcome, int):
        attributes["http.response.status_code"] = outcome
    if outcome is not None and (isinstance(outcome, str) or outcome >= _ERROR):
        attributes["error.type"] = str(outcome)
    return attributes


# The bounds of the first are those of the semantic conventions (HTTP metrics, stable since 1.23); they
# advise none for the second, which takes those of .NET, where that metric comes from.
REQUESTS = Histograms(
    "http.client.request.duration",
    "From the call of a request to the headers of its answer, redirects and waits for a connection included",
    (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)
CONNECTIONS = Histograms(
    "http.client.connection.duration",
    "How long connections were open, from their opening to their end",
    (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300),
)

_users = 0
_installed: list[tuple[type, str, Any, Any]] = []


def begin() -> None:
    """Measure from now on; each call wants its `end`."""
    global _users  # noqa: PLW0603 - there is one aiohttp in a process
    _users += 1
    if not _installed:
        _install(ClientSession, "_request", _time_request)
        _install(ResponseHandler, "connection_lost", _time_connection)


def end() -> None:
    """Measure no longer, if nobody else wants it."""
    global _users  # noqa: PLW0603
    _users = max(0, _users - 1)
    if _users:
        return
    if any(owner.__dict__.get(name) is not hook for owner, name, hook, _ in _installed):
        return  # someone has wrapped a hook since; it passes on what it gets
    while _installed:
        owner, name, _, before = _installed.pop()
        setattr(owner, name, before)


def is_timed() -> bool:
    """Tell whether requests are measured."""
    return _users > 0


def beneath(method: Any) -> Any:
    """Return what a method of aiohttp's was before it was measured; *method* itself if it is not."""
    return next((before for _, _, hook, before in _installed if hook is method), method)


async def timed(answer: Awaitable[RawResponseMessage], method: str, url: URL) -> RawResponseMessage:
    """Await the head of an answer, and measure it: for clients that go below `ClientSession._request`."""
    began = monotonic()
    try:
        message = await answer
    except BaseException as error:
        REQUESTS.add((method, url.raw_host, url.port, _name(error)), monotonic() - began)
        raise
    REQUESTS.add((method, url.raw_host, url.port, message.code), monotonic() - began)
    return message


def _install(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    before = getattr(owner, name)
    hook = make(before)
    hook.__name__, hook.__qualname__ = name, f"{owner.__name__}.{name}"
    _installed.append((owner, name, hook, before))
    setattr(owner, name, hook)


def _time_request(original: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    def _request(self: ClientSession, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        # Called here and not in the coroutine: the ledger finds the caller's line on the stack.
        answer = original(self, method, str_or_url, **kwargs)
        return _timed(answer, self, method, str_or_url) if _users else answer

    return _request


async def _timed(answer: Coroutine[Any, Any, Any], session: ClientSession, method: str, url: Any) -> Any:
    began = monotonic()
    try:
        response = await answer
    except BaseException as error:
        host, port = _target(session, url)
        REQUESTS.add((method, host, port, _name(error)), monotonic() - began)
        raise
    # yarl keeps both with the URL, and aiohttp needed them to connect.
    url = response.url
    REQUESTS.add((method, url.raw_host, url.port, response.status), monotonic() - began)
    return response


def _target(session: ClientSession, url: Any) -> tuple[str | None, int | None]:
    with suppress(ValueError, TypeError, AttributeError):
        full = URL(url) if session._base_url is None else session._base_url.join(URL(url))
        return full.raw_host, full.port
    return None, None  # it is no URL, which is what the request fails for


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _time_connection(original: Callable[..., None]) -> Callable[..., None]:
    def connection_lost(self: ResponseHandler, exc: BaseException | None) -> None:
        book, _ = current()
        peer = book.peers.pop(self, None) if book is not None and _users else None
        if peer is not None:
            CONNECTIONS.add(("", peer.host, peer.port, None), monotonic() - peer.since)
        original(self, exc)

    return connection_lost
