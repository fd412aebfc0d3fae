"""LC040: responses that are neither read nor released."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import ASYNC_WITH, AWAITED, DROPPED, Call
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft

from .common import confidence, kinds_at, spoken

__all__ = ["match"]

REQUESTS = frozenset({"get", "post", "put", "patch", "delete", "request"})
"""Methods that return a response with a body; HEAD and OPTIONS have none worth holding a connection for."""

IDLE = frozenset({"raise_for_status", "get_encoding"})
"""Methods of a response that leave its connection taken."""


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield requests whose response goes nowhere."""
    for number, file in enumerate(analysis.program.files):
        for index, call in enumerate(file.facts.calls):
            if not call.flags & AWAITED or call.flags & ASYNC_WITH:
                continue
            owner = _session_of(analysis, number, call)
            if owner and not _ends_here(analysis, number, call.func, owner):
                yield from _judge(analysis, number, index, call, owner)


def _session_of(analysis: Analysis, file: int, call: Call) -> str:
    for callee in call.callee:
        base, _, method = callee.rpartition(".")
        kinds = kinds_at(analysis, file, base) if method in REQUESTS and base else set()
        if kinds and "other" not in kinds:
            return base
    return ""


def _ends_here(analysis: Analysis, file: int, func: int, owner: str) -> bool:
    """Tell whether the session is opened or closed in the same function: its end frees the connection."""
    nodes = set(analysis.graph.nodes(file, owner))
    for verdict in analysis.verdicts:
        here = analysis.program.call(verdict.origin.file, verdict.origin.number)
        if verdict.origin.file == file and here.func == func and nodes & verdict.reach.nodes.keys():
            return True
    return any(
        number == file and close.func == func
        for node in nodes
        for number, close in analysis.graph.closes.get(node, ())
    )


def _judge(analysis: Analysis, file: int, index: int, call: Call, owner: str) -> Iterator[Draft]:
    node = f"{file}|#{index}"
    graph = analysis.graph
    if not call.flags & DROPPED:
        if any(table.get(node) for table in (graph.args, graph.returns, graph.yields, graph.closes)):
            return
        if graph.used.get(node) or not graph.flows.get(node):
            return
        names = [flow.target for _, flow in graph.flows[node]]
        if not all(_stays_unread(analysis, file, name) for name in names):
            return
    sure: Confidence = "high" if kinds_at(analysis, file, owner) & {"own"} else "medium"
    message = "This response is neither read nor released: its connection may never go back to the pool."
    yield Draft(
        "LC040", confidence(analysis, file, sure), file, call.at, call.func, message, (), spoken(owner)
    )


def _stays_unread(analysis: Analysis, file: int, name: str) -> bool:
    """Tell whether a local variable is only looked at: no method reads it, and it goes nowhere else."""
    if ":" not in name or name.startswith("0:") or "." in name:
        return False
    return not any(value == name or value.startswith(f"{name}.") for value in _uses(analysis, file, name))


def _uses(analysis: Analysis, file: int, name: str) -> Iterator[str]:
    """Yield the values a file closes, moves, returns, passes on or calls, idle methods of *name* excepted."""
    facts = analysis.program.files[file].facts
    yield from (close.value for close in facts.closes)
    yield from (flow.source for flow in facts.flows)
    for func in facts.funcs:
        yield from (*func.returns, *func.yields)
    for call in facts.calls:
        yield from (callee for callee in call.callee if callee.removeprefix(f"{name}.") not in IDLE)
        yield from (value for _, values in call.args for value in values)
