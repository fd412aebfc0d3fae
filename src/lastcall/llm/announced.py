"""What servers announce of their limits in the headers of each answer."""

import re
from collections.abc import Mapping

__all__ = ["announced_interval", "announces", "duration"]

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_AMPLE = 0.1
_LONGEST = 60.0
"""Seconds: limits are counted by the minute, and a 429 tells what is longer."""

_REMAINING = "x-ratelimit-remaining-"
_KINDS = ("requests", "tokens")


def announces(headers: Mapping[str, str]) -> bool:
    """Return whether an answer tells what is left of a limit."""
    return any(_REMAINING + kind in headers for kind in _KINDS)


def announced_interval(headers: Mapping[str, str], tokens: float) -> float:
    """
    Return how many seconds, by what an answer announces, should lie between two requests; mostly 0.

    Args:
        headers: Of the answer, in any case.

        tokens: What a request takes, about.

    Returns:
        0 while over a tenth of each limit is left; then the time in which what one request takes flows back.
        A reset is told as the time until nothing is used any more, and it flows back evenly until then.

    Source: OpenAI API, guide "Rate limits", "Rate limits in headers".
    """
    return max(_interval(headers, "requests", 1.0), _interval(headers, "tokens", tokens))


def duration(text: str | None) -> float | None:
    """
    Return seconds from "1s", "6m0s", "20ms", "1h2m3.5s", or a bare number; None for anything else.

    Source: OpenAI API, guide "Rate limits": resets are written as Go writes durations.
    """
    text = (text or "").strip()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return _number(text)


def _interval(headers: Mapping[str, str], kind: str, needed: float) -> float:
    limit = _number(headers.get("x-ratelimit-limit-" + kind))
    remaining = _number(headers.get(_REMAINING + kind))
    reset = duration(headers.get("x-ratelimit-reset-" + kind))
    if not limit or remaining is None or reset is None or remaining > _AMPLE * limit:
        return 0.0
    used = max(1.0, limit - remaining)
    return min(_LONGEST, reset * needed / used)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
