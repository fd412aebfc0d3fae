"""Fixes of one statement: LC005, LC030, LC031 and LC060."""

from __future__ import annotations

import ast

from lastcall.check.finding import Edit, Finding, Fix

from .source import Source

__all__ = ["await_close", "enter_asynchronously", "leave_shared_open", "remove_filter"]


def await_close(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that puts `await` before a close."""
    for call in source.find(ast.Call, finding.line, finding.column):
        statement, function = source.parents.get(call), source.function(call)
        if isinstance(statement, ast.Expr) and isinstance(function, ast.AsyncFunctionDef):
            line, column = source.start(call)
            return Fix("safe", "Add `await`", (Edit(line, column, line, column, "await "),))
    return None


def enter_asynchronously(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that makes `with` an `async with`."""
    statement = _entering(finding, source)
    if not isinstance(statement, ast.With) or len(statement.items) != 1:
        return None
    if not isinstance(source.function(statement), ast.AsyncFunctionDef):
        return None
    line, column = source.start(statement)
    return Fix("safe", "Use `async with`", (Edit(line, column, line, column, "async "),))


def _entering(finding: Finding, source: Source) -> ast.stmt | None:
    """Return the `with` at a finding's place, or the one that enters what stands there."""
    for expression in source.find(ast.expr, finding.line, finding.column):
        statement = source.statement(expression)
        if isinstance(statement, ast.With | ast.AsyncWith):
            return statement
    starts = (finding.line, finding.column)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.With | ast.AsyncWith) and source.start(node) == starts:
            return node
    return None


def leave_shared_open(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that uses a shared session without `async with`."""
    statement = _entering(finding, source)
    if not isinstance(statement, ast.AsyncWith) or len(statement.items) != 1:
        return None
    item, first, last = statement.items[0], statement.body[0], source.end(statement)[0]
    head = _last_line_of_head(item, first, source)
    if head is None or not source.may_be_indented(statement.lineno, last):
        return None
    edits = source.dedented(head + 1, last, source.indent(first).removeprefix(source.indent(statement)))
    if edits is None:
        return None
    text = ""
    if item.optional_vars is not None:
        name = source.text(item.optional_vars)
        text = f"{source.indent(statement)}{name} = {source.text(item.context_expr)}\n"
    replaced = Edit(statement.lineno, 1, head + 1, 1, text)
    return Fix("unsafe", "Use the session without `async with`", (replaced, *edits))


def _last_line_of_head(item: ast.withitem, first: ast.stmt, source: Source) -> int | None:
    """Return the line on which the colon of a `with` stands; None if something follows it there."""
    for line in range(source.end(item.optional_vars or item.context_expr)[0], first.lineno):
        if source.lines[line - 1].rstrip().endswith(":"):
            return line
    return None


def remove_filter(finding: Finding, source: Source) -> Fix | None:
    """Return the fix that takes away what hides the warning."""
    for expression in source.find(ast.expr, finding.line, finding.column):
        statement = source.statement(expression)
        if not isinstance(statement, ast.Expr) or not source.is_alone(statement):
            continue
        block = source.block(statement)
        edit = source.without(statement)
        if block is None or len(block) == 1:
            edit = Edit(*source.start(statement), *source.end(statement), "pass")
        return Fix("unsafe", "Remove what hides the warning", (edit,))
    return None
