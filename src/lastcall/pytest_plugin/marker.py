"""`@pytest.mark.lastcall(...)`: what one test may, or has to, leave open."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from .settings import LEVELS, Level

__all__ = ["Terms", "read_terms"]


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


class _MarkerError(ValueError):
    """A marker that says something else than `Terms`; the message is one sentence."""


def read_terms(items: Iterable[pytest.Item]) -> tuple[dict[str, Terms], dict[str, str]]:
    """
    Return what the markers say, and what is wrong with them.

    Returns:
        For the tests with a marker from node id to terms, and for those whose marker says something else
        than `Terms` from node id to a sentence.
    """
    terms: dict[str, Terms] = {}
    wrong: dict[str, str] = {}
    for item in items:
        marker = item.get_closest_marker("lastcall")
        if marker is not None:
            try:
                terms[item.nodeid] = _terms(marker)
            except _MarkerError as error:
                wrong[item.nodeid] = f"{item.nodeid}: the marker lastcall {error}"
    return terms, wrong


def _terms(marker: pytest.Mark) -> Terms:
    arguments = dict(marker.kwargs)
    if len(marker.args) > 1 or (marker.args and "level" in arguments):
        raise _MarkerError("takes one positional argument, the level")
    if marker.args:
        arguments["level"] = marker.args[0]
    known = list(Terms.__dataclass_fields__)
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            raise _MarkerError(f"has no argument {name!r}{meant}")
    _check(arguments)
    return Terms(**arguments)


def _check(arguments: dict[str, Any]) -> None:
    level = arguments.get("level")
    if level is not None and level not in (*LEVELS, "off"):
        raise _MarkerError(f"has the level {level!r}; it can be 'proof', 'scope' or 'off'")
    for name, least in (("allow", 0), ("demand", 1)):
        number = arguments.get(name)
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < least):
            raise _MarkerError(f"has {name}={number!r}; it is a number of sessions from {least} on")
    if arguments.get("demand") is not None and (arguments.get("allow") or level == "off"):
        other = "allow" if arguments.get("allow") else "level 'off'"
        raise _MarkerError(f"cannot both demand sessions left open and have {other}; leave one of them")
    if not isinstance(arguments.get("reason", ""), str):
        raise _MarkerError(f"has reason={arguments['reason']!r}; it is a text")
