"""Every session of the program, and what was decided of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .graph import Graph
from .judge import Judge, Verdict
from .known import Known
from .origins import Origin, accessor_results, direct_origins, factory_origins, session_params
from .program import FuncRef, Program
from .reach import Reach, reach

__all__ = ["Analysis", "analyse"]

MAX_ROUNDS = 6
"""Factories of factories followed."""


class Loan(NamedTuple):
    """A session that is someone else's."""

    kind: str
    """"accessor" or "param"."""

    hint: str
    """"borrows" or "owns", if the parameter says so."""

    reach: Reach


@dataclass
class Analysis:
    """What the matchers work on."""

    program: Program
    graph: Graph
    known: Known
    judge: Judge
    verdicts: list[Verdict] = field(default_factory=list)
    factories: set[FuncRef] = field(default_factory=set)
    """Functions that return a session their caller has to close."""

    sessions: dict[str, set[str]] = field(default_factory=dict)
    """
    From each node where a session may be to how it came there: "own" (opened, and not through a parameter),
    "given" (opened, and passed on), "accessor" (returned by a known accessor), "param" (a parameter annotated
    as one); and "other" for a client that is not aiohttp's.
    """

    borrowed: list[Loan] = field(default_factory=list)
    """Sessions that are someone else's."""


def analyse(program: Program, known: Known) -> Analysis:
    """Return what becomes of every session of *program*."""
    graph = Graph(program)
    result = Analysis(program, graph, known, Judge(graph, known))
    todo = list(direct_origins(graph, known))
    seen = {(origin.file, origin.number) for origin in todo}
    for _ in range(MAX_ROUNDS):
        returned: dict[FuncRef, Origin] = {}
        for origin in todo:
            verdict = _judge(result, origin)
            if verdict.outcome == "returned":
                returned.update((ref, origin) for ref in verdict.reach.returned if not _lends(result, ref))
        todo = []
        for factory in sorted(returned.keys() - result.factories):
            for origin in factory_origins(graph, factory, returned[factory]):
                if (origin.file, origin.number) not in seen:
                    seen.add((origin.file, origin.number))
                    todo.append(origin)
        result.factories |= returned.keys()
        if not todo:
            break
    _add_borrowed(result)
    return result


def _lends(result: Analysis, ref: FuncRef) -> bool:
    """Tell whether a function is known to keep what it returns."""
    program = result.program
    full = f"{program.files[ref[0]].module}.{program.func(ref).symbol}"
    return full in result.known.accessors


def _add_borrowed(result: Analysis) -> None:
    starts = [
        ("accessor", f"{file}|#{number}", "") for file, number in accessor_results(result.graph, result.known)
    ]
    starts += [
        ("param", f"{ref[0]}|{ref[1]}:{name}", hint)
        for ref, name, hint in session_params(result.graph, result.known)
    ]
    for kind, node, hint in starts:
        found = reach(result.graph, [node], result.known.closers, result.known.borrowers)
        result.borrowed.append(Loan(kind, hint, found))
        for one in found.nodes:
            result.sessions.setdefault(one, set()).add(kind)


def _judge(result: Analysis, origin: Origin) -> Verdict:
    found = reach(result.graph, [origin.node], result.known.closers, result.known.borrowers)
    verdict = result.judge.verdict(origin, found)
    result.verdicts.append(verdict)
    for node, borrowed in found.nodes.items():
        kinds = result.sessions.setdefault(node, set())
        kinds.add("given" if borrowed else "own")
        if origin.of_other_library:
            kinds.add("other")
    return verdict
