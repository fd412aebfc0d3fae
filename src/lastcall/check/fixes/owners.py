"""Fixes of those who keep a session: LC002 (shown only), LC004 and LC033."""

from __future__ import annotations

import ast
import textwrap
from typing import NamedTuple

from lastcall.check.finding import Edit, Finding, Fix

from .source import Source

__all__ = ["add_close", "close_before_replacing", "remember_owner"]


class _Keeping(NamedTuple):
    """A statement that keeps a session: `self._session = ClientSession()`."""

    statement: ast.Assign | ast.AnnAssign
    attribute: str
    value: ast.expr
    method: ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef

    @property
    def target(self) -> str:
        """The attribute as it is written."""
        return f"self.{self.attribute}"


def _keeping(finding: Finding, source: Source) -> _Keeping | None:
    for call in source.find(ast.Call, finding.line, finding.column):
        statement, method = source.statement(call), source.function(call)
        match statement:
            case ast.Assign(targets=[ast.Attribute(ast.Name("self"), attribute)], value=value):
                pass
            case ast.AnnAssign(target=ast.Attribute(ast.Name("self"), attribute), value=ast.expr() as value):
                pass
            case _:
                continue
        assert isinstance(statement, ast.Assign | ast.AnnAssign)
        owner = source.parents.get(method) if method is not None else None
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(owner, ast.ClassDef):
            return _Keeping(statement, attribute, value, method, owner)
    return None


def _methods(owner: ast.ClassDef) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {one.name: one for one in owner.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


def add_close(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that gives an owner a way to close its session; it is shown, and left to a person."""
    keeping = _keeping(finding, source)
    if keeping is None or not source.is_alone(keeping.owner.body[-1]):
        return None
    methods = _methods(keeping.owner)
    if {"aclose", "__aexit__"} & methods.keys():
        return None
    closing = [f"await {keeping.target}.close()"]
    if keeping.method.name != "__init__" or _may_be_none(keeping):
        closing = [f"if {keeping.target} is not None:", f"    {closing[0]}"]
    lines = ["", "async def aclose(self) -> None:", *(f"    {line}" for line in closing)]
    if "__aenter__" not in methods:
        lines += ["", f'async def __aenter__(self) -> "{keeping.owner.name}":', "    return self"]
    lines += ["", "async def __aexit__(self, *exc_info: object) -> None:", "    await self.aclose()"]
    text = textwrap.indent("\n".join(lines), source.indent(keeping.owner.body[-1]))
    line, column = source.end(keeping.owner.body[-1])
    column = len(source.lines[line - 1]) + 1
    edit = Edit(line, column, line, column, "\n" + text)
    return Fix("display", "Add `aclose()` and `__aexit__()`", (edit,))


def _may_be_none(keeping: _Keeping) -> bool:
    """Tell whether the attribute is None at some time."""
    for node in ast.walk(keeping.owner):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=name) | ast.Name(id=name)], value=ast.Constant(None)):
                pass
            case ast.AnnAssign(target=ast.Attribute(attr=name) | ast.Name(id=name), value=ast.Constant(None)):
                pass
            case _:
                continue
        if name == keeping.attribute:
            return True
    return False


def close_before_replacing(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that closes the old session first."""
    keeping = _keeping(finding, source)
    if keeping is None or not isinstance(keeping.method, ast.AsyncFunctionDef):
        return None
    if not source.is_alone(keeping.statement) or not _may_be_none(keeping):
        return None
    indent, step = source.indent(keeping.statement), source.step(keeping.statement)
    text = f"{indent}if {keeping.target} is not None:\n{indent}{step}await {keeping.target}.close()\n"
    line = keeping.statement.lineno
    return Fix("unsafe", "Close the session before another takes its place", (Edit(line, 1, line, 1, text),))


def remember_owner(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that notes who opened the session, and closes only one's own."""
    keeping = _keeping(finding, source)
    parameter = _fallback_of(keeping.value) if keeping is not None else None
    if keeping is None or parameter is None or not source.is_alone(keeping.statement):
        return None
    flag = f"self._owns_{keeping.attribute.lstrip('_')}"
    line, indent = keeping.statement.lineno, source.indent(keeping.statement)
    edits = [Edit(line, 1, line, 1, f"{indent}{flag} = {parameter} is None\n")]
    for node in ast.walk(keeping.owner):
        match node:
            case ast.Expr(value=ast.Await(value=ast.Call(func=ast.Attribute(target, "close")))):
                if ast.unparse(target) == keeping.target and source.is_alone(node):
                    edits += _only_if(node, flag, source)
    edits.sort(key=lambda edit: (edit.line, edit.column))
    return Fix("unsafe", "Remember who opened the session", tuple(edits))


def _fallback_of(value: ast.expr) -> str | None:
    """Return the name in `name or ClientSession()`, or in the conditional that says the same."""
    match value:
        case ast.BoolOp(op=ast.Or(), values=[ast.Name(id=name), ast.Call()]):
            return name
        case ast.IfExp(body=ast.Name(id=name), orelse=ast.Call()):
            return name
        case ast.IfExp(body=ast.Call(), orelse=ast.Name(id=name)):
            return name
    return None


def _only_if(statement: ast.stmt, flag: str, source: Source) -> list[Edit]:
    indent, step = source.indent(statement), source.step(statement)
    first, last = statement.lineno, source.end(statement)[0]
    head = Edit(first, 1, first, 1, f"{indent}if {flag}:\n{step}")
    return [head, *source.indented(first + 1, last, step)]
