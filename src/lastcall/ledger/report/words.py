"""Numbers, times and lists in words."""

from __future__ import annotations

import time

__all__ = ["age", "clock", "count", "more", "sessions"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NAMES_SHOWN = 3


def count(number: int, noun: str) -> str:
    """Return "1 place", "2 places", "1,000 places"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def sessions(number: int) -> str:
    """Return "1 session", "2 sessions"."""
    return count(number, "session")


def age(seconds: float) -> str:
    """Return "0.4 s", "7.2 s", "3 min", "2.5 h", "4.1 days"."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"  # noqa: PLR2004
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} days"


def clock(moment: float, now: float) -> str:
    """Return the local time of *moment*, with the date unless it is that of *now*; seconds of the epoch."""
    local = time.localtime(moment)
    today = local[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", local)


def more(names: list[str], unnamed: int) -> str:
    """Return the first three names, and how many there are besides."""
    shown = names[:_NAMES_SHOWN]
    rest = len(names) - len(shown) + unnamed
    if not rest:
        return ", ".join(shown)
    return f"{', '.join(shown)} and {rest:,} more"
