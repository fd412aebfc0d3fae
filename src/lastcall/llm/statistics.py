"""What a run of many requests took: counted as it goes, in constant memory, on one event loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from .errors import (
    AnswerError,
    ConnectionFailedError,
    LLMError,
    RequestError,
    StatusError,
    TimedOutError,
    TruncatedError,
)
from .histogram import Histogram, coarse, quantile
from .outcome import Outcome
from .series import Interval, Recent, Series

__all__ = ["Snapshot", "Statistics", "kind_of"]

TICK_S = 0.1
"""Seconds from one look to the next: at how late the loop is, and at how many requests are under way."""
KINDS_MAX = 40
"""Different causes that are counted by name; what comes beyond counts as `OTHER`."""
OTHER = "other"
_KIND_LENGTH = 60
_PENDING_MAX = 8192

_KINDS: tuple[tuple[type[LLMError], str], ...] = (
    (ConnectionFailedError, "connection"),
    (TruncatedError, "truncated"),
    (AnswerError, "unreadable answer"),
    (RequestError, "not sent"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    A run at one moment. Rates and percentiles are those of the last half minute.

    Tokens are counted as the server counts them, in `usage`.
    """

    seconds: float
    """Since the run began."""
    done: int
    """Requests answered in this run."""
    failed: int
    """Requests given up, and lines that could not be sent."""
    resumed: int
    """Requests that an earlier run had answered."""
    total: int | None
    """Requests in all, those of earlier runs included; None if unknown."""
    in_flight: int
    """Requests under way, those that wait for a retry or a limit of rate included."""
    limit: int | None
    """How many may be under way; None for no limit."""
    rate: float
    """Requests answered or given up per second."""
    prompt_tokens_rate: float
    """Prompt tokens of the answers, per second."""
    tokens_rate: float
    """Completion tokens of the answers, per second."""
    p50: float | None
    """Median latency in seconds, without the time spent waiting for limits and between attempts."""
    p99: float | None
    """99th percentile of the latency, in seconds."""
    retries: Mapping[str, int]
    """From cause to how many attempts were made again, most first, of the whole run."""
    errors: Mapping[str, int]
    """From kind to how many requests were given up, most first, of the whole run."""
    eta: float | None
    """Seconds to the end at this rate; None if nobody knows."""
    lag: float
    """Seconds for which the event loop was late, at most."""


class Statistics:
    """
    Counts requests as they start, end and are tried again; about half a microsecond a request.

    Not safe for threads: it belongs to one event loop. Use as a context manager around the run, inside a
    running loop: it then looks every tenth of a second at what is under way and how late the loop is.

    Args:
        total: Requests in all; may be set later.

        limit: How many may be under way; to be set anew when it changes.

        clock: Returns seconds, monotonic.
    """

    def __init__(
        self,
        *,
        total: int | None = None,
        limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.limit = limit
        self.began_at = time.time()
        """Wall clock, seconds since 1970."""
        self.in_flight = 0
        self.in_flight_max = 0
        self.answers = 0
        self.failures = 0
        self.cut_off = 0
        """Requests that were cancelled: neither answered nor failed."""
        self.from_before = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.retries: Counter[str] = Counter()
        self.retry_delay = 0.0
        """Seconds waited between attempts, in all."""
        self.errors: Counter[str] = Counter()
        self.finish_reasons: Counter[str] = Counter()
        self.latency, self.waited, self.first_chunk, self.gaps = (Histogram() for _ in range(4))
        self.lag = Histogram()
        self.series = Series()
        self._clock = clock
        self._began = self._ended = clock()
        self._is_over = False
        self._told = Interval(0.0)
        self._recent = Recent()
        self._timer: asyncio.TimerHandle | None = None
        self._late = 0.0

    def __enter__(self) -> Self:
        """Begin the run now, and look at it regularly if a loop is running."""
        self.began_at = time.time()
        self._began = self._ended = self._clock()
        # Without a loop `snapshot` looks, whenever it is asked.
        with suppress(RuntimeError):
            self._schedule(asyncio.get_running_loop())
        return self

    def __exit__(self, *_: object) -> None:
        """End the run: its time stands still."""
        self._look()
        self.series.close()
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()

    # -- told by the driver, for each request

    def started(self) -> None:
        """Count a request that is now under way."""
        self.in_flight += 1
        if self.in_flight > self.in_flight_max:  # noqa: PLR1730 (max() takes three times as long)
            self.in_flight_max = self.in_flight

    def finished(
        self,
        outcome: Outcome,
        *,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        finish_reason: str | None = None,
    ) -> None:
        """Count a request that was answered, with what its `usage` says, and why its text ended."""
        self.in_flight -= 1
        self.answers += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.latency.pending.append(outcome.seconds)
        self.waited.pending.append(outcome.waited)
        if finish_reason is not None:
            _count(self.finish_reasons, finish_reason)
        if outcome.first_chunk is not None:
            self.first_chunk.pending.append(outcome.first_chunk)
            self.gaps.pending.extend(outcome.gaps)
            if len(self.gaps.pending) >= _PENDING_MAX:
                self.gaps.settle()
        if len(self.latency.pending) >= _PENDING_MAX:
            self._look()

    def failed(self, error: LLMError | str) -> None:
        """Count a request under way that was given up, for this error or for a reason in a word or two."""
        self.in_flight -= 1
        self.refused(error)

    def refused(self, error: LLMError | str) -> None:
        """Count a request that was given up before it was under way, as a line that is not JSON."""
        self.failures += 1
        _count(self.errors, error if isinstance(error, str) else kind_of(error))

    def cancelled(self) -> None:
        """Count a request under way that was cut off: neither answered nor failed."""
        self.in_flight -= 1
        self.cut_off += 1

    def retried(self, cause: str, delay: float) -> None:
        """Count an attempt that is made again, after *delay* seconds; fits `on_retry` of a handle."""
        _count(self.retries, cause)
        self.retry_delay += delay

    def resumed(self, number: int) -> None:
        """Count requests that an earlier run had answered."""
        self.from_before += number

    # -- read

    @property
    def seconds(self) -> float:
        """How long the run took so far."""
        return (self._ended if self._is_over else self._clock()) - self._began

    def snapshot(self) -> Snapshot:
        """Return how the run stands."""
        if not self._is_over:
            self._look()
        recent = self._recent.sum()
        span = recent.seconds or math.inf
        rate = (recent.answers + recent.failed) / span
        return Snapshot(
            seconds=self.seconds,
            done=self.answers,
            failed=self.failures,
            resumed=self.from_before,
            total=self.total,
            in_flight=self.in_flight,
            limit=self.limit,
            rate=rate,
            prompt_tokens_rate=recent.prompt_tokens / span,
            tokens_rate=recent.completion_tokens / span,
            p50=quantile(recent.latencies, 0.50, wide=True),
            p99=quantile(recent.latencies, 0.99, wide=True),
            retries=dict(self.retries.most_common()),
            errors=dict(self.errors.most_common()),
            eta=self._eta(rate),
            lag=recent.lag,
        )

    def recent(self) -> list[Interval]:
        """Return what happened in the last half minute, in steps of a second, oldest first; read-only."""
        return self._recent.steps()

    def _eta(self, rate: float) -> float | None:
        if self.total is None or not rate:
            return None
        return max(0, self.total - self.from_before - self.answers - self.failures) / rate

    # -- looking

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + TICK_S
        self._timer = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        late = max(0.0, loop.time() - due)
        self.lag.pending.append(late)
        self._late = max(self._late, late)
        self._look()
        self._schedule(loop)

    def _look(self) -> None:
        """Put what came since the last look into the series, and into what is recent."""
        now, told = self._clock(), self._told
        totals = Interval(
            start=now - self._began,
            answers=self.answers,
            failed=self.failures,
            retries=self.retries.total(),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
        )
        part = Interval(
            start=told.start,
            seconds=totals.start - told.start,
            answers=totals.answers - told.answers,
            failed=totals.failed - told.failed,
            retries=totals.retries - told.retries,
            prompt_tokens=totals.prompt_tokens - told.prompt_tokens,
            completion_tokens=totals.completion_tokens - told.completion_tokens,
            in_flight=self.in_flight,
            in_flight_max=self.in_flight,
            limit=self.limit,
            lag=self._late,
            latencies=coarse(self.latency.settle()),
        )
        self.series.add(part)
        self._recent.add(part)
        for histogram in (self.waited, self.first_chunk, self.gaps, self.lag):
            histogram.settle()
        self._told, self._ended, self._late = totals, now, 0.0


def kind_of(error: LLMError) -> str:
    """Return what kind of error it is, in a few words: a status with the server's code, or what ended it."""
    if isinstance(error, TimedOutError):
        return f"timeout ({error.limit.replace('_', ' ')})"
    if isinstance(error, StatusError):
        return f"{error.status} {error.code}" if error.code else str(error.status)
    return next((kind for cause, kind in _KINDS if isinstance(error, cause)), OTHER)


def _count(counts: Counter[str], name: str) -> None:
    # Codes come from the server: neither their number, their length nor their characters are ours.
    if name not in counts:
        name = "".join(letter if letter.isprintable() else "?" for letter in name[:_KIND_LENGTH])
    counts[name if name in counts or len(counts) < KINDS_MAX else OTHER] += 1
