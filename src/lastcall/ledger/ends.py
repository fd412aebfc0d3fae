"""What is to be said of a scope, such as a test, when it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from .book import Book
from .entries import Guest, Opening, Pile
from .hooks import hang_up
from .records import Grade, Leak
from .report.model import Report, in_order, merge_leaks
from .reporting import evidence_of, is_open, leak_of
from .scopes import PileKey, Scope

if TYPE_CHECKING:
    from aiohttp.client import ClientSession

    from lastcall.baseline import Entry

__all__ = ["entry_of", "left_open", "mark_known", "mistrust", "tell", "tell_gone", "without_allowed"]

Kept = Callable[["ClientSession"], bool]
"""Tells of a session whether it belongs to its event loop, and not to who asked for it first."""


def left_open(book: Book, scope: Scope) -> list[Opening]:
    """Return what was opened in *scope*, is open, and was not told before; often empty."""
    if not any(opening.left > 0 and not opening.told for opening in scope.openings):
        return []
    book.sweep()
    return [opening for opening in scope.openings if not opening.told and is_open(opening)]


def mistrust(book: Book) -> None:
    """Mark as told what may have been closed while another book was written in."""
    for opening in book.open_entries():
        connector = opening.use.connector() if opening.use is not None else None
        if connector is None or connector._closed:
            opening.told = True


def tell(openings: Iterable[Opening], grade: Grade, is_kept: Kept) -> tuple[Leak, ...]:
    """
    Return the leaks among *openings*, whose scope has ended, and mark them as told.

    Args:
        openings: What is open.

        grade: What is less sure is no leak yet; it stays untold.

        is_kept: What it says yes to is a leak only when its loop is closed.
    """
    piles: dict[PileKey, Pile] = {}
    now = monotonic()
    for opening in openings:
        evidence = evidence_of(opening, now, ended=not _belongs_to_loop(opening, is_kept))
        if evidence is None or not evidence.grade >= grade:
            continue
        key = opening.tally.stack, opening.kind, evidence
        piles.setdefault(key, Pile(opening.opened)).add(opening, opening.left)
        _mark_told(opening)
    return _leaks(piles)


def tell_gone(scope: Scope) -> tuple[Leak, ...]:
    """Return what was opened in *scope* and is gone without having been closed; each is told once."""
    gone, scope.gone = scope.gone, {}
    return _leaks(gone)


def _leaks(piles: dict[PileKey, Pile]) -> tuple[Leak, ...]:
    leaks = [leak_of(stack, kind, evidence, pile) for (stack, kind, evidence), pile in piles.items()]
    return in_order(merge_leaks(leaks))


def _belongs_to_loop(opening: Opening, is_kept: Kept) -> bool:
    if not isinstance(opening, Guest) or opening.session is None:
        return False
    session = opening.session()
    return session is not None and is_kept(session)


def _mark_told(opening: Opening) -> None:
    opening.told = True
    if opening.tally.latest is opening:
        # What is opened there from now on is another matter.
        opening.tally.latest = None
    connector = opening.use.connector() if opening.use is not None else None
    if connector is not None and not connector._closed and opening.loop_is_closed():
        hang_up(connector)


def without_allowed(leaks: Iterable[Leak], allowed: int) -> tuple[Leak, ...]:
    """Return *leaks* without the first *allowed* sessions."""
    left = []
    for leak in leaks:
        taken = min(allowed, leak.count)
        allowed -= taken
        if taken < leak.count:
            left.append(dataclasses.replace(leak, count=leak.count - taken))
    return tuple(left)


def entry_of(leak: Leak, seen_in: str) -> Entry:
    """Return *leak* as a baseline writes it, seen when *seen_in* was run."""
    from lastcall.baseline import Entry  # noqa: PLC0415 (many who end a scope have no baseline)

    return Entry(
        fingerprint=leak.fingerprint,
        count=leak.count,
        place=f"{leak.site.file} in {leak.site.function}",
        seen_in=(seen_in,),
    )


def mark_known(report: Report, known: Callable[[str], int]) -> Report:
    """
    Return *report* with `Leak.known` set.

    Args:
        report: Leaks of one fingerprint share what is known of it, the surest first.

        known: From a fingerprint to how many may be there.
    """
    left: dict[str, int] = {}
    marked = []
    for leak in report.leaks:
        allowance = left.setdefault(leak.fingerprint, known(leak.fingerprint))
        taken = min(allowance, leak.count)
        left[leak.fingerprint] -= taken
        marked.append(dataclasses.replace(leak, known=taken))
    return dataclasses.replace(report, leaks=tuple(marked))
