"""Puts the ledger under aiohttp, and takes it away again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

from .records import Leak, SessionRecord
from .report import Report

Level = Literal["sessions", "responses"]


class Watch:
    """What `watch` returns; leaving its `with` block ends the watch."""

    def report(self) -> Report:
        """Return what is known now, as the function `report` does."""
        return report()

    def unwatch(self) -> None:
        """End the watch, unless another call of `watch` had begun it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unwatch()


def watch(level: Level = "sessions") -> Watch:
    """Put the ledger under aiohttp."""
    return Watch()


def unwatch() -> None:
    """Take the ledger away."""


def snapshot(*, ended: bool = False, idle_after: float | None = None) -> Report:
    """Return what this process knows now."""
    return Report()


def report(*, idle_after: float | None = None) -> Report:
    """Return what is known now."""
    return snapshot(idle_after=idle_after)


def leaks(*, idle_after: float | None = None) -> tuple[Leak, ...]:
    """Return what leaked so far."""
    return report(idle_after=idle_after).leaks


def open_sessions() -> tuple[SessionRecord, ...]:
    """Return the sessions that are open now."""
    return ()


def count_unclosed_sessions() -> int:
    """Count the sessions that are open now."""
    return 0


@contextmanager
def label(text: str) -> Iterator[None]:
    """Mark the sessions opened inside."""
    yield
