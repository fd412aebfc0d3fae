"""`@pytest.mark.lastcall(...)`: what one test may, or has to, leave open."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from .settings import LEVELS, Level

__all__ = ["SIGNATURE", "Terms", "level_of", "read_terms"]

SIGNATURE = "lastcall(level=None, *, allow=0, demand=None, reason='')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a marker says of its test."""

    level: Level | Literal["off"] | None = None
    """The level it is judged at, whatever that of the run; "off" for not at all; None for that of the run."""
    allow: int = 0
    """How many sessions it may leave open."""
    demand: int | None = None
    """How many sessions it has to leave open; None for as few as it likes."""
    reason: str = ""
    """Why, for those who read the test."""


def read_terms(items: Iterable[pytest.Item]) -> dict[str, Terms]:
    """
    Return the terms of those tests that have the marker, from node id to terms.

    Raises:
        pytest.UsageError: If a marker says something else than `SIGNATURE`; with one sentence.
    """
    terms: dict[str, Terms] = {}
    for item in items:
        marker = item.get_closest_marker("lastcall")
        if marker is not None:
            terms[item.nodeid] = _terms(marker, item.nodeid)
    return terms


def _terms(marker: pytest.Mark, test: str) -> Terms:
    arguments = dict(marker.kwargs)
    if len(marker.args) > 1 or (marker.args and "level" in arguments):
        raise _error(test, "takes one positional argument, the level")
    if marker.args:
        arguments["level"] = marker.args[0]
    known = list(Terms.__dataclass_fields__)
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            raise _error(test, f"has no argument {name!r}{meant}")
    _check(arguments, test)
    return Terms(**arguments)


def _check(arguments: dict[str, Any], test: str) -> None:
    level = arguments.get("level")
    if level is not None and level not in (*LEVELS, "off"):
        raise _error(test, f"has the level {level!r}; it can be 'proof', 'scope' or 'off'")
    for name, least in (("allow", 0), ("demand", 1)):
        number = arguments.get(name)
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < least):
            raise _error(test, f"has {name}={number!r}; it is a number of sessions from {least} on")
    if arguments.get("demand") is not None and (arguments.get("allow") or level == "off"):
        other = "allow" if arguments.get("allow") else "level 'off'"
        raise _error(test, f"cannot both demand sessions left open and have {other}; leave one of them")
    if not isinstance(arguments.get("reason", ""), str):
        raise _error(test, f"has reason={arguments['reason']!r}; it is a text")


def _error(test: str, problem: str) -> pytest.UsageError:
    return pytest.UsageError(f"{test}: the marker lastcall {problem}")


def level_of(terms: Terms | None, level: Level) -> Level | None:
    """Return the level a test with *terms* is judged at in a run at *level*; None for not at all."""
    if terms is None or terms.level is None:
        return level
    return None if terms.level == "off" else terms.level
