"""LC001 to LC011, LC033: what the judgement of each session says, and closes without `await`."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import Close
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft, Note
from lastcall.check.ownership.judge import Verdict
from lastcall.check.ownership.reach import Closing, Keep

from .common import confidence, is_certain, is_possible, kinds_at, spoken

__all__ = ["match"]

SETUP = frozenset({"__init__", "__new__", "__post_init__", "__aenter__", "__enter__", "setUp", "asyncSetUp"})
"""Methods that run once for each object."""


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield sessions that are not closed as they should be."""
    for verdict in analysis.verdicts:
        if verdict.draft is not None:
            yield verdict.draft
        if verdict.outcome == "closed":
            yield from _mixed(analysis, verdict)
            yield from _replaced(analysis, verdict)
    for number, file in enumerate(analysis.program.files):
        for close in file.facts.closes:
            if close.kind == "bare":
                yield from _not_awaited(analysis, number, close)


def _not_awaited(analysis: Analysis, file: int, close: Close) -> Iterator[Draft]:
    kinds = kinds_at(analysis, file, close.value)
    if not kinds or not is_possible(analysis, file, close.func, close.value):
        return
    sure: Confidence = "high"
    if kinds == {"given"} or not is_certain(analysis, file, close.func, close.value):
        sure = "medium"
    message = "This close is not awaited: nothing of it runs, and the session stays open."
    subject = spoken(close.value)
    yield Draft("LC005", confidence(analysis, file, sure), file, close.at, close.func, message, (), subject)


def _mixed(analysis: Analysis, verdict: Verdict) -> Iterator[Draft]:
    """Yield the fallback of an injected session, if its holder closes both without asking which it is."""
    for keep in verdict.reach.keeps:
        rival = _rival(analysis, keep)
        closings = _unasked(verdict, keep) if rival else []
        if not closings:
            continue
        owner = analysis.program.cls(keep.owner).symbol if keep.owner else "its holder"
        message = f"`{owner}` closes this session, and one passed in as `{rival}` too: note who opened it."
        notes = (Note(closings[0].file, closings[0].close.at, "closed here in either case"),)
        sure = confidence(analysis, verdict.origin.file, "high")
        yield analysis.judge.draft("LC033", sure, verdict.origin, message, notes)
        return


def _rival(analysis: Analysis, keep: Keep) -> str:
    """Return the parameter that goes to the same attribute in the same function, or ""."""
    if keep.kind != "field" or keep.flow is None or keep.borrowed:
        return ""
    func = analysis.program.func((keep.file, keep.flow.func))
    params = {name: annotation for name, annotation, _ in func.params}
    for file, flow in analysis.graph.into.get(keep.node, ()):
        name = flow.source.partition(":")[2]
        same = file == keep.file and flow.func == keep.flow.func and flow.at == keep.flow.at
        if same and name in params and "|" not in params[name]:
            return name
    return ""


def _unasked(verdict: Verdict, keep: Keep) -> list[Closing]:
    """Return the closes of an attribute, if none of them asks whose session it is."""
    closings = [
        one
        for one in verdict.reach.closings
        if one.close.kind in {"await", "later"} and one.node == keep.node and not one.borrowed
    ]
    asked = any(_asks(one.close) for one in closings)
    return [] if asked else closings


def _asks(close: Close) -> bool:
    """Tell whether a close depends on more than the session itself being there."""
    head = close.value.partition(".")[0]
    return any(guard != head for guard in close.guards)


def _replaced(analysis: Analysis, verdict: Verdict) -> Iterator[Draft]:
    """Yield a session put where another may still be, in a method that can run twice."""
    call = analysis.program.call(verdict.origin.file, verdict.origin.number)
    func = analysis.program.func((verdict.origin.file, call.func))
    if func.cls < 0 or func.name in SETUP or any(name.endswith("property") for name in func.decorators):
        return
    for keep in verdict.reach.keeps:
        if keep.kind != "field" or keep.flow is None or keep.flow.func != call.func or keep.borrowed:
            continue
        attr = keep.flow.target
        if any(guard.startswith(attr) for guard in keep.flow.guards) or attr.endswith(".[]"):
            continue
        if _cleared_before(analysis, verdict, keep):
            continue
        message = f"A session that is still open in `{spoken(attr)}` is lost when this one takes its place."
        yield analysis.judge.draft("LC004", "medium", verdict.origin, message)
        return


def _cleared_before(analysis: Analysis, verdict: Verdict, keep: Keep) -> bool:
    """Tell whether the method closes what was there before, itself or by calling a method that does."""
    assert keep.flow is not None
    closing = {(one.file, one.close.func) for one in verdict.reach.closings}
    here = (keep.file, keep.flow.func)
    if any(
        (one.file, one.close.func) == here and one.close.at.line < keep.flow.at.line
        for one in verdict.reach.closings
    ):
        return True
    calls = analysis.program.files[keep.file].facts.calls
    for index, call in enumerate(calls):
        before = call.func == here[1] and call.at.line < keep.flow.at.line
        if before and any(target.ref in closing for target in analysis.graph.targets(keep.file, index)):
            return True
    return False
