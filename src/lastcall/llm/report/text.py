"""The report as a person reads it at the end of a run: plain text, or the same with colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lastcall.ledger.report.spans import Line, Span, in_text

from .model import Distribution, Report
from .words import clock, duration, percent, short, tally

__all__ = ["write_text"]

_LABEL_WIDTH = 16
_KINDS_SHOWN = 6
_MOMENT_S = 0.001
"""Who waited for less did not wait."""
_LATE_S = 0.1
"""From where on it is told that this program, not a server, was what held requests up."""


def write_text(report: Report, *, color: bool = False, width: int = 80) -> str:
    """
    Return *report* as text, without a newline at its end.

    Args:
        report: What to tell.

        color: Whether to colour it with ANSI escapes; rich is imported only then.

        width: Columns of the terminal; longer lines are wrapped below where they began.
    """
    lines = [part for line in _report(report) for part in _wrapped(line, width)]
    return in_text(lines, color=color)


def _wrapped(line: Line, width: int) -> Iterator[Line]:
    """Break a line between its spans where it is too long."""
    current: Line = []
    for text, style in line:
        used = sum(len(part) for part, _ in current)
        if current[1:] and used + len(text.rstrip(" ,")) > width:
            yield current
            current = [(" " * (_LABEL_WIDTH + 2), "")]
            text = text.lstrip()  # noqa: PLW2901
        current.append((text, style))
    yield current


def _report(report: Report) -> Iterator[Line]:
    yield _summary(report)
    yield _in_all(report)
    if report.ending != "complete":
        yield _row(report.ending, (report.reason or "before its end", "yellow"))
    for label, spread in (
        ("latency", report.latency),
        ("first token", report.first_chunk),
        ("between tokens", report.between_chunks),
        ("waited", report.waited),
    ):
        if spread is not None and spread.max >= _MOMENT_S:
            yield _spread(label, spread)
    if report.prompt_tokens or report.completion_tokens:
        yield _row(
            "tokens",
            (f"{short(report.prompt_tokens)} in, ", ""),
            (f"{short(report.completion_tokens)} out ", ""),
            (f"({short(report.tokens_rate)} per second)", ""),
        )
    yield _row("under way", *_under_way(report))
    for label, counts, style in (
        ("ended by", report.finish_reasons, ""),
        ("retried", report.retries, "yellow"),
        ("failed", report.errors, "bold red"),
    ):
        if counts:
            yield _row(label, *_kinds(counts, style))
    if report.sessions is not None:
        style = "green" if report.sessions.is_clean else "bold red"
        yield _row("sessions", (str(report.sessions), style))


def _summary(report: Report) -> Line:
    line: Line = [("lastcall: ", "bold"), (f"{report.answered:,} answered, ", "bold green")]
    line.append((f"{report.failed:,} failed", "bold red") if report.failed else ("none failed", ""))
    for number, what, style in ((report.cut_off, "cut off", "yellow"), (report.resumed, "from before", "")):
        if number:
            line[-1] = (f"{line[-1][0]}, ", line[-1][1])
            line.append((f"{number:,} {what}", style))
    return line


def _in_all(report: Report) -> Line:
    done = report.answered + report.failed + report.resumed
    whole = f" of {report.total:,} ({percent(done, report.total)})" if report.total is not None else ""
    took = clock(report.seconds) if report.seconds >= 60 else duration(report.seconds)  # noqa: PLR2004
    return _row(
        "in all", (f"{done:,}{whole} ", ""), (f"in {took}, ", ""), (f"{short(report.rate)} per second", "")
    )


def _row(label: str, *spans: Span) -> Line:
    return [(f"  {label:<{_LABEL_WIDTH}}", "dim"), *spans]


def _spread(label: str, spread: Distribution) -> Line:
    figures = [("p50", spread.p50), ("p90", spread.p90), ("p99", spread.p99)]
    spans = [(f"{name} {duration(value):<9} ", "") for name, value in figures]
    return _row(label, *spans, (f"max {duration(spread.max)}", ""))


def _under_way(report: Report) -> Iterator[Span]:
    limit = f" of {report.limit:,}" if report.limit is not None else ""
    yield f"at most {report.in_flight_max:,}{limit} at once", ""
    lag = report.loop_lag
    if lag is not None and lag.p99 >= _LATE_S:
        yield f"; the event loop was late by up to {duration(lag.max)}: latencies are too long", "yellow"


def _kinds(counts: Mapping[str, int], style: str) -> Iterator[Span]:
    shown = tally(counts, _KINDS_SHOWN).split(", ")
    for index, text in enumerate(shown):
        yield text + (", " if index < len(shown) - 1 else ""), style
