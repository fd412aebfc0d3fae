"""
What one file says about sessions, as rows that JSON can keep.

A *value* is a string that names where something is, or comes from:

    =aiohttp.ClientSession   a name in full: imported, or defined in this file's module
    3:client                 the variable `client` of function 3 of this file; function 0 is the module
    @2                       an instance of class 2 of this file: `self`, or the class itself
    #7                       the result of call 7 of this file
    !4                       function 4 of this file, as a value
    ?[key]                   whatever is kept under a key, in a container nobody can name

and each may be followed by attributes: `@2._session`, `#7.session`. Elements of a container are not told
apart from it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "ASYNC",
    "ASYNC_GENERATOR",
    "ASYNC_WITH",
    "AWAITED",
    "COMPREHENSION",
    "DROPPED",
    "GENERATOR",
    "IN_CLASS",
    "IN_DEFAULT",
    "IN_LOOP",
    "LAMBDA",
    "MAIN_GUARD",
    "RAISES",
    "SYNC_WITH",
    "Call",
    "Class",
    "Close",
    "Facts",
    "Flag",
    "Flow",
    "Func",
    "Place",
    "Spot",
    "facts_from_rows",
]

AWAITED = 1
"""The call is awaited on the spot."""
ASYNC_WITH = 2
"""The call is what `async with` enters."""
SYNC_WITH = 4
"""The call is what `with` enters."""
DROPPED = 8
"""The result of the call is dropped."""
IN_LOOP = 16
"""The call stands in the body of a `for` of its own function, over more than numbers."""
COMPREHENSION = 32
"""The call stands in a comprehension."""
RAISES = 64
"""The call is expected to fail: it stands under `pytest.raises` or `assertRaises`."""
IN_DEFAULT = 128
"""The call is the default of a parameter."""
IN_CLASS = 256
"""The call stands in the body of a class."""
MAIN_GUARD = 512
"""The call stands under `if __name__ == "__main__"`."""

ASYNC = 1
GENERATOR = 2
ASYNC_GENERATOR = 3
LAMBDA = 4


class Place(NamedTuple):
    """A range of a file: lines from 1, columns in UTF-8 bytes from 0, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Call(NamedTuple):
    """One call."""

    func: int
    """The function it stands in."""

    callee: list[str]
    """What may be called; empty if it cannot be named."""

    args: list[tuple[str, list[str]]]
    """From position ("0"), keyword, "*" or "**" to the values given; those without values are left out."""

    at: Place
    flags: int
    keywords: list[str]
    """Every keyword of the call, in order."""


class Flow(NamedTuple):
    """A value goes to another place."""

    func: int
    source: str
    target: str
    at: Place
    guards: list[str]
    """Names that the conditions around it mention."""


class Close(NamedTuple):
    """A session, or something that may be one, is closed."""

    func: int
    value: str
    at: Place
    kind: str
    """
    "await", "bare" (called, not awaited), "later" (handed on as a coroutine or bound method), "enter" (`async
    with`), "sync-enter" (`with`), "stack", "detach", "finalizer" (handed to atexit or weakref).
    """

    guards: list[str]
    """Names that the conditions around it mention, the value itself excepted."""


class Flag(NamedTuple):
    """Something remembers whether a session was passed in."""

    func: int
    """The function it stands in."""

    target: str
    kind: str
    """"none" (compared with None, or `not x`), "const" (True or False), "name" (a copy of another name)."""

    sources: list[str]
    """What is compared or copied, as values; for a constant, what the conditions around it mention."""


class Func(NamedTuple):
    """A function, lambda, or (the first of a file) the module itself."""

    name: str
    symbol: str
    """As "Client.fetch"."""

    cls: int
    """The class it is a method of, or -1."""

    parent: int
    """The function it is defined in, or -1."""

    params: list[tuple[str, str, str]]
    """Name, annotation in full ("" for none), and default: "" for none, "None", "True", "False" or "?"."""

    decorators: list[str]
    flags: int
    at: Place
    returns: list[str]
    yields: list[str]
    returned_type: str
    hint: str
    """ "owns", "borrows" or ""."""

    exits: dict[str, tuple[str, int]]
    """From local name to how the function can be left with it open: kind and line; see `exits`."""


class Class(NamedTuple):
    """A class."""

    name: str
    symbol: str
    bases: list[str]
    fields: dict[str, str]
    """From attribute to the annotation in its body."""

    methods: dict[str, int]
    decorators: list[str]
    at: Place


class Spot(NamedTuple):
    """Something a rule finds in one file alone."""

    code: str
    func: int
    at: Place
    subject: str
    detail: str


class Facts(NamedTuple):
    """All that is kept of one file."""

    classes: list[Class]
    funcs: list[Func]
    calls: list[Call]
    flows: list[Flow]
    closes: list[Close]
    flags: list[Flag]
    imports: dict[str, str]
    """From a name bound by an import at module level to its full name."""

    hints: dict[str, str]
    """From line number to "owns" or "borrows"."""

    spots: list[Spot]


def facts_from_rows(rows: Any) -> Facts:
    """Return the facts that were written as JSON, as *rows* of lists."""
    classes, funcs, calls, flows, closes, flags, imports, hints, spots = rows
    return Facts(
        [_placed(Class, row) for row in classes],
        [_placed(Func, row) for row in funcs],
        [_placed(Call, row) for row in calls],
        [_placed(Flow, row) for row in flows],
        [_placed(Close, row) for row in closes],
        [Flag(*row) for row in flags],
        imports,
        hints,
        [_placed(Spot, row) for row in spots],
    )


def _placed(kind: Any, row: list[Any]) -> Any:
    """Return a list as the kind of row it was, its place included."""
    at = kind._fields.index("at")
    return kind(*row[:at], Place(*row[at]), *row[at + 1 :])
