"""Fixes of LC001, LC003 and LC040: what is opened is entered with `async with`, and what follows indented."""

from __future__ import annotations

import ast
from typing import NamedTuple

from lastcall.check.finding import Applicability, Edit, Finding, Fix

from .lifetime import Loads, loads_of
from .source import Block, Source, own_nodes

__all__ = ["close_in_any_case", "enter_response", "enter_session"]

MANAGED = ("fixture", "asynccontextmanager")
"""Decorators of generators that are run to the end."""


class _Opening(NamedTuple):
    """A statement that gives what is opened a name: `session = ClientSession()`."""

    statement: ast.stmt
    name: str
    value: ast.expr
    function: ast.AsyncFunctionDef
    rest: Block
    """The statements after it, of the same block."""


def enter_session(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that opens the session of *finding* in `async with`."""
    opening = _opening(finding, source)
    if opening is None or not opening.rest:
        return None
    wrapped, closes = _wrapped(opening)
    loads = loads_of(source, opening.function, opening.name, opening.statement, wrapped)
    if not wrapped or loads is None:
        return None
    if any(name.id == opening.name for one in opening.rest[len(wrapped) :] for name in _names(one, closes)):
        return None
    edits = _wrapping(opening, wrapped, source, f"async with {source.text(opening.value)} as {opening.name}:")
    if edits is None:
        return None
    edits = [edit for edit in edits if not any(_covers(close, edit.line, source) for close in closes)]
    edits += [source.without(close) for close in closes]
    return Fix(
        _applicability(finding, loads, opening.function),
        "Open the session in `async with`",
        tuple(sorted(edits, key=lambda edit: (edit.line, edit.column))),
    )


def close_in_any_case(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that enters the session of *finding*, or puts its close in a `finally`."""
    entered = enter_session(finding, source)
    opening = _opening(finding, source)
    if (entered is not None and entered.applicability == "safe") or opening is None:
        return entered
    closes = [one for one in opening.rest if _closes(one, opening.name)]
    between = opening.rest[: opening.rest.index(closes[0])] if closes else []
    if not between or not source.is_alone(between[-1]) or not source.is_alone(closes[0]):
        return entered
    first, last = source.end(opening.statement)[0] + 1, source.end(between[-1])[0]
    if not source.may_be_indented(first - 1, last):
        return entered
    indent, step, line = source.indent(closes[0]), source.step(closes[0]), closes[0].lineno
    edits = source.indented(first, last, step)
    head = Edit(first, 1, first, 1, f"{indent}try:\n{edits[0].text if edits[0].line == first else ''}")
    rest = [edit for edit in edits if edit.line != first]
    final = Edit(line, 1, line, 1, f"{indent}finally:\n{step}")
    return Fix("safe", "Close the session in `finally`", (head, *rest, final))


def _applicability(finding: Finding, loads: Loads, function: ast.AsyncFunctionDef) -> Applicability:
    lent = any("may close it" in one.message for one in finding.related)
    if lent or loads.outlives or loads.escapes_in_response or not _ends_with_its_caller(function):
        return "unsafe"
    return "safe"


def _covers(statement: ast.stmt, line: int, source: Source) -> bool:
    return statement.lineno <= line <= source.end(statement)[0]


def _names(node: ast.AST, without: Block) -> list[ast.Name]:
    if node in without:
        return []
    return [one for one in ast.walk(node) if isinstance(one, ast.Name)]


def _opening(finding: Finding, source: Source) -> _Opening | None:
    for call in source.find(ast.Call, finding.line, finding.column):
        statement = source.statement(call)
        function = source.function(call)
        named = _named(statement)
        if statement is None or named is None or not isinstance(function, ast.AsyncFunctionDef):
            continue
        name, value = named
        block = source.block(statement)
        if block is None or not source.is_alone(statement):
            continue
        if value is call or (isinstance(value, ast.Await) and value.value is call):
            return _Opening(statement, name, value, function, block[block.index(statement) + 1 :])
    return None


def _named(statement: ast.stmt | None) -> tuple[str, ast.expr] | None:
    """Return the name and the value of `name = value`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, value
    return None


def _ends_with_its_caller(function: ast.AsyncFunctionDef) -> bool:
    """Tell whether a function is no generator, or one that its caller runs to the end."""
    if not any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(function)):
        return True
    return any(ast.unparse(one).partition("(")[0].endswith(MANAGED) for one in function.decorator_list)


def _wrapped(opening: _Opening) -> tuple[Block, Block]:
    """Return the statements to indent, and the closes that become needless."""
    for number, statement in enumerate(opening.rest):
        if _closes(statement, opening.name):
            return opening.rest[:number], [statement]
    blocks = [
        getattr(node, field)
        for statement in opening.rest
        for node in ast.walk(statement)
        for field in ("body", "orelse", "finalbody")
        if isinstance(getattr(node, field, None), list)
    ]
    closes = [one for block in blocks if len(block) > 1 for one in block if _closes(one, opening.name)]
    return opening.rest, closes


def _closes(statement: ast.AST, name: str) -> bool:
    match statement:
        case ast.Expr(
            value=ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="close")))
        ):
            return owner == name
    return False


def _wrapping(opening: _Opening, wrapped: Block, source: Source, header: str) -> list[Edit] | None:
    """Return the edits that put *header* in place of the opening, and indent what follows."""
    (line, column), (end_line, end_column) = source.start(opening.statement), source.end(opening.statement)
    last = source.end(wrapped[-1])[0]
    if not source.is_alone(wrapped[-1]) or not source.may_be_indented(line, last):
        return None
    step = source.step(opening.statement)
    return [Edit(line, column, end_line, end_column, header), *source.indented(end_line + 1, last, step)]


def enter_response(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that releases the response of *finding* with `async with`."""
    for call in source.find(ast.Call, finding.line, finding.column):
        match source.statement(call):
            case ast.Expr(value=ast.Await(value=value)) as statement if value is call:
                return _dropped(statement, call, source)
    opening = _opening(finding, source)
    if opening is None or not isinstance(opening.value, ast.Await):
        return None
    using = [one for one in opening.rest if any(name.id == opening.name for name in _names(one, []))]
    if not using:
        return _dropped(opening.statement, opening.value.value, source)
    wrapped = opening.rest[: opening.rest.index(using[-1]) + 1]
    loads = loads_of(source, opening.function, opening.name, opening.statement, wrapped)
    if loads is None or not loads.only_attributes:
        return None
    edits = _wrapping(
        opening, wrapped, source, f"async with {source.text(opening.value.value)} as {opening.name}:"
    )
    return Fix("safe", "Release the response with `async with`", tuple(edits)) if edits else None


def _dropped(statement: ast.stmt, call: ast.expr, source: Source) -> Fix | None:
    if not source.is_alone(statement):
        return None
    text = f"async with {source.text(call)}:\n{source.indent(statement)}{source.step(statement)}pass"
    edit = Edit(*source.start(statement), *source.end(statement), text)
    return Fix("safe", "Release the response with `async with`", (edit,))
