"""The report as a person reads it: plain text, or the same with colours."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lastcall.ledger.records import Churn, ExhaustedPool, Frame, Leak, OpenResponse, ProcessInfo, Site

from .dependencies import issue_text
from .remedies import remedy_for
from .spans import Line, in_text
from .words import age, clock, count, more, sessions

if TYPE_CHECKING:
    from .model import Report

__all__ = ["render", "render_leaks"]

_LABEL_WIDTH = 11
_FRAMES_SHOWN = 8
_MIN_WIDTH = 40


def render(report: Report, *, color: bool, width: int) -> str:
    """
    Return *report* as text, without a newline at its end.

    Args:
        report: What to tell.

        color: Whether to colour it with ANSI escapes; rich is imported only then.

        width: Columns of the terminal. Prose is wrapped to it; paths and source are never cut.
    """
    return in_text(_report(report, max(width, _MIN_WIDTH)), color=color)


def render_leaks(leaks: Iterable[Leak], *, color: bool, width: int) -> str:
    """Return what a report says of *leaks*, the most numerous place first; for the rest see `render`."""
    return in_text(_places(list(leaks), max(width, _MIN_WIDTH)), color=color)


def _report(report: Report, width: int) -> Iterator[Line]:
    yield _summary(report)
    fresh = [leak for leak in report.leaks if leak.count > leak.known]
    own = [leak for leak in fresh if leak.distribution is None]
    foreign = [leak for leak in fresh if leak.distribution is not None]
    if own and foreign:
        yield from _heading("your code")
    yield from _places(own, width)
    if foreign:
        yield from _heading("dependencies")
    yield from _places(foreign, width)
    yield from _section("sessions opened for each call: no leak, and no pooling", map(_churn, report.churn))
    yield from _section(
        "responses not released: each holds a connection",
        (_response(item, width) for item in report.responses),
    )
    yield from _section("pools that made requests wait", map(_pool, report.pools))
    if len(report.processes) > 1:
        yield from _section("processes", [_processes(report.processes)])


def _summary(report: Report) -> Line:
    lone = sum(leak.count for leak in report.leaks if leak.kind == "connector")
    leaked = [f"{report.leaked:,} leaked"] if report.leaked or not lone else []
    if lone:
        leaked.append(f"{count(lone, 'connector')} leaked")
    where = f" in {count(report.places, 'place')}" if report.places else ""
    tail: Line = [(", ".join(leaked) + where, "bold red")] if report.leaks else [("none leaked", "green")]
    if known := sum(leak.known for leak in report.leaks):
        tail.append((f", {known:,} of them known", ""))
    if report.open:
        tail.append((f", {report.open:,} open", ""))
    if report.withdrawn:
        tail.append((f", {count(report.withdrawn, 'suspicion')} withdrawn", ""))
    opened = f": {sessions(report.opened)} opened, {report.closed:,} closed, "
    return [("lastcall", "bold"), (opened, ""), *tail]


def _heading(text: str) -> Iterator[Line]:
    yield []
    yield [(text, "bold underline")]


def _section(title: str, blocks: Iterable[Iterable[Line]]) -> Iterator[Line]:
    for number, block in enumerate(blocks):
        if number == 0:
            yield from _heading(title)
        yield []
        yield from block


# -- leaks


def _places(leaks: list[Leak], width: int) -> Iterator[Line]:
    by_place: dict[object, list[Leak]] = {}
    for leak in leaks:
        by_place.setdefault((leak.place, leak.kind), []).append(leak)
    for group in sorted(by_place.values(), key=lambda group: -sum(leak.count for leak in group)):
        yield []
        yield from _place(group, width)


def _place(group: list[Leak], width: int) -> Iterator[Line]:
    leak = group[0]
    yield from _title(leak.site, sum(each.count for each in group), width)
    yield []
    yield from _evidence(group)
    yield from _field("opened by", _scopes(group))
    yield from _field("opened", _times(group))
    yield from _field("tasks", _tasks(group))
    yield from _field("labels", ", ".join(_union(each.labels for each in group)))
    yield from _field("hosts", ", ".join(_union(each.hosts for each in group)))
    yield from _field("used for", _usage(group))
    if leak.distribution is not None:
        yield from _field("part of", str(leak.distribution))
        if leak.own_site is not None:
            yield from _field("your line", f"{leak.own_site}  {leak.own_site.source}")
    yield from _stack(leak.stack[1:])
    yield from _field("name", leak.fingerprint, style="dim")
    yield []
    yield from _remedy(leak, width)


def _title(site: Site, number: int, width: int) -> Iterator[Line]:
    where, function = str(site), f" in {site.function}"
    times = f"x {number:,}"
    room = width - len(where) - len(function) - len(times)
    yield [(where, "bold cyan"), (function, ""), (" " * max(2, room), ""), (times, "bold red")]
    if site.source:
        yield [("    ", ""), (site.source, "bold")]


def _evidence(group: list[Leak]) -> Iterator[Line]:
    for number, leak in enumerate(group):
        words = f"{leak.evidence.words} ({leak.evidence.value}, {leak.evidence.grade.name.lower()})"
        prefix = f"{leak.count:,} " if len(group) > 1 else ""
        yield from _field("evidence" if number == 0 else "", prefix + words, style="red")


def _times(group: list[Leak]) -> str:
    first = min(leak.first_opened_at for leak in group)
    last = max(leak.last_opened_at for leak in group)
    oldest = age(max(leak.oldest_age_s for leak in group))
    now = time.time()
    if clock(first, now) == clock(last, now):
        return f"{clock(first, now)}, {oldest} ago"
    return f"first {clock(first, now)}, {oldest} ago; last {clock(last, now)}"


def _scopes(group: list[Leak]) -> str:
    names = _union((leak.scopes for leak in group), ordered=False)
    return more(names, sum(leak.scopes_more for leak in group))


def _tasks(group: list[Leak]) -> str:
    names = _union((leak.tasks for leak in group), ordered=False)
    return more(names, sum(leak.tasks_more for leak in group))


def _usage(group: list[Leak]) -> str:
    requests = sum(leak.requests for leak in group)
    if not requests:
        return "nothing"
    return f"{count(requests, 'request')} over {count(sum(leak.connections for leak in group), 'connection')}"


def _stack(callers: tuple[Frame, ...]) -> Iterator[Line]:
    shown = callers[:_FRAMES_SHOWN]
    room = max((len(str(frame)) for frame in shown), default=0)
    for number, frame in enumerate(shown):
        origin = f"  ({frame.distribution})" if frame.distribution else ""
        text = f"{frame!s:<{room}}  in {frame.function}{origin}"
        yield from _field("called by" if number == 0 else "", text)
    if len(callers) > len(shown):
        yield from _field("", f"and {len(callers) - len(shown)} more, in the JSON report")


def _remedy(leak: Leak, width: int) -> Iterator[Line]:
    remedy = remedy_for(leak)
    for text in textwrap.wrap(remedy.advice, width - 4):
        yield [("  ", ""), (text, "")]
    yield []
    for text in remedy.example.splitlines():
        yield [("      ", ""), (text, "green")] if text else []
    if leak.distribution is not None:
        yield []
        yield [("  To paste into its tracker:", "")]
        yield []
        for text in issue_text(leak).splitlines():
            yield [("    | ", "dim"), (text, "")]


def _field(label: str, text: str, *, style: str = "") -> Iterator[Line]:
    if text:
        yield [("  ", ""), (f"{label:<{_LABEL_WIDTH}}", "dim"), (text, style)]


def _union(names: Iterable[tuple[str, ...]], *, ordered: bool = True) -> list[str]:
    union = dict.fromkeys(name for group in names for name in group)
    return sorted(union) if ordered else list(union)


# -- the rest


def _churn(item: Churn) -> Iterator[Line]:
    yield [(str(item.site), "bold cyan"), (f" in {item.site.function}", "")]
    yield [("    ", ""), (item.site.source, "bold")]
    done = f"{sessions(item.sessions)} for {count(item.requests, 'request')}"
    yield from _field("opened", done)
    connecting = f"{count(item.connections, 'connection')}, {age(item.connect_s)} of opening them"
    yield from _field("cost", connecting)
    spared = f"{item.spared:,} of {count(item.connections, 'connection')}, {age(item.spared_s)}"
    if item.spared:
        yield from _field("sharing", f"one session would spare {spared}")
    if item.distribution is not None:
        yield from _field("part of", str(item.distribution))


def _response(item: OpenResponse, width: int) -> Iterator[Line]:
    yield from _title(item.site, item.count, width)
    yield from _field("oldest", f"{item.method} {item.host}{item.path}, {age(item.oldest_age_s)} ago")
    if item.waiting:
        yield from _field("waiting", f"{item.waiting:,} of them for an answer")


def _pool(pool: ExhaustedPool) -> Iterator[Line]:
    yield [(pool.host, "bold cyan"), (f"  {pool.limits}", "")]
    yield from _field("opened at", f"{pool.site} in {pool.site.function}" if pool.site else "")
    failed = f", {pool.failed:,} in vain" if pool.failed else ""
    waited = f"{count(pool.waits, 'request')}{failed}; the longest {age(pool.longest_wait_s)}"
    yield from _field("waited", waited)
    for number, (site, held) in enumerate(pool.holders):
        holder = f"{count(held, 'response')} of {site} in {site.function}"
        yield from _field("held by" if number == 0 else "", holder)


def _processes(processes: tuple[ProcessInfo, ...]) -> Iterator[Line]:
    rows = [("pid", "opened", "closed", "leaked", "state", "program")]
    rows += [
        (str(p.pid), f"{p.opened:,}", f"{p.closed:,}", f"{p.leaked:,}", p.state, p.program) for p in processes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [
            f"{cell:>{width}}" if column < 4 else f"{cell:<{width}}"  # noqa: PLR2004 - numbers to the right
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield [("  " + "  ".join(cells), "dim" if number == 0 else "")]
