"""The ledger for its users: begin and end the watch, and ask what it saw."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from .book import Book
from .hooks import close_book, open_book
from .scopes import current_label

if TYPE_CHECKING:
    from .records import Leak, SessionRecord
    from .report.model import Report

__all__ = [
    "Ground",
    "Level",
    "Watch",
    "begin",
    "count_unclosed_sessions",
    "current",
    "label",
    "leaks",
    "open_sessions",
    "report",
    "snapshot",
    "unwatch",
    "watch",
]

Level = Literal["sessions", "responses"]
"""What is watched: sessions and connectors; or these and every request, until its response is released."""

_LEVELS: tuple[Level, ...] = ("sessions", "responses")

_book: Book | None = None
_level: Level | None = None
_survives_fork = False
_ground: Ground | None = None


class Ground:
    """
    A watch below all others, such as that of a test runner: who watches stands on it and does not see it.

    Args:
        book: The book of the watch that is on.

        level: Its level.
    """

    def __init__(self, book: Book, level: Level) -> None:
        self.book = book
        self.level: Level = level
        self.left = 0
        """How often another watch was begun on it, while nothing was written in its own book."""
        self.last: Book | None = None
        """The book of the last of these."""

    def is_on(self) -> bool:
        """Tell whether its own book is written in, at its own level."""
        return _book is self.book and _level == self.level

    def is_lost(self) -> bool:
        """Tell whether its own book is not written in."""
        return _book is not self.book or _level is None

    def lay(self) -> None:
        """Be there for every watch from now on."""
        global _ground  # noqa: PLW0603
        _ground = self

    def take_away(self) -> None:
        """Be there no more."""
        global _ground  # noqa: PLW0603
        _ground = None

    def resume(self) -> None:
        """Go on writing in its own book."""
        global _book, _level
        _book, _level = self.book, self.level
        open_book(_book, responses=_level == "responses")


class Watch:
    """What `watch` returns: a context manager that ends the watch it began."""

    def __init__(self, *, began: bool) -> None:
        self._began = began

    def report(self) -> Report:
        """Return what is known now, as the function `report` does."""
        return report()

    def unwatch(self) -> None:
        """End the watch, if it was this call of `watch` that began it."""
        if self._began:
            self._began = False
            unwatch()

    def __enter__(self) -> Self:
        """Return this handle; the watch is on already."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the watch, as `unwatch` does."""
        self.unwatch()


def watch(level: Level = "sessions", *, history: bool = False) -> Watch:
    """
    Put the ledger under aiohttp: from now on it knows every session that is opened, and how it ends.

    Sessions of subclasses and of third-party packages are seen, whatever was imported before; sessions
    that are open already are not. While the watch is on, a second call begins nothing; it can raise the
    level, and the handle it returns ends nothing. A forked child starts with an empty ledger.

    Args:
        level: "sessions", at a few microseconds per session and half a microsecond per request; or
            "responses", which also keeps the line of every request until its response is released.

        history: Whether a watch that begins also keeps when each session was opened, in use, and closed,
            for the HTML report: fifty bytes for each session, up to a million of them.

    Returns:
        A handle; as a context manager it ends the watch on the way out.

    Raises:
        ValueError: If *level* is neither of the two.
    """
    # Now: a program that has run out of file descriptors can import nothing more.
    from . import reporting as reporting  # noqa: PLC0415, PLC0414

    return begin(level, history=history)


def begin(level: Level = "sessions", *, history: bool = False) -> Watch:
    """Do what `watch` does; what only a report needs is imported when one is asked for."""
    global _book, _level  # noqa: PLW0603 - there is one aiohttp in a process, and one book under it
    if level not in _LEVELS:
        raise ValueError(f"level is {level!r}; it can be 'sessions' or 'responses'")
    began = _level is None
    if _ground is not None and _ground.is_on():
        _ground.left += 1
        began = True
    if began or _book is None:
        _book = _recording_book() if history else Book()
    if began or level == "responses":
        _level = level
    open_book(_book, responses=_level == "responses")
    _register_fork()
    return Watch(began=began)


def _recording_book() -> Book:
    # Few want it, and every program under the watch pays for what is imported at its head.
    from .history import RecordingBook  # noqa: PLC0415

    return RecordingBook()


def unwatch() -> None:
    """
    Take the ledger away from aiohttp.

    What it knew can still be asked for, until the next `watch`; how open sessions end is no longer
    seen. Does nothing without a watch.
    """
    global _level  # noqa: PLW0603
    if _ground is not None:
        if not _ground.is_on():
            _ground.last = _book
            _ground.resume()
        return
    _level = None
    close_book()


def current() -> tuple[Book | None, Level | None]:
    """Return the book written last, None if there was none, and the level of the watch, None if it is off."""
    if _ground is not None and _ground.is_on():
        return _ground.last, None
    return _book, _level


def snapshot(*, ended: bool = False, idle_after: float | None = None) -> Report:
    """
    Return what this process knows now; an empty report if nothing was ever watched.

    Args:
        ended: Whether the process (or test) is at its end, so that every session still open is
            a leak, with the evidence `SCOPE_ENDED`.

        idle_after: Seconds; a session on which nothing was done for as long, and nothing is in
            use, is called a leak with the evidence `IDLE`. None calls none so.
    """
    from .report.model import Report  # noqa: PLC0415
    from .reporting import take  # noqa: PLC0415

    book, _ = current()
    return take(book, ended=ended, idle_after=idle_after) if book is not None else Report()


def report(*, idle_after: float | None = None) -> Report:
    """
    Return what is known now: what leaked so far, and how many sessions came and went.

    Args:
        idle_after: As for `snapshot`.
    """
    return snapshot(idle_after=idle_after)


def leaks(*, idle_after: float | None = None) -> tuple[Leak, ...]:
    """
    Return what leaked so far, surest evidence first; often empty.

    Args:
        idle_after: As for `snapshot`.
    """
    return snapshot(idle_after=idle_after).leaks


def open_sessions() -> tuple[SessionRecord, ...]:
    """Return every session that is open now and was opened under the watch, oldest first."""
    from .reporting import open_records  # noqa: PLC0415

    book, _ = current()
    return open_records(book) if book is not None else ()


def count_unclosed_sessions() -> int:
    """
    Count the sessions that are open now.

    Under the watch this takes time in the number of open sessions only, and counts those opened since
    the watch began. Without it every object the garbage collector knows is looked at, which takes
    about 0.1 s for a million of them.
    """
    book, level = current()
    if level is not None and book is not None:
        from .reporting import count_open  # noqa: PLC0415

        return count_open(book)
    client = sys.modules.get("aiohttp.client")
    if client is None:
        return 0
    # By type, not isinstance: a proxy may answer __class__ by doing work, or by raising.
    return sum(issubclass(type(o), client.ClientSession) and not o.closed for o in gc.get_objects())


@contextmanager
def label(text: str) -> Iterator[None]:
    """
    Mark the sessions opened inside with *text*, in this task and the tasks it starts.

    The report lists the labels of leaked sessions; an inner label hides an outer one.
    """
    token = current_label.set(text)
    try:
        yield
    finally:
        current_label.reset(token)


def _register_fork() -> None:
    global _survives_fork  # noqa: PLW0603
    if not _survives_fork and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_start_anew)
        _survives_fork = True


def _start_anew() -> None:
    """Give a forked child an empty book: what it inherited is its parent's to close and to report."""
    global _book  # noqa: PLW0603
    if _level is not None:
        _book = type(_book)() if _book is not None else Book()
        open_book(_book, responses=_level == "responses")
