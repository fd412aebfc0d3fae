"""Collects what is open now, line by line, from the book and from the pools of living connectors."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any

from lastcall.ledger.book import Book
from lastcall.ledger.entries import Guest, Opening
from lastcall.ledger.records import Kind
from lastcall.ledger.reporting import open_entries
from lastcall.ledger.resolve import resolve
from lastcall.ledger.sites import Stack

from .pools import Pool
from .records import NAMES_KEPT, HostState, OpenSite, busiest, in_order

if TYPE_CHECKING:
    from aiohttp.connector import BaseConnector

__all__ = ["collect"]


def collect(book: Book) -> tuple[OpenSite, ...]:
    """
    Return what is open in *book*, by line.

    Takes a few microseconds for each session that was used, and holds no lock meanwhile; call it in a thread
    where there may be many.
    """
    groups: dict[tuple[Stack, Kind, str | None], _Group] = {}
    pools_seen: set[int] = set()
    for entry in open_entries(book):
        connector = _connector(entry)
        profile = getattr(connector, "session", None)
        key = entry.tally.stack, entry.kind, profile if isinstance(profile, str) else None
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group()
        group.add(entry, is_closing=getattr(connector, "ending", None) is not None)
        if connector is not None and _is_owner(entry) and id(connector) not in pools_seen:
            pools_seen.add(id(connector))
            group.add_pool(Pool(connector, book.peers))
    return in_order(group.told(*key) for key, group in groups.items() if group.count)


def _is_owner(entry: Opening) -> bool:
    return not isinstance(entry, Guest) or entry.owner


def _connector(entry: Opening) -> BaseConnector | None:
    """Return what *entry* stands on; None if it was never used, or is gone."""
    use = entry.use
    if use is None and isinstance(entry, Guest) and entry.host is not None:
        use = entry.host.use
    return use.connector() if use is not None else None


class _Group:
    """The open sessions of one line, added up."""

    def __init__(self) -> None:
        self.count = self.closing = self.requests = self.connections = self.opening = 0
        self.opened_first = monotonic()
        self.tasks: dict[str, None] = {}
        self.labels: set[str] = set()
        self.limits: tuple[int | None, int | None] = None, None
        self.in_use: Counter[tuple[str, int]] = Counter()
        self.idle: Counter[tuple[str, int]] = Counter()
        self.waiting: Counter[tuple[str, int]] = Counter()

    def add(self, entry: Opening, *, is_closing: bool) -> None:
        """Add the sessions of one entry."""
        # Another thread may have closed one since; never below nothing.
        left = max(0, entry.left)
        self.count += left
        self.closing += left if is_closing else 0
        self.opened_first = min(self.opened_first, entry.opened.mono)
        if entry.task is not None and len(self.tasks) < NAMES_KEPT:
            self.tasks[entry.task] = None
        if entry.label is not None and len(self.labels) < NAMES_KEPT:
            self.labels.add(entry.label)
        if entry.use is not None:
            self.requests += entry.use.requests
            self.connections += entry.use.connections

    def add_pool(self, pool: Pool) -> None:
        """Add the pool beneath one of them."""
        self.limits = pool.limit, pool.limit_per_host
        self.opening += pool.opening
        self.in_use.update(pool.in_use)
        self.idle.update(pool.idle)
        self.waiting.update(pool.waiting)

    def told(self, stack: Stack, kind: Kind, profile: str | None) -> OpenSite:
        """Return it in text."""
        text = resolve(stack)
        by_host = self._by_host()
        facts: dict[str, Any] = {
            name: getattr(text, name) for name in ("fingerprint", "site", "distribution")
        }
        return OpenSite(
            **facts,
            kind=kind,
            profile=profile,
            count=self.count,
            closing=self.closing,
            oldest_age_s=max(0.0, monotonic() - self.opened_first),
            tasks=tuple(self.tasks),
            labels=tuple(sorted(self.labels)),
            requests=self.requests,
            connections=self.connections,
            limit=self.limits[0],
            limit_per_host=self.limits[1],
            in_use=self.in_use.total() + self.opening,
            idle=self.idle.total(),
            waiting=self.waiting.total(),
            hosts=len(by_host),
            by_host=by_host,
        )

    def _by_host(self) -> tuple[HostState, ...]:
        return busiest(
            HostState(host, port, self.in_use[host, port], self.idle[host, port], self.waiting[host, port])
            for host, port in {*self.in_use, *self.idle, *self.waiting}
        )
