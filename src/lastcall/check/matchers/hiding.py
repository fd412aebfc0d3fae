"""LC060 to LC071: leaks that are hidden, and sessions kept or sent where they cannot live."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import Spot
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft
from lastcall.check.ownership.judge import Verdict

from .common import confidence, imports_aiohttp, spoken

__all__ = ["match"]

PROCESSES = ("multiprocessing.Process", "multiprocessing.Pool", "multiprocessing.context.Process")
POOL = "concurrent.futures.ProcessPoolExecutor"
WEAK = ("=weakref.WeakKeyDictionary", "=weakref.WeakValueDictionary")


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield what hides leaks or loses sessions."""
    for number, file in enumerate(analysis.program.files):
        for spot in file.facts.spots:
            yield from _spot(analysis, number, spot)
        for index in range(len(file.facts.calls)):
            yield from _to_process(analysis, number, index)
    for verdict in analysis.verdicts:
        yield from _detached(analysis, verdict)


def _spot(analysis: Analysis, file: int, spot: Spot) -> Iterator[Draft]:
    if spot.code == "LC070":
        yield from _lossy_key(analysis, file, spot)
        return
    if spot.code == "LC060" and spot.detail != "named" and not imports_aiohttp(analysis, file):
        return
    message = {
        "category": "This hides leaks, but not the message `Unclosed client session`: close it.",
        "named": "This hides the warning, but not the message: close the session.",
        "logger": "This hides whatever asyncio reports: close the session.",
        "": f"Replacing `{spot.subject}.__del__` hides every leak in the process: close the session.",
    }[spot.detail]
    sure = confidence(analysis, file, "high")
    yield Draft(spot.code, sure, file, spot.at, spot.func, message, (), spot.subject)


def _lossy_key(analysis: Analysis, file: int, spot: Spot) -> Iterator[Draft]:
    kind, _, value = spot.detail.partition(" ")
    nodes = analysis.graph.nodes(file, value)
    if not any(analysis.sessions.get(node) for node in nodes if not node.startswith("?")):
        return
    if kind == "loop" and not _is_weak(analysis, file, value.removesuffix(".[]")):
        return
    reason = (
        "`id(loop)` is given to the next loop, which then gets a session that died with the last one"
        if kind == "id"
        else "a session holds its loop, so that a weak key never goes"
    )
    message = f"Sessions are kept by loop in `{spot.subject}`: {reason}."
    sure = confidence(analysis, file, "high")
    yield Draft("LC070", sure, file, spot.at, spot.func, message, (), spot.subject)


def _is_weak(analysis: Analysis, file: int, value: str) -> bool:
    for node in analysis.graph.nodes(file, value):
        for number, flow in analysis.graph.into.get(node, ()):
            if flow.source.startswith("#") and flow.source[1:].isdigit():
                call = analysis.program.call(number, int(flow.source[1:]))
                if any(callee in WEAK for callee in call.callee):
                    return True
    return False


def _to_process(analysis: Analysis, file: int, index: int) -> Iterator[Draft]:
    call = analysis.program.call(file, index)
    given = [
        value
        for _, values in call.args
        for value in values
        if any(analysis.sessions.get(node) for node in analysis.graph.nodes(file, value) if node[0] != "?")
    ]
    if not given or not _starts_process(analysis, file, index):
        return
    message = f"`{spoken(given[0])}` goes to another process: a session belongs to the one that opened it."
    yield Draft(
        "LC071", confidence(analysis, file, "high"), file, call.at, call.func, message, (), spoken(given[0])
    )


def _starts_process(analysis: Analysis, file: int, index: int) -> bool:
    for target in analysis.graph.targets(file, index):
        if target.name in PROCESSES or target.name == POOL:
            return True
    call = analysis.program.call(file, index)
    for callee in call.callee:
        base, _, method = callee.rpartition(".")
        if method not in {"submit", "map", "apply_async", "apply", "starmap"}:
            continue
        for node in analysis.graph.nodes(file, base):
            for number, flow in analysis.graph.into.get(node, ()):
                if flow.source.startswith("#") and flow.source[1:].isdigit():
                    made = analysis.graph.targets(number, int(flow.source[1:]))
                    if any(target.name in (*PROCESSES, POOL) for target in made):
                        return True
    return False


def _detached(analysis: Analysis, verdict: Verdict) -> Iterator[Draft]:
    """Yield `detach()` on a session whose connector nobody else knows."""
    origin = verdict.origin
    call = analysis.program.call(origin.file, origin.number)
    if {"connector", "connector_owner", "**"} & set(call.keywords) or origin.factory is not None:
        return
    kinds = {one.close.kind for one in verdict.reach.closings if not one.node.startswith("?")}
    if kinds & {"await", "later", "enter", "stack"}:
        return
    for closing in verdict.reach.closings:
        if closing.close.kind == "detach" and not closing.node.startswith("?"):
            message = (
                "`detach()` only forgets the connector: its connections stay open, and nobody can close them."
            )
            # Within `async with` it is done on purpose: to let a websocket outlive its session.
            entered = verdict.outcome == "entered"
            sure: Confidence = "medium" if closing.borrowed or entered else "high"
            yield Draft(
                "LC061",
                confidence(analysis, closing.file, sure),
                closing.file,
                closing.close.at,
                closing.close.func,
                message,
                (),
                spoken(closing.close.value),
            )
