"""What happened in each interval of a run, in as many intervals for an hour as for a day."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

__all__ = ["INTERVALS_MAX", "INTERVAL_S", "Interval", "Recent", "Series"]

INTERVAL_S = 0.25
"""Seconds of one interval at first."""
INTERVALS_MAX = 480
"""When there are so many, each two become one: half the resolution, for a run twice as long."""
RECENT_S = 30
"""Seconds that `Recent` looks back."""


@dataclass(slots=True)
class Interval:
    """What happened from one moment to the next."""

    start: float
    """Seconds since the run began."""
    seconds: float = 0.0
    """How long it was."""
    answers: int = 0
    """Requests answered."""
    failed: int = 0
    """Requests given up."""
    retries: int = 0
    """Attempts given up, to be made again."""
    prompt_tokens: int = 0
    """Of the answers, as the server counts them."""
    completion_tokens: int = 0
    """Of the answers, as the server counts them."""
    in_flight: float = 0.0
    """Requests under way, on average."""
    in_flight_max: int = 0
    """Requests under way, at most."""
    limit: int | None = None
    """How many may be under way at its end; None for no limit."""
    lag: float = 0.0
    """The longest for which the event loop was late, in seconds."""
    latencies: Counter[int] = field(default_factory=Counter)
    """Of the answers, by bucket of `histogram.coarse`."""

    def add(self, other: Interval) -> None:
        """Make this interval last until the end of *other*, which follows it."""
        seconds = self.seconds + other.seconds
        if seconds:
            whole = self.in_flight * self.seconds + other.in_flight * other.seconds
            self.in_flight = whole / seconds
        self.seconds = seconds
        self.answers += other.answers
        self.failed += other.failed
        self.retries += other.retries
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.in_flight_max = max(self.in_flight_max, other.in_flight_max)
        self.limit = other.limit
        self.lag = max(self.lag, other.lag)
        self.latencies.update(other.latencies)


class Series:
    """The intervals of a run, oldest first; constant in memory."""

    def __init__(self) -> None:
        self.intervals: list[Interval] = []
        """Treat as read-only; the last one may still grow."""
        self._length = INTERVAL_S

    def add(self, part: Interval) -> None:
        """Add what happened since the last part; an interval takes parts until it is long enough."""
        if not self.intervals or self.intervals[-1].seconds >= self._length:
            if len(self.intervals) >= INTERVALS_MAX:
                self._halve()
            self.intervals.append(Interval(part.start))
        self.intervals[-1].add(part)

    def close(self) -> None:
        """End the series: what is left over at its end is too short for a rate of its own."""
        if len(self.intervals) > 1 and self.intervals[-1].seconds < self._length / 2:
            rest = self.intervals.pop()
            self.intervals[-1].add(rest)

    def _halve(self) -> None:
        for one, other in zip(self.intervals[::2], self.intervals[1::2], strict=True):
            one.add(other)
        self.intervals = self.intervals[::2]
        self._length *= 2


class Recent:
    """What happened in the last half minute, in steps of a second."""

    def __init__(self) -> None:
        self._steps: deque[Interval] = deque(maxlen=RECENT_S)

    def add(self, part: Interval) -> None:
        """Add what happened since the last part."""
        if not self._steps or self._steps[-1].seconds >= 1:
            self._steps.append(Interval(part.start))
        self._steps[-1].add(part)

    def steps(self) -> list[Interval]:
        """Return the steps, oldest first; the last one may still grow."""
        return list(self._steps)

    def sum(self) -> Interval:
        """Return all of it as one interval, of length 0 if there is nothing."""
        whole = Interval(self._steps[0].start if self._steps else 0.0)
        for step in self._steps:
            whole.add(step)
        return whole
