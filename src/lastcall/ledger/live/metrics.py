"""The figures for dashboards, under the names of OpenTelemetry's semantic conventions where there are any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lastcall.ledger.book import Book
from lastcall.ledger.entries import Tally
from lastcall.ledger.reporting import churn_of
from lastcall.ledger.resolve import resolve

from .collect import collect
from .records import HostState
from .traffic import OTHER, Attributes

__all__ = ["METRICS", "Metric", "Point"]

Point = tuple[Attributes, int]
"""One time series and its value."""

SITES_KEPT = 100
"""How many lines have series of their own, the first to open a session; the others are added up."""
HOSTS_KEPT = 100
"""How many servers have series of their own, the busiest; the others are added up."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that is read from the ledger when it is asked for, and costs nothing until then."""

    name: str
    """With dots."""
    kind: Literal["counter", "gauge"]
    """Whether it only grows."""
    unit: str
    """In braces: what is counted."""
    description: str
    """What it says, in a sentence without a full stop."""
    read: Callable[[Book], Iterable[Point]]
    """Returns its series as they are now."""


def _connections(book: Book) -> Iterator[Point]:
    for server, state in _by_server(book):
        yield {**server, "http.connection.state": "active"}, state.in_use
        yield {**server, "http.connection.state": "idle"}, state.idle


def _waiting(book: Book) -> Iterator[Point]:
    for server, state in _by_server(book):
        yield server, state.waiting


def _by_server(book: Book) -> Iterator[tuple[Attributes, HostState]]:
    totals: dict[tuple[str, int], list[int]] = {}
    for site in collect(book):
        for state in site.by_host:
            total = totals.setdefault((state.host, state.port), [0, 0, 0])
            for place, value in enumerate((state.in_use, state.idle, state.waiting)):
                total[place] += value
    ranked = sorted(totals.items(), key=lambda item: sum(item[1]), reverse=True)
    for (host, port), total in ranked[:HOSTS_KEPT]:
        yield {"server.address": host, "server.port": port}, HostState(host, port, *total)
    if rest := [total for _, total in ranked[HOSTS_KEPT:]]:
        yield {"server.address": OTHER}, HostState(OTHER, 0, *map(sum, zip(*rest, strict=True)))


def _counted(count: Callable[[Tally], int]) -> Callable[[Book], Iterable[Point]]:
    def read(book: Book) -> Iterator[Point]:
        # Tallies stay in the order in which their lines came, so a line keeps its series.
        sums: Counter[tuple[str, int, str]] = Counter()
        for tally in list(book.tallies.values()):
            site = resolve(tally.stack).site
            with book.lock:
                sums[site.file, site.line, site.function] += count(tally)
        for place, value in list(sums.items())[:SITES_KEPT]:
            yield _code(*place), value
        if len(sums) > SITES_KEPT:
            yield _code(OTHER, 0, OTHER), sum(list(sums.values())[SITES_KEPT:])

    return read


def _code(file: str, line: int, function: str) -> Mapping[str, str | int]:
    return {"code.file.path": file, "code.line.number": line, "code.function.name": function}


def _leaked(tally: Tally) -> int:
    return sum(pile.count for pile in tally.gone.values())


def _churned(tally: Tally) -> int:
    churn = churn_of(tally)
    return churn.sessions if churn is not None else 0


METRICS = (
    Metric(
        "http.client.open_connections",
        "gauge",
        "{connection}",
        "Connections that a request holds (active) or that wait in a pool (idle)",
        _connections,
    ),
    Metric(
        "lastcall.requests.waiting", "gauge", "{request}", "Requests that wait for a connection", _waiting
    ),
    Metric(
        "lastcall.sessions.opened",
        "counter",
        "{session}",
        "Sessions opened since the watch began",
        _counted(lambda tally: tally.opened),
    ),
    Metric(
        "lastcall.sessions.open",
        "gauge",
        "{session}",
        "Sessions that are open",
        _counted(lambda tally: tally.alive),
    ),
    Metric(
        "lastcall.sessions.leaked",
        "counter",
        "{session}",
        "Sessions that are gone and were not closed",
        _counted(_leaked),
    ),
    Metric(
        "lastcall.sessions.churned",
        "gauge",
        "{session}",
        "Sessions of lines that open one for about every request",
        _counted(_churned),
    ),
)
"""All of them; histograms are in `traffic`."""
