"""Where sessions come from: calls that open one, directly or through a factory of the program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lastcall.check.facts.model import RAISES, Call

from .graph import Graph, Target
from .known import Known
from .program import ClassRef, FuncRef

__all__ = [
    "Origin",
    "accessor_results",
    "direct_origins",
    "factory_origins",
    "is_session_class",
    "session_params",
]


REEXPORTED = ".aiohttp.ClientSession"


class Origin(NamedTuple):
    """A call after which someone has to close a session."""

    file: int
    number: int
    what: str
    """What is called, as the reader knows it: "ClientSession", "make_session"."""

    factory: FuncRef | None
    """The function of the program that opens it, or None if this call does."""

    loopless: bool = False
    """Whether it may be opened without a running loop."""

    of_other_library: bool = False
    """Whether it is no session of aiohttp's, but behaves as one."""

    @property
    def node(self) -> str:
        """The node of the call's result."""
        return f"{self.file}|#{self.number}"


def is_session_class(graph: Graph, ref: ClassRef, known: Known) -> bool:
    """Tell whether a class of the program is a session, by inheritance or by the settings."""
    program = graph.program
    full = f"{program.files[ref[0]].module}.{program.cls(ref).symbol}"
    if full in known.session_types:
        return True
    return any(base in known.session_types for base in program.foreign_bases.get(ref, ()))


def direct_origins(graph: Graph, known: Known) -> Iterator[Origin]:
    """Yield the calls of session classes and known factories."""
    for number, file in enumerate(graph.program.files):
        for index, call in enumerate(file.facts.calls):
            if call.flags & RAISES or not call.callee:
                continue
            by_method = _opens_by_method(graph, number, call, known)
            for target in graph.targets(number, index):
                if by_method or _opens(graph, target, known):
                    names = graph.names_of(target)
                    loopless, other = bool(names & known.loopless), bool(names & known.others)
                    yield Origin(number, index, _name(call), None, loopless, other)
                    break


def factory_origins(graph: Graph, factory: FuncRef, inner: Origin) -> Iterator[Origin]:
    """Yield the calls of a function that returns the new session *inner*."""
    for file, number in graph.sites(factory):
        call = graph.program.call(file, number)
        if not call.flags & RAISES:
            yield Origin(file, number, _name(call), factory, inner.loopless, inner.of_other_library)


def accessor_results(graph: Graph, known: Known) -> Iterator[tuple[int, int]]:
    """Yield the calls of known accessors, file and number: what they return is someone else's."""
    for number, file in enumerate(graph.program.files):
        for index in range(len(file.facts.calls)):
            targets = graph.targets(number, index)
            if any(graph.names_of(target) & known.accessors for target in targets):
                yield (number, index)


def session_params(graph: Graph, known: Known) -> Iterator[tuple[FuncRef, str, str]]:
    """Yield the parameters annotated as sessions: function, name, and the annotation's hint."""
    for number, file in enumerate(graph.program.files):
        for index, func in enumerate(file.facts.funcs):
            for name, annotation, _ in func.params:
                full, _, hint = annotation.partition("|")
                if full in known.session_types:
                    yield ((number, index), name, hint)


def _opens(graph: Graph, target: Target, known: Known) -> bool:
    if target.kind == "class" and is_session_class(graph, target.ref, known):
        return True
    names = graph.names_of(target)
    # A module that hands on the whole of aiohttp (`from ._compat import aiohttp`) is mostly not read.
    return bool(names & (known.session_types | known.factories)) or target.name.endswith(REEXPORTED)


def _opens_by_method(graph: Graph, file: int, call: Call, known: Known) -> bool:
    """Tell whether a call is of a known factory that is a method of an object from its own package."""
    for callee in call.callee:
        head, _, method = callee.rpartition(".")
        for factory in known.factories if head and not head.startswith("=") else ():
            package = factory.partition(".")[0] + "."
            if factory.endswith(f".{method}") and any(
                made.startswith(package) for made in graph.made_by(file, head)
            ):
                return True
    return False


def _name(call: Call) -> str:
    return call.callee[0].rpartition(".")[2].lstrip("=")
