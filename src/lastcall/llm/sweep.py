"""Limits of time, kept by one timer that looks at every request in flight now and then."""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import Protocol

from aiohttp import ClientTimeout

from .timeouts import Timeouts

__all__ = ["Limits", "Sweep", "Watched"]

_LONGEST_PAUSE = 1.0
_SHORTEST_PAUSE = 0.01


class Limits:
    """
    `Timeouts`, made ready for comparing: what has no limit is infinite.

    Args:
        timeouts: The limits; of `total` and `attempt` the shorter counts, since one attempt is all there is.
    """

    __slots__ = ("between", "connect", "connect_s", "first_byte", "shortest", "whole", "whole_name")

    def __init__(self, timeouts: Timeouts) -> None:
        total, attempt = timeouts.total or math.inf, timeouts.attempt or math.inf
        self.whole_name = "total" if total < attempt else "attempt"
        self.whole = min(total, attempt)
        self.first_byte = timeouts.first_byte or math.inf
        self.between = timeouts.between_chunks or math.inf
        self.shortest = min(self.whole, self.first_byte, self.between)
        self.connect_s = timeouts.connect or math.inf
        self.connect = ClientTimeout(sock_connect=timeouts.connect)
        """For the connector, which keeps the limit of connecting itself."""


class Watched(Protocol):
    """A request in flight."""

    limits: Limits

    def look(self, now: float) -> float:
        """End it if a limit is reached; return when the next may be; times are of the monotonic clock."""


class Sweep:
    """
    Looks at the requests in flight on a loop when the first of their limits may be reached.

    A timer for each request, set anew with each piece of its answer, costs as much as reading the piece. Here
    a request costs one comparison: the next look is never further away than the shortest of its limits.

    Args:
        loop: On which the requests run.
    """

    __slots__ = ("_at", "_handle", "_watched", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._watched: set[Watched] = set()
        self._handle: asyncio.TimerHandle | None = None
        self._at = math.inf

    def add(self, watched: Watched, now: float) -> None:
        """Look after *watched* from now on."""
        self._watched.add(watched)
        if now + watched.limits.shortest < self._at or self._handle is None:
            self._schedule(now, min(now + watched.limits.shortest, now + _LONGEST_PAUSE))

    def discard(self, watched: Watched) -> None:
        """Look after it no longer."""
        self._watched.discard(watched)

    def hasten(self, now: float, at: float) -> None:
        """Look at *at* at the latest."""
        if at < self._at:
            self._schedule(now, at)

    def _schedule(self, now: float, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._at = at
        self._handle = self.loop.call_later(max(at - now, _SHORTEST_PAUSE), self._look)

    def _look(self) -> None:
        # What the system had received by now was read before: the loop runs timers last.
        self._handle = None
        self._at = math.inf
        now = monotonic()
        nearest = now + _LONGEST_PAUSE
        try:
            for watched in tuple(self._watched):
                nearest = min(nearest, watched.look(now))
        finally:
            if self._watched:
                self._schedule(now, nearest)
