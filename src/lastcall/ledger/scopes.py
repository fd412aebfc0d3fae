"""Who opened a session, where more than its line is known: a test, or a fixture."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entries import Opening, Pile
    from .records import Evidence, Kind
    from .sites import Stack

__all__ = ["PileKey", "Scope", "current_label", "current_scope", "no_scope"]

PileKey = tuple["Stack", "Kind", "Evidence"]

_ROOM = 64


class Scope:
    """
    A part of the program that ends: what it opens shall be closed by then.

    Tasks see the scope they were started in through a context variable, whenever they run.

    Args:
        name: For the reader, such as "tests/test_a.py::test_one".

        within: The scope that ends with this one and is judged with it, as a test is with its fixture; None
            if this one is judged for itself.
    """

    __slots__ = ("_prune_at", "ended", "gone", "name", "openings", "root")

    def __init__(self, name: str, within: Scope | None = None) -> None:
        self.name = name
        self.root: Scope = within.root if within is not None else self
        if within is not None:
            return
        # Of a root only:
        self.ended = False
        self.openings: list[Opening] = []
        self.gone: dict[PileKey, Pile] = {}
        self._prune_at = _ROOM

    def add(self, opening: Opening) -> None:
        """Write down that *opening* was made in this scope."""
        root = self.root
        root.openings.append(opening)
        if len(root.openings) > root._prune_at:
            # A scope as long as a test run opens and closes without end.
            root.openings = [kept for kept in root.openings if kept.left]
            root._prune_at = 2 * len(root.openings) + _ROOM


current_scope: ContextVar[Scope | None] = ContextVar("lastcall_scope", default=None)
current_label: ContextVar[str | None] = ContextVar("lastcall_label", default=None)
"""The text of the innermost `label()`."""


def no_scope() -> None:
    """Say that nothing is known."""
