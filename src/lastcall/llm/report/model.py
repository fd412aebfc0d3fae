"""The report itself: frozen data, made of the statistics when a run is over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from lastcall import _version
from lastcall.ledger.report import Report as SessionsReport
from lastcall.llm.histogram import Histogram, bounds, quantile
from lastcall.llm.series import Interval
from lastcall.llm.statistics import Statistics

__all__ = ["Distribution", "Ending", "Moment", "Report", "Verdict", "make_report"]

Ending = Literal["complete", "interrupted", "failed"]
"""Whether everything was tried, someone stopped the run, or something did."""

_SECRET = re.compile(
    r"api.?key|authori[sz]ation|bearer|cookie|header|passw|secret|(access|auth)[-_ ]?token", re.IGNORECASE
)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/@\s]*@)?(?P<rest>[^?#\s]*)(?:[?#]\S*)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a duration was spread. All in seconds, each true to one per cent."""

    count: int
    mean: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    buckets: tuple[tuple[float, float, int], ...]
    """From, to, and how many; ascending, without the empty ones. A first one from 0 holds the zeros."""

    @classmethod
    def of(cls, histogram: Histogram) -> Self | None:
        """Return how the values of *histogram* are spread, None if there are none."""
        counts = histogram.counts()
        if not counts:
            return None
        spread = [(*bounds(bucket), number) for bucket, number in counts.items()]
        total = sum(counts.values())
        shares = {"min": 0.0, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
        return cls(
            count=total,
            mean=sum((low + high) / 2 * number for low, high, number in spread) / total,
            buckets=tuple(spread),
            **{name: quantile(counts, share) or 0.0 for name, share in shares.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What happened in one interval of a run; see `Interval` for what is counted."""

    start: float
    """Seconds since the run began."""
    seconds: float
    """How long it was."""
    answered: int
    failed: int
    retries: int
    prompt_tokens: int
    completion_tokens: int
    in_flight: float
    """On average."""
    in_flight_max: int
    limit: int | None
    """How many requests might be under way at its end; None for no limit."""
    p50: float | None
    """Median latency of the answers that came in it, in seconds; true to three per cent."""
    p99: float | None
    """99th percentile, likewise."""
    loop_lag: float
    """The longest for which the event loop was late, in seconds."""

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """Return *interval*, frozen."""
        return cls(
            start=interval.start,
            seconds=interval.seconds,
            answered=interval.answers,
            failed=interval.failed,
            retries=interval.retries,
            prompt_tokens=interval.prompt_tokens,
            completion_tokens=interval.completion_tokens,
            in_flight=interval.in_flight,
            in_flight_max=interval.in_flight_max,
            limit=interval.limit,
            p50=quantile(interval.latencies, 0.5, wide=True),
            p99=quantile(interval.latencies, 0.99, wide=True),
            loop_lag=interval.lag,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the ledger says of the sessions that were opened for the run."""

    opened: int
    closed: int
    leaked: int
    open: int = 0
    """Neither closed nor leaked, when it was asked."""

    @classmethod
    def of(cls, report: SessionsReport) -> Self:
        """Return what a report of the ledger says in four numbers; a connector that leaked counts as well."""
        leaked = max(report.leaked, sum(leak.count for leak in report.leaks))
        return cls(opened=report.opened, closed=report.closed, leaked=leaked, open=report.open)

    @property
    def is_clean(self) -> bool:
        """Whether all that was opened was closed."""
        return not self.leaked and not self.open

    def __str__(self) -> str:
        """Return a sentence: "1 session opened, 1 closed, none leaked"."""
        noun = "session" if self.opened == 1 else "sessions"
        still = f", {self.open:,} still open" if self.open else ""
        return f"{self.opened:,} {noun} opened, {self.closed:,} closed, {self.leaked or 'none'} leaked{still}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run came to. `str(report)` is the plain text."""

    version: str = _version.__version__
    """Of lastcall."""
    began_at: float
    """Wall clock, seconds since 1970."""
    seconds: float
    """How long the run took."""
    ending: Ending = "complete"
    reason: str = ""
    """Of an ending that is not "complete", in a sentence."""
    total: int | None = None
    """Requests in all, those of earlier runs included; None if unknown."""
    answered: int = 0
    failed: int = 0
    resumed: int = 0
    """Answered by an earlier run."""
    cut_off: int = 0
    """Under way when the run was stopped: neither answered nor failed."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    limit: int | None = None
    """How many requests might be under way; None for no limit."""
    in_flight_max: int = 0
    """How many were under way at most."""
    latency: Distribution | None = None
    """Of the attempt that was answered, from sending to the last byte; waiting is not in it."""
    waited: Distribution | None = None
    """For limits of rate and concurrency, and between attempts, for each answer."""
    first_chunk: Distribution | None = None
    """Of streams, from sending to the first event with content; None without streams."""
    between_chunks: Distribution | None = None
    """Of streams, between two events with content; None without streams."""
    loop_lag: Distribution | None = None
    """For how long the event loop was late, looked at ten times a second."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """From kind to how many requests were given up for it, most first."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """From cause to how many attempts were made again for it, most first."""
    retry_delay: float = 0.0
    """Seconds spent between attempts, over all requests."""
    finish_reasons: Mapping[str, int] = field(default_factory=dict)
    """From what the server says of why a text ended to how often, most first."""
    series: tuple[Moment, ...] = ()
    """The run from its beginning to its end, without a hole."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """From option to value as it was given, without secrets."""
    sessions: Verdict | None = None
    """What the ledger says; None if it was not asked."""

    @property
    def rate(self) -> float:
        """Requests answered or given up per second, over the whole run."""
        return (self.answered + self.failed) / self.seconds if self.seconds else 0.0

    @property
    def tokens_rate(self) -> float:
        """Completion tokens per second, over the whole run."""
        return self.completion_tokens / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """Return the plain text, for 80 columns."""
        from .text import write_text  # noqa: PLC0415 (which needs this module)

        return write_text(self)


def make_report(
    stats: Statistics,
    *,
    ending: Ending = "complete",
    reason: str = "",
    settings: Mapping[str, object] | None = None,
    sessions: SessionsReport | Verdict | None = None,
) -> Report:
    """
    Return what a run came to, when it is over.

    Args:
        stats: What was counted.

        ending: How it ended.

        reason: Why it ended so, in a sentence.

        settings: From option to value, None for one that was not given. What may be a secret is left out by
            its name, credentials and queries in addresses by their form.

        sessions: What the ledger says of the sessions of the run.
    """
    return Report(
        began_at=stats.began_at,
        seconds=stats.seconds,
        ending=ending,
        reason=reason,
        total=stats.total,
        answered=stats.answers,
        failed=stats.failures,
        resumed=stats.from_before,
        cut_off=stats.cut_off,
        prompt_tokens=stats.prompt_tokens,
        completion_tokens=stats.completion_tokens,
        limit=stats.limit,
        in_flight_max=stats.in_flight_max,
        latency=Distribution.of(stats.latency),
        waited=Distribution.of(stats.waited),
        first_chunk=Distribution.of(stats.first_chunk),
        between_chunks=Distribution.of(stats.gaps),
        loop_lag=Distribution.of(stats.lag),
        errors=dict(stats.errors.most_common()),
        retries=dict(stats.retries.most_common()),
        retry_delay=stats.retry_delay,
        finish_reasons=dict(stats.finish_reasons.most_common()),
        series=tuple(map(Moment.of, stats.series.intervals)),
        settings=_without_secrets(settings or {}),
        sessions=Verdict.of(sessions) if isinstance(sessions, SessionsReport) else sessions,
    )


def _without_secrets(settings: Mapping[str, object]) -> dict[str, str]:
    return {
        name: _written(value)
        for name, value in settings.items()
        if value is not None and not _SECRET.search(name)
    }


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    # Names of files may hold bytes that are no text.
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return _URL.sub(r"\g<scheme>\g<rest>", text)
