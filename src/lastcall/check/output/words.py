"""Text that is safe to show: no control characters, no escape sequences, cut where it is too long."""

from __future__ import annotations

import unicodedata

__all__ = ["count", "printable", "shown_width"]


def printable(text: str) -> str:
    """Return *text* in one line, whatever a terminal would take for a command replaced by its escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def shown_width(text: str) -> int:
    """Return how many columns of a terminal *text* fills."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def count(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
