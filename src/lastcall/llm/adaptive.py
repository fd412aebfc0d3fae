"""How many requests a server can do with at once, found out while it works."""

import math
import statistics
import time
from collections.abc import Callable

__all__ = ["AdaptiveLimit"]

_START = 20
_CEILING = 1000
_GROWTH = 0.05
_SHRINKAGE = 0.8
_USED = 0.8
"""Part of the limit that must have been in use for its height to have been tried at all."""

_FLAT = 1.5
"""Times the best latency up to which it counts as flat: it differs by that much with what is asked."""

_DRIFT = 1.02
"""By which the best latency is forgotten each round: a server that is slower for good is not waited for."""

_DEBOUNCE = 15.0
_SAMPLES = 256


class AdaptiveLimit:
    """
    A limit that doubles until the first setback, then grows by a twentieth a round, and shrinks by a fifth.

    A round is as many answers as the limit is high. It grows after a round without a setback in which most
    of it was in use and latency was flat: the median at most half above the best of the rounds before. It
    shrinks on 429 and on timeouts, once in fifteen seconds or the time for which the server asks: one
    overload is answered by many. Other failures only keep a round from counting.

    Args:
        ceiling: The most it grows to, None for a thousand.

        start: Where it begins.

        clock: Monotonic seconds.

    Attributes:
        limit: At this moment, at least 1.

    Source: the controller of inspect_ai (its start, growth, shrinkage and debounce), with latency added; that
    in turn is TCP's slow start and AIMD.
    """

    def __init__(
        self,
        ceiling: int | None = None,
        start: int = _START,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ceiling = _CEILING if ceiling is None else ceiling
        self.limit = min(start, self._ceiling)
        self._clock = clock
        self._doubles = True
        self._best = math.inf
        self._peak = 0
        self._shrunk_until = -math.inf
        self._begin_round()

    def succeeded(self, seconds: float, in_use: int) -> bool:
        """Count an answer that took so long while so many were in use; return whether the limit changed."""
        self._answers += 1
        self._peak = max(self._peak, in_use)
        if len(self._latencies) < _SAMPLES:
            self._latencies.append(seconds)
        if self._answers < self.limit:
            return False
        changed = self._end_round()
        self._begin_round()
        return changed

    def failed(self) -> None:
        """Count a failure that says nothing of load: this round lets nothing grow."""
        self._clean = False

    def overloaded(self, retry_after: float | None) -> bool:
        """Count a 429 or a timeout; return whether the limit changed."""
        self._clean = False
        self._doubles = False
        now = self._clock()
        if now < self._shrunk_until:
            return False
        self._shrunk_until = now + max(_DEBOUNCE, retry_after or 0.0)
        self.limit = max(1, int(self.limit * _SHRINKAGE))
        self._begin_round()
        return True

    def _begin_round(self) -> None:
        self._answers = 0
        self._peak = 0
        self._clean = True
        self._latencies: list[float] = []

    def _end_round(self) -> bool:
        latency = statistics.median(self._latencies)
        flat = latency <= _FLAT * self._best
        self._best = min(self._best * _DRIFT, latency)
        self._doubles = self._doubles and flat
        if not (flat and self._clean and self._peak >= _USED * self.limit and self.limit < self._ceiling):
            return False
        grown = 2 * self.limit if self._doubles else self.limit + max(1, round(_GROWTH * self.limit))
        self.limit = min(grown, self._ceiling)
        return True
