"""LC020, LC021, LC031: sessions opened where no loop runs, or entered by `with`."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import ASYNC, IN_CLASS, IN_DEFAULT, LAMBDA, MAIN_GUARD, RAISES, Flow
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft, Note
from lastcall.check.ownership.judge import Verdict

from .common import confidence, kinds_at, spoken

__all__ = ["match"]

STARTERS = frozenset({"asyncio.run", "uvloop.run", "anyio.run", "trio.run"})
STARTING_METHODS = frozenset({"run_until_complete", "run_forever"})


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield sessions opened at the wrong place."""
    for verdict in analysis.verdicts:
        if verdict.outcome == "import":
            yield _at_import(analysis, verdict)
        elif verdict.outcome == "LC031":
            yield _sync_with(analysis, verdict)
        elif not verdict.origin.loopless:
            yield from _outside_loop(analysis, verdict)
    for number, file in enumerate(analysis.program.files):
        for close in file.facts.closes:
            if close.kind == "sync-enter" and kinds_at(analysis, number, close.value) & {"own", "accessor"}:
                message = f"`with {spoken(close.value)}` raises TypeError: use `async with`."
                sure = confidence(analysis, number, "high")
                yield Draft("LC031", sure, number, close.at, close.func, message, (), spoken(close.value))


def _at_import(analysis: Analysis, verdict: Verdict) -> Draft:
    origin = verdict.origin
    call = analysis.program.call(origin.file, origin.number)
    # With a loop named, aiohttp takes it; whether that loop is run later cannot be seen.
    sure = confidence(analysis, origin.file, "medium" if "loop" in call.keywords else "high")
    if call.flags & MAIN_GUARD:
        message = "This session is opened before any event loop runs: open it in the coroutine that is run."
        return analysis.judge.draft("LC021", sure, origin, message)
    where = "the class is defined" if call.flags & IN_CLASS else "the module is imported"
    message = f"This session is opened while {where}, when no event loop runs: open it in a coroutine."
    return analysis.judge.draft("LC020", sure, origin, message)


def _sync_with(analysis: Analysis, verdict: Verdict) -> Draft:
    message = f"`with {verdict.origin.what}(...)` raises TypeError: use `async with`."
    sure = confidence(analysis, verdict.origin.file, "high")
    return analysis.judge.draft("LC031", sure, verdict.origin, message)


def _outside_loop(analysis: Analysis, verdict: Verdict) -> Iterator[Draft]:
    """Yield a session opened by a plain function that starts the loop later on."""
    origin = verdict.origin
    call = analysis.program.call(origin.file, origin.number)
    func = analysis.program.func((origin.file, call.func))
    if func.flags & ASYNC or func.flags & LAMBDA or call.func == 0 or origin.factory is not None:
        return
    yield from _by_module_level_call(analysis, verdict)
    for index, other in enumerate(analysis.program.files[origin.file].facts.calls):
        later = (other.at.end_line, other.at.end_column) >= (call.at.end_line, call.at.end_column)
        if other.func != call.func or not later or not _starts_loop(analysis, origin.file, index):
            continue
        sure: Confidence = "medium" if "loop" in call.keywords else "high"
        message = f"This session is opened before the event loop runs, which starts in line {other.at.line}."
        yield analysis.judge.draft("LC021", confidence(analysis, origin.file, sure), origin, message)
        return


def _by_module_level_call(analysis: Analysis, verdict: Verdict) -> Iterator[Draft]:
    """Yield a session that a plain function opens, if a module calls it while it is imported."""
    origin = verdict.origin
    call = analysis.program.call(origin.file, origin.number)
    flows = [flow for _, flow in analysis.graph.flows.get(origin.node, ())]
    if not flows or any(flow.guards or _is_fallback(analysis, origin.file, flow) for flow in flows):
        return
    for file, number in analysis.graph.sites((origin.file, call.func)):
        site = analysis.program.call(file, number)
        if site.func == 0 and not site.flags & (IN_CLASS | IN_DEFAULT | RAISES):
            sure: Confidence = "medium" if "loop" in call.keywords else "high"
            message = "This session is opened before any event loop runs: by a call at the top of a module."
            notes = (Note(file, site.at, "called here, while the module is imported"),)
            wanted = confidence(analysis, origin.file, sure)
            yield analysis.judge.draft("LC021", wanted, origin, message, notes)
            return


def _is_fallback(analysis: Analysis, file: int, flow: Flow) -> bool:
    """Tell whether another value may go to the same place instead: `session or ClientSession()`."""
    return any(
        other.at == flow.at and other.source != flow.source
        for node in analysis.graph.nodes(file, flow.target)
        for number, other in analysis.graph.into.get(node, ())
        if number == file
    )


def _starts_loop(analysis: Analysis, file: int, number: int) -> bool:
    for target in analysis.graph.targets(file, number):
        if target.name in STARTERS or target.name.rpartition(".")[2] in STARTING_METHODS:
            return True
    return False
