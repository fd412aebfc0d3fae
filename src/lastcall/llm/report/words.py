"""Numbers and times as a person reads them, the same in every form of the report."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["clock", "duration", "percent", "short", "tally"]

_MINUTE, _HOUR = 60, 3600
_UNITS = ("", "k", "M", "G", "T")


def duration(seconds: float | None) -> str:
    """Return a time as it is measured: "0", "85 µs", "412 ms", "1.93 s", "12 min"; "-" for None."""
    if seconds is None:
        return "-"
    if seconds == 0:
        return "0"
    if seconds < 0.9995e-3:  # noqa: PLR2004 (what would round to 1,000 of the smaller unit takes the larger)
        return f"{_digits(seconds * 1e6)} µs"
    if seconds < 0.9995:  # noqa: PLR2004
        return f"{_digits(seconds * 1e3)} ms"
    if seconds < 10 * _MINUTE:
        return f"{_digits(seconds)} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 10 * _HOUR else f"{seconds / _HOUR:.1f} h"


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"  # noqa: PLR2004


def clock(seconds: float) -> str:
    """Return a time as a clock does: "0:07", "12:04", "1:02:03"."""
    whole = round(seconds)
    minutes, rest = divmod(whole, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(value: float) -> str:
    """Return a number in at most four figures: "0.52", "806", "27.1k", "1.3M"."""
    if value < 10 and value != int(value):  # noqa: PLR2004
        return f"{value:.2f}"
    step = 0
    while value >= 9999.5 and step < len(_UNITS) - 1:  # noqa: PLR2004
        value, step = value / 1000, step + 1
    return f"{value:,.0f}" if not step else f"{_three(value)}{_UNITS[step]}"


def _three(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"  # noqa: PLR2004


def percent(part: float, whole: float) -> str:
    """Return a share: "43 %", and never "100 %" while something is missing."""
    if not whole or part == whole:
        return "100 %" if whole else "0 %"
    return f"{min(100 * part / whole, 99.9):.1f} %"


def tally(counts: Mapping[str, int], kept: int = 3) -> str:
    """Return what came how often, most first: "120x 429, 3x connection and 2 more"."""
    names = sorted(counts, key=lambda name: -counts[name])
    rest = f" and {len(names) - kept} more" if len(names) > kept else ""
    return ", ".join(f"{counts[name]:,}x {name}" for name in names[:kept]) + rest
