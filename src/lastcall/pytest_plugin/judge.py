"""Says of each test and fixture, when it has ended, what it left open."""

from __future__ import annotations

import dataclasses
import gc
import sys
import time
from typing import TYPE_CHECKING

from lastcall.ledger.ends import left_open, tell, tell_gone, without_allowed
from lastcall.ledger.records import Grade, Leak
from lastcall.ledger.resolve import resolve

from .scopes import Owner

if TYPE_CHECKING:
    from datetime import date

    from lastcall.baseline import Baseline
    from lastcall.ledger.book import Book
    from lastcall.ledger.entries import Opening
    from lastcall.ledger.sites import Stack

    from .findings import Finding
    from .marker import Terms
    from .settings import Level, Settings

__all__ = ["GRACE_S", "Judge"]

GRACE_S = 0.2
"""How long to wait for a loop of another thread that may still close what is open."""

_FIRST_WAIT_S = 0.0005


class Judge:
    """
    Knows what the tests and fixtures of this process left open.

    Args:
        settings: What was asked for.

        today: Entries of the baseline whose last day is before it know nothing any more.
    """

    def __init__(self, settings: Settings, today: date) -> None:
        self._settings = settings
        self._known = _Known(settings.baseline, today)
        self._hopeless: set[Stack] = set()
        self._pending: list[Owner] = []
        self.findings: list[Finding] = []
        self.weak: set[str] = set()

    def end(self, book: Book, owner: Owner, terms: Terms | None = None) -> tuple[Leak, ...]:
        """
        End *owner* and return its leaks, the surest first; what is known of them is marked.

        Args:
            book: Where it was written down what it opened.

            owner: A test or fixture, torn down.

            terms: What its marker says; what it allows is not returned.
        """
        owner.ended = True
        if not (owner.openings or owner.gone):
            return ()
        if self._settings.gc:
            gc.collect()
        if owner.is_clean():
            return ()
        level = self._level_of(terms)
        # At the level "off" all is told, so that nothing of it comes up later.
        openings = self._settled(book, owner)
        leaks = tell_gone(owner) + tell(openings, Grade.named(level or "scope"), _is_kept)
        self._note_rest(book, owner)
        if level is None:
            return ()
        allowed = terms.allow if terms is not None else 0
        return self._known.mark(without_allowed(leaks, allowed))

    def _level_of(self, terms: Terms | None) -> Level | None:
        if terms is None or terms.level is None:
            return self._settings.level
        return None if terms.level == "off" else terms.level

    def find(self, owner: Owner, leaks: tuple[Leak, ...], *, reported: bool = False) -> None:
        """Write down that *owner* has *leaks*, if it has any."""
        if leaks:
            from .findings import Finding  # noqa: PLC0415

            self.findings.append(Finding.of(owner, leaks, reported=reported))

    def close(self, book: Book, run: Owner) -> None:
        """Find what came up after its test had ended, and what was opened outside of every test."""
        run.ended = True
        open_now = book.open_entries()
        owners = [*self._pending, *book.late, *(entry.scope.root for entry in open_now if entry.scope), run]
        if self._pending or run.openings:
            # Once for the whole run: what is in cycles is told apart from what somebody still holds.
            gc.collect()
        for owner in dict.fromkeys(owners):
            if isinstance(owner, Owner):
                openings = self._settled(book, owner)
                leaks = tell_gone(owner) + tell(openings, Grade.named(self._settings.level), _is_kept)
                self.find(owner, self._known.mark(leaks))

    def _settled(self, book: Book, owner: Owner) -> list[Opening]:
        """Return what is open when everybody had time to close it; that is at once if nobody can."""
        deadline = time.monotonic() + GRACE_S
        wait = _FIRST_WAIT_S
        while openings := left_open(book, owner):
            hopeful = [opening for opening in openings if self._may_close(opening)]
            if not hopeful:
                break
            if time.monotonic() >= deadline:
                # Whatever else comes from these lines is not waited for.
                self._hopeless.update(opening.tally.stack for opening in hopeful)
                break
            time.sleep(wait)
            wait *= 2
        return openings

    def _may_close(self, opening: Opening) -> bool:
        loop = opening.loop()
        return loop is not None and loop.is_running() and opening.tally.stack not in self._hopeless

    def _note_rest(self, book: Book, owner: Owner) -> None:
        rest = left_open(book, owner)
        if rest:
            self._pending.append(owner)
            self.weak.update(resolve(opening.tally.stack).fingerprint for opening in rest)


def _is_kept(session: object) -> bool:
    # Its keeper closes it when the loop ends, which may be long after the test that asked for it first.
    module = sys.modules.get("lastcall.sessions")
    return module is not None and isinstance(session, module.SharedSession)


class _Known:
    """How much of the baseline is not used up yet, in this process."""

    def __init__(self, baseline: Baseline | None, today: date) -> None:
        self._baseline = baseline
        self._today = today
        self._left: dict[str, int] = {}

    def mark(self, leaks: tuple[Leak, ...]) -> tuple[Leak, ...]:
        if self._baseline is None:
            return leaks
        marked = []
        for leak in leaks:
            known_in_all = self._baseline.known(leak.fingerprint, self._today)
            left = self._left.setdefault(leak.fingerprint, known_in_all)
            known = min(left, leak.count)
            self._left[leak.fingerprint] -= known
            marked.append(dataclasses.replace(leak, known=known))
        return tuple(marked)
