"""Sends requests over a session in the shortest way there is, or in aiohttp's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lastcall.ledger.live.traffic import is_timed, timed

from . import fallback
from .compat import REASON, is_plain, obstacle
from .direct import DirectStream, read_events, read_whole
from .exchange import Exchange
from .servers import Learned, Prepared
from .stream import Collected, is_stream
from .sweep import Limits, Sweep

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import ClientSession
    from aiohttp.connector import BaseConnector
    from aiohttp.http import RawResponseMessage

    from .answer import Answer
    from .stream import OpenStream
    from .target import Target
    from .timeouts import Timeouts

__all__ = ["Wire"]


class _Pool:
    """What the wires over one connector share."""

    __slots__ = ("learned", "sweep")

    def __init__(self, connector: BaseConnector) -> None:
        self.sweep = Sweep(connector._loop)
        self.learned: dict[object, Learned] = {}
        """By connection key, so by server."""


_pools: WeakKeyDictionary[BaseConnector, _Pool] = WeakKeyDictionary()


class Wire:
    """
    Sends requests over a session, each once, and gives back whatever status comes.

    The short way goes below `ClientSession._request`, on the same connector, connections and parser: a third
    of the CPU. It is taken when nothing stands in its way: see `reason`. Cookies that answers set are not
    kept. Redirects are given back, since a model's API sends none. Limits of time are kept by one sweep for
    all requests of a session.

    A request sent on a connection that had died in the pool is sent again, once, on a new one. Once a byte of
    an answer has come it never is.

    Every method raises

    - `ConnectionFailedError` if no connection was made, or it ended before an answer began;
    - `TimedOutError` if a limit was reached;
    - `TruncatedError` if an answer began and was cut off;
    - `AnswerError` if what came is not HTTP;
    - `SessionClosedError` if the session is a shared one, and was closed.

    Whatever is raised, and when the task is cancelled, the connection has been closed.

    Args:
        session: Borrowed: opened and closed by someone else.
    """

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self._obstacle = REASON or obstacle(session)
        self._timeouts: Timeouts | None = None
        self._known_limits: Limits | None = None
        connector = session.connector
        if connector is None:
            self._obstacle = "it is closed"
        else:
            self._pool = _pools.get(connector) or _pools.setdefault(connector, _Pool(connector))

    @property
    def reason(self) -> str | None:
        """Why requests take aiohttp's own way at this moment, or None if they take the short one."""
        if self._obstacle is None and not is_plain(self.session):
            return "something watches or replaces its requests, or it is being closed"
        return self._obstacle

    async def post(self, target: Target, body: bytes, timeouts: Timeouts, *, method: str = "POST") -> Answer:
        """
        Send a request and read its answer.

        Args:
            target: Where to.

            body: As it is sent, JSON.

            timeouts: Limits of this one attempt; of `total` and `attempt` the shorter counts.

            method: Of HTTP.
        """
        connector = self._connector(target)
        if connector is None:
            return await fallback.post(self.session, target, body, Limits(timeouts), method)
        exchange = Exchange(self._prepared(target, method), self._limits(timeouts), self._pool.sweep)
        try:
            message = await _measured(exchange.ask(connector, body), target, method)
        except BaseException as error:  # noqa: BLE001  (`fail` raises)
            exchange.fail(error)
        return await read_whole(exchange, message)

    async def open(self, target: Target, body: bytes, timeouts: Timeouts) -> OpenStream:
        """
        Send a request and read the head of its answer, which is wanted as a stream.

        Args:
            target: Where to.

            body: As it is sent, JSON.

            timeouts: Limits of this one attempt; while the reader is slow, nothing counts as a stall.

        Returns:
            The stream; close it if you leave before its end. It may be no stream, see `OpenStream`.
        """
        connector = self._connector(target)
        if connector is None:
            return await fallback.open_stream(self.session, target, body, Limits(timeouts))
        exchange, message = await self._ask(connector, target, body, timeouts)
        return DirectStream(exchange, message)

    async def collect(self, target: Target, body: bytes, timeouts: Timeouts) -> Collected:
        """
        Send a request and read its streamed answer to the end, with the times of its events.

        The task is woken once, so that this costs half of what iterating over `open` does.

        Args:
            target: Where to.

            body: As it is sent, JSON.

            timeouts: Limits of this one attempt.
        """
        connector = self._connector(target)
        if connector is None:
            return await fallback.collect(self.session, target, body, Limits(timeouts))
        exchange, message = await self._ask(connector, target, body, timeouts)
        status, headers = message.code, message.headers
        if not is_stream(status, headers):
            return Collected(status, headers, [], [], await read_whole(exchange, message))
        events = await read_events(exchange)
        return Collected(status, headers, events.chunks, events.times)

    async def _ask(
        self, connector: BaseConnector, target: Target, body: bytes, timeouts: Timeouts
    ) -> tuple[Exchange, RawResponseMessage]:
        exchange = Exchange(self._prepared(target, "POST"), self._limits(timeouts), self._pool.sweep)
        try:
            return exchange, await _measured(exchange.ask(connector, body), target, "POST")
        except BaseException as error:  # noqa: BLE001  (`fail` raises)
            exchange.fail(error)

    def _connector(self, target: Target) -> BaseConnector | None:
        """Return the connector to take the short way on, or None for aiohttp's own way."""
        if self._obstacle is not None or target.proxy is not None or not is_plain(self.session):
            return None
        connector = self.session._connector
        return None if connector is None or connector._closed else connector

    def _limits(self, timeouts: Timeouts) -> Limits:
        # The same object comes with nearly every request; comparing its fields would cost more.
        if timeouts is not self._timeouts or self._known_limits is None:
            self._timeouts = timeouts
            self._known_limits = Limits(timeouts)
        return self._known_limits

    def _prepared(self, target: Target, method: str) -> Prepared:
        prepared: Prepared | None = target.prepared
        if prepared is None or prepared.session is not self.session or prepared.method != method:
            prepared = Prepared(self.session, target, method, self._pool.learned)
            target.prepared = prepared
        return prepared


def _measured(
    head: Coroutine[Any, Any, RawResponseMessage], target: Target, method: str
) -> Coroutine[Any, Any, RawResponseMessage]:
    """Return what to await for the head of an answer: metrics of `ClientSession._request` miss this way."""
    return timed(head, method, target.url) if is_timed() else head
