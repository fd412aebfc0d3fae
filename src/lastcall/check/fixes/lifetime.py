"""Whether what has a name in a function is done with at the end of a block."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .source import Block, Source, own_nodes

__all__ = ["Loads", "loads_of"]

STARTERS = frozenset(
    {
        *("create_task", "ensure_future", "start_soon", "run_coroutine_threadsafe", "run_in_executor"),
        *(
            "call_soon",
            "call_later",
            "call_at",
            "add_done_callback",
            "submit",
            "Thread",
            "Process",
            "partial",
        ),
    }
)
"""Calls whose arguments may be used after they return."""

REQUESTS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request", "ws_connect"})
"""Methods of a session whose result lives no longer than the session."""


@dataclass(frozen=True, slots=True)
class Loads:
    """How a name is used."""

    outlives: bool
    """Whether something may use it after the block: a task, a function, or what it was given to."""

    escapes_in_response: bool
    """Whether what was asked of it leaves the block, too."""

    only_attributes: bool
    """Whether nothing but its attributes is used."""


def loads_of(
    source: Source, function: ast.AsyncFunctionDef, name: str, bound_by: ast.stmt, wrapped: Block
) -> Loads | None:
    """
    Return how *name* is used, or None if its use is not confined to *wrapped*.

    Args:
        source: The file.

        function: The function whose variable it is.

        name: The variable.

        bound_by: The only statement that may set it.

        wrapped: The statements that may use it.
    """
    inside = {node for statement in wrapped for node in _own(statement)}
    captured = {node for statement in wrapped for node in ast.walk(statement)} - inside
    after = {node for statement in _following(source, wrapped) for node in ast.walk(statement)}
    loads = []
    for node in ast.walk(function):
        if _rebinds(node, name) and source.statement(node) is not bound_by:
            return None
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            if node not in inside | captured | after:
                return None
            loads.append(node)
    if not all(node in after or _is_plain(source, node) for node in loads):
        return None
    responses = _results(source, [node for node in loads if node in inside])
    return Loads(
        any(node in captured or _outlives(source, node, wrapped) for node in loads if node not in after),
        any(_leaves(node, name, responses) for statement in wrapped for node in _own(statement)),
        all(isinstance(source.parents[node], ast.Attribute) for node in loads),
    )


def _own(statement: ast.stmt) -> list[ast.AST]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    return [statement, *own_nodes(statement)]


def _following(source: Source, wrapped: Block) -> Block:
    """Return the statements of the block after *wrapped*; who calls looks at them."""
    block = source.block(wrapped[-1]) if wrapped else None
    return block[block.index(wrapped[-1]) + 1 :] if block else []


def _rebinds(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=other, ctx=ast.Store() | ast.Del()):
            return other == name
        case ast.arg(arg=other):
            return other == name
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return name in names
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name == name
    return False


def _is_plain(source: Source, node: ast.Name) -> bool:
    """Tell whether a use neither stores nor returns the object itself."""
    parent = source.parents[node]
    if isinstance(parent, ast.Yield):
        return True
    return isinstance(
        parent,
        ast.Attribute | ast.Call | ast.keyword | ast.Compare | ast.UnaryOp | ast.If | ast.FormattedValue,
    )


def _outlives(source: Source, node: ast.Name, wrapped: Block) -> bool:
    """Tell whether a use goes into a task, or into a call that nobody awaits."""
    given = not isinstance(source.parents[node], ast.Attribute)
    started = False
    for above in source.above(node):
        if isinstance(above, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return False
        if isinstance(above, ast.withitem | ast.If | ast.While | ast.For | ast.Assert):
            return False
        if isinstance(above, ast.Call):
            started = started or _called(above) in STARTERS or given
        if isinstance(above, ast.stmt):
            return isinstance(above, ast.Return) or (started and not _is_joined(above, wrapped))
    return False


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_joined(statement: ast.stmt, wrapped: Block) -> bool:
    """Tell whether what a statement starts is awaited in the block: by name, or by a task group in it."""
    nodes = [node for one in wrapped for node in _own(one)]
    kept = _kept_as(statement)
    for node in nodes:
        if isinstance(node, ast.Await) and kept & {
            one.id for one in ast.walk(node) if isinstance(one, ast.Name)
        }:
            return True
        if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            group = node.optional_vars.id
            if any(isinstance(one, ast.Name) and one.id == group for one in ast.walk(statement)):
                return True
    return False


def _kept_as(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "add"))):
            return {name}
    return set()


def _results(source: Source, loads: list[ast.Name]) -> set[str]:
    """Return the names of what was asked of it: `response = await session.get(url)`."""
    names = set()
    for node in loads:
        statement = source.statement(node)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Await(value=ast.Call() as call)):
                if _called(call) in REQUESTS:
                    names.add(name)
    return names


def _leaves(node: ast.AST, name: str, responses: set[str]) -> bool:
    """Tell whether a statement returns a response as it is."""
    if not isinstance(node, ast.Return | ast.Yield) or node.value is None:
        return False
    values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
    for value in values:
        match value:
            case ast.Name(id=other):
                if other in responses:
                    return True
            case ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id=other), attr=method))):
                if other == name and method in REQUESTS:
                    return True
    return False
