"""What to do about a leak: who should close it, and an example that fits the line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lastcall.ledger.records import Evidence, Leak

__all__ = ["Remedy", "remedy_for"]

MANY = 3
"""Leaks of one line from which on it is said to open a session for every call."""

_TARGET = re.compile(r"^(?P<target>(?:\w+\.)*\w+)\s*(?::[^=]+)?=(?!=)")


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way out."""

    case: str
    """The case, in a word that does not change between releases."""
    advice: str
    """Who should close it, in a sentence or two."""
    example: str
    """About three lines of Python, with nothing in front."""


@dataclass(frozen=True, slots=True)
class _Rule:
    case: str
    fits: Callable[[Leak], bool]
    advice: str
    example: str


# The first that fits is taken. {name} is what the line assigns to; {assign} is how it would do so.
_RULES = (
    _Rule(
        "connector",
        lambda leak: leak.kind == "connector",
        "A connector is closed by who opened it. Give it to a session, which closes it with itself.",
        "async with aiohttp.ClientSession(connector={name}) as session:\n    ...",
    ),
    _Rule(
        "dependency",
        lambda leak: leak.distribution is not None,
        "{distribution} opened it on your behalf. Close the object you got from it, by its close() or "
        "aclose(); if it has none, report it with the text below.",
        "try:\n    ...\nfinally:\n    await {name}.close()",
    ),
    _Rule(
        "repeated-stored",
        lambda leak: leak.count >= MANY and "." in _target(leak),
        "Each object made here opens a session of its own, and nobody closes them. Let them share one, "
        "asked for where it is used: it keeps its connections, and is closed for you before the loop ends.",
        "from lastcall import get_shared_session\n\n"
        "session = await get_shared_session()  # in place of {name}",
    ),
    _Rule(
        "repeated",
        lambda leak: leak.count >= MANY,
        "This line opens a session each time it runs, and nobody closes them. Share one: it is opened "
        "once, keeps its connections, and is closed for you before the loop ends.",
        "from lastcall import get_shared_session\n\n{assign}await get_shared_session()",
    ),
    _Rule(
        "module",
        lambda leak: leak.site.function == "<module>",
        "A session opened at import belongs to no scope that could close it. Open it where the program "
        "begins, and hand it down.",
        "async with SessionManager() as sessions:\n    {name} = await sessions.get()",
    ),
    _Rule(
        "stored",
        lambda leak: "." in _target(leak),
        "The object that keeps it should close it: give that a close of its own, and have whoever made "
        "the object await it.",
        "async def aclose(self) -> None:\n    await {name}.close()",
    ),
    _Rule(
        "loop",
        lambda leak: leak.evidence is Evidence.LOOP_CLOSED,
        "Something kept it until its loop was closed. Close it before that, in the coroutine that "
        "asyncio.run runs.",
        "try:\n    ...\nfinally:\n    await {name}.close()",
    ),
    _Rule(
        "dropped",
        lambda leak: leak.evidence is Evidence.COLLECTED_OPEN,
        "It was opened and forgotten. The block that opens it should close it.",
        "async with aiohttp.ClientSession() as {name}:\n    ...",
    ),
    _Rule(
        "open",
        lambda leak: True,  # noqa: ARG005 - the rule for the rest
        "Whoever opened it should close it: in the block that opens it, or when the program stops.",
        "async with aiohttp.ClientSession() as {name}:\n    ...",
    ),
)


def remedy_for(leak: Leak) -> Remedy:
    """Return the remedy that fits *leak*."""
    rule = next(rule for rule in _RULES if rule.fits(leak))
    name = _name(leak, rule)
    assign = "return " if leak.site.source.startswith("return ") else f"{name} = "
    names = {"name": name, "assign": assign, "distribution": leak.distribution}
    return Remedy(rule.case, rule.advice.format(**names), rule.example.format(**names))


_ANY_NAME = {"dependency": "client", "connector": "connector"}


def _name(leak: Leak, rule: _Rule) -> str:
    return _target(leak) or _ANY_NAME.get(rule.case, "session")


def _target(leak: Leak) -> str:
    """Return what the reader's line assigns to, such as `self._http`; empty if to nothing."""
    site = leak.own_site if leak.distribution is not None else leak.site
    match = _TARGET.match(site.source) if site is not None else None
    return match["target"] if match else ""
