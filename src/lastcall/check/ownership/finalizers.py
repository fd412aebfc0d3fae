"""Which functions run when an object is collected, or when the program ends."""

from __future__ import annotations

from .graph import Graph
from .program import FuncRef

__all__ = ["finalizer_functions"]

REGISTER = frozenset({"=atexit.register", "=weakref.finalize"})


def finalizer_functions(graph: Graph) -> set[FuncRef]:
    """Return the functions that run as finalizers, those that only finalizers call included."""
    found = _direct(graph)
    # One hop is what is seen in practice: `__del__` calls `_close_now()`.
    for ref in sorted(_called_by(graph, found) - found):
        callers = {(site[0], graph.program.call(*site).func) for site in graph.sites(ref)}
        if graph.program.func(ref).name.startswith("_") and callers <= found:
            found.add(ref)
    return found


def _called_by(graph: Graph, funcs: set[FuncRef]) -> set[FuncRef]:
    """Return the functions that some of *funcs* call."""
    found: set[FuncRef] = set()
    for number in {ref[0] for ref in funcs}:
        for index, call in enumerate(graph.program.files[number].facts.calls):
            if (number, call.func) in funcs:
                found.update(one.ref for one in graph.targets(number, index) if one.kind == "func")
    return found


def _direct(graph: Graph) -> set[FuncRef]:
    """Return `__del__` methods, and what is given to atexit or weakref."""
    found: set[FuncRef] = set()
    for number, file in enumerate(graph.program.files):
        for index, func in enumerate(file.facts.funcs):
            if func.name == "__del__" or "atexit.register" in func.decorators:
                found.add((number, index))
        for call in file.facts.calls:
            if REGISTER.isdisjoint(call.callee):
                continue
            given = [value for _, values in call.args for value in values]
            found.update(
                target.ref
                for value in given
                for target in graph.callables(number, value)
                if target.kind == "func"
            )
    return found
