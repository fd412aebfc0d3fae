"""The histories of the processes of one program as one."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .columns import Columns, write_columns
from .recorded import Recorded, current_book, recorded_of
from .rows import Outcome, Row, unpack

__all__ = ["UNIT_S", "History", "SiteTotals", "current_history", "merge_histories"]

UNIT_S = 1e-4
"""What times are counted in, in seconds: the ledger's clock for openings has steps of a millisecond."""
ROWS_SHOWN = 1_000_000
"""How many rows of closed sessions a history has at most."""
STEPS_SHOWN = 240
STACKS_KEPT = 3
_TINY = 1e-6
_FLOWS = ("requests", "made", "in_use", "connections")
_SUMMED = {"requests", "made"}
_NO_LEAKS = (Outcome.CLOSED, Outcome.OPEN)


@dataclass(slots=True, kw_only=True)
class SiteTotals:
    """All sessions that one line opened."""

    kind: str
    """"session", or "connector" for those opened without one: of these only leaks are in it."""
    site: dict[str, Any]
    """The line, as in the JSON report."""
    fingerprint: str
    """The name of the first of *stacks*, as in the JSON report."""
    distribution: dict[str, Any] | None
    """What was installed it came with; None for the reader's own code."""
    stacks: list[list[dict[str, Any]]] = field(default_factory=list)
    """The ways to it that were seen first, at most three; frames as in the JSON report."""
    opened: int = 0
    """Sessions it opened."""
    closed: int = 0
    """Those that were closed."""
    leaked: int = 0
    """Those that leaked."""
    requests: int = 0
    """Requests they made."""
    connections: int = 0
    """Connections they opened."""
    columns: Columns = field(default_factory=Columns, repr=False)
    """One row for each session, or for several that nobody can tell apart."""

    def to_json(self) -> dict[str, Any]:
        """Return it as the page reads it."""
        names = [name for name in self.__slots__ if name != "columns"]
        return {**{name: getattr(self, name) for name in names}, "rows": len(self.columns)}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """When every session was opened, in use, and closed or gone, in all processes of a program."""

    began_at: float
    """What all times count from: wall clock, seconds since the epoch."""
    seconds: float
    """How long all of it took."""
    sites: tuple[SiteTotals, ...]
    """Those with the most leaks first, then the most numerous; empty if nothing was opened."""
    left_out: int
    """Sessions that are in no row, because there were too many."""
    pids: tuple[int, ...]
    """The processes that opened sessions, in the order they began."""
    flow: dict[str, Any]
    """Over time: "width" of a step in seconds, and "requests", "made", "in_use" and "connections" in each."""

    def to_json(self) -> dict[str, Any]:
        """Return it as the page reads it."""
        return {
            "began_at": self.began_at,
            "seconds": self.seconds,
            "unit": UNIT_S,
            "sites": [site.to_json() for site in self.sites],
            "left_out": self.left_out,
            "pids": self.pids,
            "flow": self.flow,
            "columns": write_columns(site.columns for site in self.sites),
        }


def merge_histories(parts: Iterable[Recorded], running: Collection[int] = ()) -> History | None:
    """
    Make one history of those of several processes.

    Args:
        parts: In no order.

        running: Numbers of processes that are not over: what is open in them has not leaked.

    Returns:
        The history; None without *parts*.
    """
    merger = _Merger(sorted(parts, key=lambda part: float(part.head["began_at"])))
    if not merger.parts:
        return None
    for index, part in enumerate(merger.parts):
        merger.add(index, part, is_running=part.head["pid"] in running)
    return merger.history()


def current_history() -> History | None:
    """
    Return the history of this process up to now; None without a watch that keeps one.

    What is open is told as open; `lastcall.ledger.report.as_html` takes it beside a report.
    """
    book = current_book()
    return merge_histories([recorded_of(book, is_over=False, keep=True)], {os.getpid()}) if book else None


class _Merger:
    def __init__(self, parts: list[Recorded]) -> None:
        self.parts = parts
        self._began_at = min((part.head["began_at"] for part in parts), default=0.0)
        self._sites: dict[object, SiteTotals] = {}
        self._rows = 0
        self._left_out = 0

    def add(self, index: int, part: Recorded, *, is_running: bool) -> None:
        """Add what the process with that *index* has recorded."""
        self._left_out += part.head["left_out"]
        sites = list(map(self._site, part.head["sites"]))
        units = self._units(part)
        for row in unpack(part.ended):
            self._add_row(sites[row.site].columns, row, index, units)
        for row in unpack(part.open):
            if is_running and row.outcome is Outcome.SCOPE_ENDED:
                row = row._replace(outcome=Outcome.OPEN)  # noqa: PLW2901
            site = sites[row.site]
            site.leaked += row.alike if row.outcome not in _NO_LEAKS else 0
            site.requests += row.requests
            site.connections += row.connections
            self._add_row(site.columns, row, index, units)

    def _site(self, head: dict[str, Any]) -> SiteTotals:
        line = head["site"]
        key = head["kind"], line["file"], line["line"], line["function"]
        site = self._sites.get(key)
        if site is None:
            known = {name: head[name] for name in ("kind", "site", "fingerprint", "distribution")}
            site = self._sites[key] = SiteTotals(**known)
        if head["stack"] not in site.stacks and len(site.stacks) < STACKS_KEPT:
            site.stacks.append(head["stack"])
        for name in ("opened", "closed", "leaked", "requests", "connections"):
            setattr(site, name, getattr(site, name) + head[name])
        return site

    def _units(self, part: Recorded) -> Callable[[float], int]:
        """Return what makes a moment on the clock of *part* units since the program began."""
        zero = part.head["began"] - (part.head["began_at"] - self._began_at)
        return lambda moment: max(0, round((moment - zero) / UNIT_S))

    def _add_row(self, columns: Columns, row: Row, process: int, units: Callable[[float], int]) -> None:
        if row.outcome is Outcome.CLOSED and self._rows >= ROWS_SHOWN:
            self._left_out += row.alike
            return
        self._rows += 1
        columns.add(
            units(row.opened),
            units(row.ended),
            row.outcome,
            row.alike,
            process,
            row.requests,
            row.connections,
            [units(time) for time in row.spans],
        )

    def history(self) -> History:
        """Return all that was added."""
        ends = [part.head["began_at"] + part.head["until"] - part.head["began"] for part in self.parts]
        seconds = max(ends) - self._began_at
        sites = [site for site in self._sites.values() if site.kind == "session" or site.leaked]
        return History(
            began_at=self._began_at,
            seconds=seconds,
            sites=tuple(sorted(sites, key=lambda site: (-site.leaked, -site.opened, site.site["file"]))),
            left_out=self._left_out,
            pids=tuple(part.head["pid"] for part in self.parts),
            flow=self._flow(seconds),
        )

    def _flow(self, seconds: float) -> dict[str, Any]:
        width = max(part.head["flow"]["width"] for part in self.parts)
        while seconds / width > STEPS_SHOWN:
            width *= 2
        size = int(seconds / width) + 1
        flow: dict[str, Any] = {"width": width, **{name: [0] * size for name in _FLOWS}}
        for part in self.parts:
            for (name, index), value in self._steps(part, width).items():
                flow[name][min(index, size - 1)] += value
        return flow

    def _steps(self, part: Recorded, width: float) -> dict[tuple[str, int], int]:
        """Return the series of *part* in steps of *width*: what happened is added up."""
        found: dict[tuple[str, int], int] = defaultdict(int)
        own, offset = part.head["flow"], part.head["began_at"] - self._began_at
        for number, step in enumerate(own["steps"]):
            # A little more than nothing: what begins with a step must not lie in the one before.
            index = int((offset + number * own["width"]) / width + _TINY)
            for name, value in zip(_FLOWS, step, strict=True):
                before = found[name, index]
                found[name, index] = before + value if name in _SUMMED else max(before, value)
        return found
