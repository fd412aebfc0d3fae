"""Makes a report of a book."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic, time

import aiohttp.client

from .book import Book
from .entries import Guest, Opening, Pile, Tally
from .records import (
    Churn,
    Evidence,
    ExhaustedPool,
    Kind,
    Leak,
    OpenResponse,
    ProcessInfo,
    SessionRecord,
)
from .report.model import Report, in_order, merge_leaks
from .resolve import resolve
from .responses import OpenRequest
from .scopes import PileKey
from .sites import Stack

__all__ = [
    "churn_of",
    "count_open",
    "evidence_of",
    "is_open",
    "leak_of",
    "open_entries",
    "open_records",
    "process_of",
    "take",
]

CHURN_SESSIONS = 10
"""Sessions one line must have closed before it is called churn."""
CHURN_REQUESTS = 1.5
"""Requests per session up to which it is called churn."""


def take(book: Book, *, ended: bool = False, idle_after: float | None = None) -> Report:
    """Return what *book* knows now; see `lastcall.ledger.snapshot` for the arguments."""
    book.sweep()
    # Sessions may be opened and closed meanwhile; in this order none is counted twice. The lock is held for
    # what takes a moment only: a program that opens or uses a session waits for it.
    closed = sum(tally.closed for tally in list(book.tallies.values()))
    with book.lock:
        piles = _gone(book)
    _add_open(piles, book, ended=ended, idle_after=idle_after)
    with book.lock:
        tallies = list(book.tallies.values())
        opened = sum(tally.opened for tally in tallies)
        withdrawn = sum(tally.withdrawn for tally in tallies)
    churn = [item for tally in tallies if (item := churn_of(tally)) is not None]
    leaks = [leak_of(stack, kind, evidence, pile) for (stack, kind, evidence), pile in piles.items()]
    leaked = sum(leak.count for leak in leaks if leak.kind == "session")
    return Report(
        opened=opened,
        closed=closed,
        leaked=leaked,
        withdrawn=withdrawn,
        leaks=in_order(merge_leaks(leaks)),
        churn=tuple(sorted(churn, key=lambda item: (-item.sessions, str(item.site)))),
        responses=_responses(book.requests.unreleased()),
        pools=_pools(book),
        processes=(process_of(book, opened, closed, leaked, ended=ended),),
    )


def open_records(book: Book) -> tuple[SessionRecord, ...]:
    """Return a record of every session and lone connector in *book* that is open, oldest first."""
    entries = sorted(open_entries(book), key=lambda entry: entry.opened.mono)
    return tuple(record for entry in entries for record in [_record(entry)] * entry.left)


def count_open(book: Book) -> int:
    """Count the sessions that are open; the time it takes grows with their number only."""
    return sum(entry.left for entry in open_entries(book) if entry.kind == "session")


def open_entries(book: Book) -> list[Opening]:
    """Return what is open in *book*, without the sessions whose constructor failed."""
    return [entry for entry in book.open_entries() if not _is_unbuilt(entry)]


def is_open(entry: Opening) -> bool:
    """Tell whether something of *entry* is open, and nothing else speaks for it."""
    return entry.left > 0 and not (entry.claimed and entry.kind == "connector") and not _is_unbuilt(entry)


def _is_unbuilt(entry: Opening) -> bool:
    """Tell whether the session's constructor failed, and the exception still holds it."""
    if not isinstance(entry, Guest) or entry.session is None:
        return False
    session = entry.session()
    return session is not None and session.closed


# -- leaks


def _gone(book: Book) -> dict[PileKey, Pile]:
    """Return a copy of what is known of the sessions that are gone and were not closed."""
    piles: dict[PileKey, Pile] = {}
    for tally in (*book.tallies.values(), *book.connector_tallies.values()):
        for evidence, gone in tally.gone.items():
            piles.setdefault((tally.stack, tally.kind, evidence), Pile(gone.first)).add_pile(gone)
    return piles


def _add_open(piles: dict[PileKey, Pile], book: Book, *, ended: bool, idle_after: float | None) -> None:
    """Add the sessions that are open and called leaked all the same."""
    now = monotonic()
    for entry in open_entries(book):
        judged, left = evidence_of(entry, now, ended=ended, idle_after=idle_after), entry.left
        if judged is None or left <= 0:  # closed a moment ago
            continue
        piles.setdefault((entry.tally.stack, entry.kind, judged), Pile(entry.opened)).add(entry, left)
        if judged is Evidence.IDLE:
            # What is said of an end that has not come, for the case that it comes, needs no taking back.
            entry.suspected = left


def evidence_of(
    entry: Opening, now: float, *, ended: bool, idle_after: float | None = None
) -> Evidence | None:
    """Say why *entry*, which is open, is a leak; None if it is none."""
    if isinstance(entry, Guest) and not entry.owner:
        return None
    if entry.kind == "connector" and not _connections(entry):
        return None
    if entry.loop_is_closed():
        return Evidence.LOOP_CLOSED
    if ended:
        return Evidence.SCOPE_ENDED
    if idle_after is not None and _is_idle(entry, now - idle_after):
        return Evidence.IDLE
    return None


def _is_idle(entry: Opening, since: float) -> bool:
    """Tell whether nothing was done with *entry* after *since* (monotonic), and nothing is in use."""
    use = entry.use
    if use is None:
        return entry.opened.mono <= since
    connector = use.connector()
    if connector is not None and connector._acquired:
        return False
    return max(use.last, entry.opened.mono) <= since


def _connections(entry: Opening) -> bool:
    connector = entry.use and entry.use.connector()
    return bool(connector and (connector._conns or connector._acquired))


def leak_of(stack: Stack, kind: Kind, evidence: Evidence, pile: Pile) -> Leak:
    """Return what is to be said of the sessions in *pile*."""
    text = resolve(stack)
    return Leak(
        fingerprint=text.fingerprint,
        count=pile.count,
        evidence=evidence,
        site=text.site,
        stack=text.frames,
        first_opened_at=pile.first.wall,
        last_opened_at=pile.last.wall,
        oldest_age_s=max(0.0, monotonic() - pile.first.mono),
        tasks=tuple(pile.tasks),
        tasks_more=pile.tasks_more,
        hosts=tuple(sorted(pile.hosts)),
        requests=pile.requests,
        connections=pile.connections,
        labels=tuple(sorted(pile.labels)),
        scopes=tuple(pile.scopes),
        scopes_more=pile.scopes_more,
        distribution=text.distribution,
        own_site=text.own_site,
        kind=kind,
    )


def _record(entry: Opening) -> SessionRecord:
    text = resolve(entry.tally.stack)
    use = entry.use
    return SessionRecord(
        kind=entry.kind,
        site=text.site,
        stack=text.frames,
        fingerprint=text.fingerprint,
        opened_at=entry.opened.wall,
        age_s=max(0.0, monotonic() - entry.opened.mono),
        task=entry.task,
        thread=entry.place.thread,
        loop=_loop_words(entry),
        label=entry.label,
        owns_connector=not isinstance(entry, Guest) or entry.owner,
        hosts=tuple(sorted(use.hosts)) if use else (),
        requests=use.requests if use else 0,
        connections=use.connections if use else 0,
        peak=use.peak if use else 0,
    )


def _loop_words(entry: Opening) -> str:
    loop = entry.loop()
    if loop is None:
        return "gone"
    state = "closed" if loop.is_closed() else "running" if loop.is_running() else "stopped"
    return f"{type(loop).__name__}, {state}"


# -- churn, responses, pools, process


def churn_of(tally: Tally) -> Churn | None:
    """Return what is to be said of sessions that one line opened for each call; None if it did not."""
    if tally.closed < CHURN_SESSIONS or not 0 < tally.requests <= CHURN_REQUESTS * tally.closed:
        return None
    text = resolve(tally.stack)
    # One pool needs a connection for each host, or for each session that was open at the same time.
    spared = max(0, tally.connections - max(1, tally.peak, len(tally.hosts)))
    return Churn(
        fingerprint=text.fingerprint,
        site=text.site,
        sessions=tally.closed,
        requests=tally.requests,
        connections=tally.connections,
        connect_s=tally.connect_s,
        spared=spared,
        spared_s=tally.connect_s * spared / tally.connections if tally.connections else 0.0,
        distribution=text.distribution,
    )


def _responses(requests: Iterable[OpenRequest]) -> tuple[OpenResponse, ...]:
    by_stack: dict[Stack, list[OpenRequest]] = {}
    for request in requests:
        by_stack.setdefault(request.stack, []).append(request)
    found = [_open_response(stack, group) for stack, group in by_stack.items()]
    return tuple(sorted(found, key=lambda item: (-item.count, str(item.site))))


def _open_response(stack: Stack, oldest_first: list[OpenRequest]) -> OpenResponse:
    text = resolve(stack)
    oldest = oldest_first[0]
    host, path = oldest.target()
    return OpenResponse(
        fingerprint=text.fingerprint,
        site=text.site,
        count=len(oldest_first),
        waiting=sum(request.response is None for request in oldest_first),
        method=oldest.method.upper(),
        host=host,
        path=path,
        oldest_age_s=max(0.0, monotonic() - oldest.began),
        distribution=text.distribution,
    )


def _pools(book: Book) -> tuple[ExhaustedPool, ...]:
    found = [
        ExhaustedPool(
            site=resolve(wait.stack).site if wait.stack is not None else None,
            host=host,
            limit=wait.limit,
            limit_per_host=wait.limit_per_host,
            waits=wait.waits,
            failed=wait.failed,
            longest_wait_s=wait.longest,
            peak_waiting=wait.peak_waiting,
            holders=tuple((resolve(stack).site, count) for stack, count in wait.holders.most_common()),
        )
        for (_, host, _, _), wait in list(book.requests.waits.items())
    ]
    return tuple(sorted(found, key=lambda item: (-item.longest_wait_s, item.host)))


def process_of(book: Book, opened: int, closed: int, leaked: int, *, ended: bool) -> ProcessInfo:
    """Return what is to be said of this process."""
    return ProcessInfo(
        pid=os.getpid(),
        parent=os.getppid(),
        program=_program(),
        python=platform.python_version(),
        aiohttp=aiohttp.__version__,
        started_at=book.started.wall,
        reported_at=time(),
        state="ended" if ended else "running",
        opened=opened,
        closed=closed,
        leaked=leaked,
    )


def _program() -> str:
    """Return what runs, without its arguments: they may hold secrets."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return f"-m {spec.name.removesuffix('.__main__')}"
    name = sys.argv[0] if getattr(sys, "argv", None) else ""
    return Path(name).name or "python"
