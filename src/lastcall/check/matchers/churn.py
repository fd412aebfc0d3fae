"""LC050, LC051: sessions that are closed as they should be, and opened far too often."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import ASYNC, COMPREHENSION, IN_LOOP
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft, Note
from lastcall.check.ownership.judge import Verdict

__all__ = ["match"]

OWN_SETTINGS = frozenset({"connector", "cookies", "cookie_jar", "auth", "headers", "proxy", "base_url", "**"})
"""Arguments that make a session differ from its neighbours."""


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield sessions opened for one call or one turn of a loop."""
    for verdict in analysis.verdicts:
        if verdict.outcome not in {"entered", "closed"} or verdict.origin.factory is not None:
            continue
        if verdict.reach.keeps or verdict.reach.returned or verdict.reach.yielded:
            continue
        if analysis.program.files[verdict.origin.file].is_test:
            continue
        call = analysis.program.call(verdict.origin.file, verdict.origin.number)
        if call.flags & COMPREHENSION:
            continue
        if call.flags & IN_LOOP:
            yield _in_loop(analysis, verdict)
        else:
            yield from _per_call(analysis, verdict)


def _in_loop(analysis: Analysis, verdict: Verdict) -> Draft:
    call = analysis.program.call(verdict.origin.file, verdict.origin.number)
    sure: Confidence = "medium" if OWN_SETTINGS & set(call.keywords) else "high"
    message = (
        "A session is opened in each turn of this loop: open one around it, and its connections are kept."
    )
    return analysis.judge.draft("LC051", sure, verdict.origin, message)


def _per_call(analysis: Analysis, verdict: Verdict) -> Iterator[Draft]:
    """Yield a session opened by a coroutine function that a loop calls, or that at least others call."""
    origin = verdict.origin
    call = analysis.program.call(origin.file, origin.number)
    func = analysis.program.func((origin.file, call.func))
    if func.flags != ASYNC or call.func == 0 or func.name in {"main", "run", "_main", "amain"}:
        return
    message = (
        f"Each call of `{func.symbol}` opens a session of its own: pass one in, and its connections are kept."
    )
    sites = analysis.graph.sites((origin.file, call.func))
    for file, number in sites:
        site = analysis.program.call(file, number)
        if site.flags & (IN_LOOP | COMPREHENSION) and not analysis.program.files[file].is_test:
            sure: Confidence = "medium" if OWN_SETTINGS & set(call.keywords) else "high"
            notes = (Note(file, site.at, "called in a loop here"),)
            yield analysis.judge.draft("LC050", sure, origin, message, notes)
            return
    yield analysis.judge.draft("LC050", "medium", origin, message)
