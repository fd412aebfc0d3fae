"""The report itself: frozen data, and how the reports of several processes become one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from lastcall.ledger.records import Churn, ExhaustedPool, Grade, Leak, OpenResponse, ProcessInfo

from . import forms
from .text import render

__all__ = ["NAMES_KEPT", "Report", "in_order", "merge_leaks", "merge_reports"]

NAMES_KEPT = 8
"""How many names of tasks, hosts and labels a leak lists."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What one process, or several, opened and did not close.

    `str(report)` is the plain text; `lastcall.ledger.report.text.render` takes a width and colours.
    """

    opened: int = 0
    """Sessions opened, from the start of the watch on; connectors without a session do not count."""
    closed: int = 0
    """Those of *opened* that were closed."""
    leaked: int = 0
    """Those of *opened* that leaked: the sum over *leaks* of kind "session"."""
    withdrawn: int = 0
    """Sessions an earlier report called leaked on a suspicion, and that were closed since."""
    leaks: tuple[Leak, ...] = ()
    """Surest evidence first, then the most numerous; one entry per place and evidence."""
    churn: tuple[Churn, ...] = ()
    """Most sessions first."""
    responses: tuple[OpenResponse, ...] = ()
    """Most responses first; always empty below level "responses"."""
    pools: tuple[ExhaustedPool, ...] = ()
    """Longest wait first."""
    processes: tuple[ProcessInfo, ...] = ()
    """In the order they were started; never empty in a report of a running watch."""

    @property
    def open(self) -> int:
        """Sessions neither closed nor leaked."""
        return max(0, self.opened - self.closed - self.leaked)

    @property
    def places(self) -> int:
        """In how many places sessions or connectors leaked."""
        return len({leak.place for leak in self.leaks})

    def fails(self, level: Grade | str) -> bool:
        """Tell whether any leak that is not known is as sure as *level* (see `Leak.fails`)."""
        return any(leak.fails(level) for leak in self.leaks)

    def to_json(self) -> dict[str, Any]:
        """Return the report as `schema()` describes it: dicts, lists, strings and numbers."""
        return forms.to_json(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """
        Read what `to_json` wrote; keys that are not known are passed over.

        Raises:
            ValueError: If it is not a report of version 1, or a required key is missing.
        """
        return cls(**forms.from_json(document))

    def __str__(self) -> str:
        """Return the plain text, for 80 columns."""
        return render(self, color=False, width=80)


def merge_reports(reports: Iterable[Report]) -> Report:
    """
    Make one report of several, as of the processes of one program.

    Leaks of one place and evidence become one: counts are added, times widened, names united.
    The order of *reports* decides the order of task names, and nothing else.
    """
    parts = list(reports)
    return Report(
        opened=sum(part.opened for part in parts),
        closed=sum(part.closed for part in parts),
        leaked=sum(part.leaked for part in parts),
        withdrawn=sum(part.withdrawn for part in parts),
        leaks=in_order(merge_leaks(leak for part in parts for leak in part.leaks)),
        churn=tuple(
            sorted(
                _merge((item for part in parts for item in part.churn), _site_key, _add_churn),
                key=lambda item: (-item.sessions, str(item.site)),
            )
        ),
        responses=tuple(
            sorted(
                _merge((item for part in parts for item in part.responses), _site_key, _add_responses),
                key=lambda item: (-item.count, str(item.site)),
            )
        ),
        pools=tuple(
            sorted(
                _merge((item for part in parts for item in part.pools), _pool_key, _add_pools),
                key=lambda item: (-item.longest_wait_s, item.host),
            )
        ),
        processes=tuple(
            sorted(
                (process for part in parts for process in part.processes),
                key=lambda process: (process.started_at, process.pid),
            )
        ),
    )


def merge_leaks(leaks: Iterable[Leak]) -> list[Leak]:
    """Make one of the leaks of the same place, evidence and kind."""
    return _merge(leaks, _leak_key, _add_leaks)


def in_order(leaks: Iterable[Leak]) -> tuple[Leak, ...]:
    """Put the surest and most numerous first; the same leaks come in the same order every time."""
    return tuple(
        sorted(
            leaks,
            key=lambda leak: (-leak.evidence.grade.value, -leak.count, str(leak.site), leak.fingerprint),
        )
    )


def _merge(items: Iterable[T], key: Callable[[T], object], add: Callable[[T, T], T]) -> list[T]:
    merged: dict[object, T] = {}
    for item in items:
        name = key(item)
        merged[name] = add(merged[name], item) if name in merged else item
    return list(merged.values())


def _leak_key(leak: Leak) -> object:
    return leak.place, leak.evidence, leak.kind


def _site_key(item: Churn | OpenResponse) -> object:
    return item.fingerprint, item.site.file, item.site.line


def _pool_key(pool: ExhaustedPool) -> object:
    return pool.site and str(pool.site), pool.host, pool.limit, pool.limit_per_host


def _add_leaks(one: Leak, other: Leak) -> Leak:
    tasks = tuple(dict.fromkeys(one.tasks + other.tasks))
    scopes = tuple(dict.fromkeys(one.scopes + other.scopes))
    return dataclasses.replace(
        one,
        count=one.count + other.count,
        first_opened_at=min(one.first_opened_at, other.first_opened_at),
        last_opened_at=max(one.last_opened_at, other.last_opened_at),
        oldest_age_s=max(one.oldest_age_s, other.oldest_age_s),
        tasks=tasks[:NAMES_KEPT],
        tasks_more=one.tasks_more + other.tasks_more + len(tasks[NAMES_KEPT:]),
        hosts=_unite(one.hosts, other.hosts),
        labels=_unite(one.labels, other.labels),
        scopes=scopes[:NAMES_KEPT],
        scopes_more=one.scopes_more + other.scopes_more + len(scopes[NAMES_KEPT:]),
        known=one.known + other.known,
        requests=one.requests + other.requests,
        connections=one.connections + other.connections,
    )


def _add_churn(one: Churn, other: Churn) -> Churn:
    return dataclasses.replace(
        one,
        sessions=one.sessions + other.sessions,
        requests=one.requests + other.requests,
        connections=one.connections + other.connections,
        connect_s=one.connect_s + other.connect_s,
        spared=one.spared + other.spared,
        spared_s=one.spared_s + other.spared_s,
    )


def _add_responses(one: OpenResponse, other: OpenResponse) -> OpenResponse:
    oldest = max(one, other, key=lambda item: item.oldest_age_s)
    return dataclasses.replace(oldest, count=one.count + other.count, waiting=one.waiting + other.waiting)


def _add_pools(one: ExhaustedPool, other: ExhaustedPool) -> ExhaustedPool:
    worst = max(one, other, key=lambda item: item.longest_wait_s)
    return dataclasses.replace(
        worst,
        waits=one.waits + other.waits,
        failed=one.failed + other.failed,
        peak_waiting=max(one.peak_waiting, other.peak_waiting),
    )


def _unite(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))[:NAMES_KEPT]
