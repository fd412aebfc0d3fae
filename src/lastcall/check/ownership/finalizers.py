"""Which functions run when an object is collected, or when the program ends."""

from __future__ import annotations

from .graph import Graph
from .program import FuncRef

__all__ = ["finalizer_functions"]

REGISTER = frozenset({"=atexit.register", "=weakref.finalize"})


def finalizer_functions(graph: Graph) -> set[FuncRef]:
    """Return the functions that run as finalizers, those that only finalizers call included."""
    found = _direct(graph)
    if not found:
        return found
    # One hop is what is seen in practice: `__del__` calls `_close_now()`.
    for number, file in enumerate(graph.program.files):
        for index, func in enumerate(file.facts.funcs):
            if (number, index) in found or not func.name.startswith("_"):
                continue
            callers = {(site[0], graph.program.call(*site).func) for site in graph.sites((number, index))}
            if callers and callers <= found:
                found.add((number, index))
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
