"""LC030, LC032: a session that others use is closed by someone who only borrows it."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import Close
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft, Note
from lastcall.check.ownership.reach import Reach

from .common import confidence, spoken

__all__ = ["match"]

ONCE = frozenset(
    [
        "run",
        "main",
        "start",
        "serve",
        "start_session",
        "connect",
        "__aenter__",
        "__aexit__",
        "close",
        "aclose",
        "stop",
        "shutdown",
        "cleanup",
        "lifespan",
    ]
)
"""Names of methods that run once, and may end the session with themselves."""


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield closes by borrowers."""
    for loan in analysis.borrowed:
        if loan.kind == "accessor":
            yield from _of_accessor(analysis, loan.reach)
        elif loan.hint == "borrows":
            yield from _of_hint(loan.reach)
    for number, file in enumerate(analysis.program.files):
        for close in file.facts.closes:
            if close.kind == "enter":
                yield from _entered(analysis, number, close)


def _of_accessor(analysis: Analysis, found: Reach) -> Iterator[Draft]:
    for closing in found.closings:
        close = closing.close
        if closing.node.startswith("?") or close.kind not in {"await", "later", "bare", "enter", "stack"}:
            continue
        code = "LC030" if close.kind == "enter" else "LC032"
        message = "This session is shared: whoever opened it closes it, and this closes it for everyone."
        sure: Confidence = "medium" if closing.borrowed else "high"
        yield Draft(
            code,
            confidence(analysis, closing.file, sure),
            closing.file,
            close.at,
            close.func,
            message,
            (),
            spoken(close.value),
        )


def _of_hint(found: Reach) -> Iterator[Draft]:
    for closing in found.closings:
        close = closing.close
        if closing.borrowed or closing.node.startswith("?") or close.kind in {"detach", "sync-enter"}:
            continue
        code = "LC030" if close.kind == "enter" else "LC032"
        message = f"`{spoken(close.value)}` is marked as borrowed: leave closing it to its owner."
        yield Draft(code, "high", closing.file, close.at, close.func, message, (), spoken(close.value))


def _entered(analysis: Analysis, file: int, close: Close) -> Iterator[Draft]:
    """Yield `async with` on a session that is kept, in a method that may run again."""
    func = analysis.program.func((file, close.func))
    if func.name.lstrip("_") in {name.lstrip("_") for name in ONCE} or close.func == 0:
        return
    for field in _fields(analysis, file, close.value):
        writers = {(number, flow.func) for number, flow in analysis.graph.into.get(field, ())}
        if not writers or (file, close.func) in writers:
            continue
        kinds = analysis.sessions.get(field, set())
        if not kinds & {"own", "given", "param"}:
            continue
        init_only = all(analysis.program.func(ref).name in {"__init__", "__post_init__"} for ref in writers)
        sure: Confidence = "high" if init_only else "medium"
        name = field.partition("|")[2]
        message = f"The end of this block closes `{name}` for every later call: use it without `async with`."
        number, flow = analysis.graph.into[field][0]
        notes = (Note(number, flow.at, f"kept here, in `{spoken(flow.target)}`"),)
        yield Draft(
            "LC030",
            confidence(analysis, file, sure),
            file,
            close.at,
            close.func,
            message,
            notes,
            spoken(close.value),
        )
        return


def _fields(analysis: Analysis, file: int, value: str) -> Iterator[str]:
    """Yield the fields a value is, or was read from."""
    for node in analysis.graph.nodes(file, value):
        if node.startswith("F"):
            yield node
        for number, flow in analysis.graph.into.get(node, ()):
            yield from (
                source for source in analysis.graph.nodes(number, flow.source) if source.startswith("F")
            )
