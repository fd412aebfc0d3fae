"""Which parameter of a callee an argument fills."""

from __future__ import annotations

from typing import NamedTuple

from lastcall.check.facts.model import Class

from .graph import Graph, Target
from .program import ClassRef, FuncRef

__all__ = ["Bound", "bind"]

RECORDS = (
    "dataclass",
    "dataclasses.dataclass",
    "attr.s",
    "attr.attrs",
    "attrs.define",
    "attr.define",
    "define",
    "frozen",
)
RECORD_BASES = ("BaseModel", "NamedTuple", "TypedDict", "Struct", "BaseSettings")


class Bound(NamedTuple):
    """Where an argument arrives."""

    func: FuncRef | None
    """The function whose parameter it fills, or None for a field of a record."""

    node: str
    """The node of the parameter or field."""

    hint: str
    """"owns" or "borrows", where the parameter says so."""

    keyword: str = ""
    """Under which keyword it went into `**kwargs`."""


def bind(graph: Graph, target: Target, key: str) -> list[Bound]:
    """
    Return where an argument goes.

    Args:
        graph: The program.

        target: What is called: a function or class of the program.

        key: As in `Call.args`.
    """
    if target.kind == "func":
        return _bind_func(graph, target.ref, key, bound=target.bound)
    makers = [ref for name in ("__init__", "__new__") for ref in graph.program.method(target.ref, name)[:1]]
    if makers:
        return [place for maker in makers for place in _bind_func(graph, maker, key, bound=True)]
    return _bind_record(graph, target.ref, key)


def _bind_func(graph: Graph, ref: FuncRef, key: str, *, bound: bool) -> list[Bound]:
    func = graph.program.func(ref)
    params = func.params[1:] if bound else func.params
    names = [name for name, _, _ in params]
    if key.isdigit():
        position = int(key)
        stars = [index for index, name in enumerate(names) if name.startswith("*")]
        last = stars[0] if stars else len(names)
        if position < last:
            return [_param(ref, params[position])]
        rest = [
            name for name in names if name.startswith("*") and not name.startswith("**") and len(name) > 1
        ]
        return [Bound(ref, f"{ref[0]}|{ref[1]}:{name[1:]}.[]", "") for name in rest[:1]]
    for param in params:
        if param[0] == key:
            return [_param(ref, param)]
    packed = [name for name in names if name.startswith("**")]
    if packed and key not in {"*", "**"}:
        return [Bound(ref, f"{ref[0]}|{ref[1]}:{packed[0][2:]}.[]", "", key)]
    return []


def _param(ref: FuncRef, param: tuple[str, str, str]) -> Bound:
    name, annotation, _ = param
    return Bound(ref, f"{ref[0]}|{ref[1]}:{name}", annotation.partition("|")[2])


def _bind_record(graph: Graph, ref: ClassRef, key: str) -> list[Bound]:
    program = graph.program
    if not any(_is_record(program.cls(one)) for one in program.ancestors(ref)):
        return []
    if not key.isdigit():
        return [Bound(None, graph.field(ref, key), "")]
    fields = [name for one in reversed(program.ancestors(ref)) for name in program.cls(one).fields]
    position = int(key)
    return [Bound(None, graph.field(ref, fields[position]), "")] if position < len(fields) else []


def _is_record(cls: Class) -> bool:
    decorated = any(name.endswith(RECORDS) for name in cls.decorators)
    return decorated or any(base.endswith(RECORD_BASES) for base in cls.bases)
