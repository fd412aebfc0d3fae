"""A parsed file, as those who plan edits need it: nodes by place, their parents, and what may be indented."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator

from lastcall.check.finding import Edit
from lastcall.check.text import lines_of

__all__ = ["AnyFunction", "Block", "Source", "own_nodes"]

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Block = list[ast.stmt]
"""Statements that follow one another."""

BLOCKS = ("body", "orelse", "finalbody")


class Source:
    """
    One file.

    Raises:
        SyntaxError: If it is no Python.

        ValueError, RecursionError: If it cannot be parsed for another reason.
    """

    def __init__(self, text: str) -> None:
        self.lines = lines_of(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.tree = ast.parse("\n".join(self.lines))
        self.parents: dict[ast.AST, ast.AST] = {
            child: parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)
        }
        # So have files with bare CR.
        self.has_mixed_ends = _has_mixed_ends(text)
        self._inside_strings: set[int] | None = None

    # Places

    def column(self, line: int, offset: int) -> int:
        """Return the column, in characters from 1, of an offset in UTF-8 bytes from 0."""
        return len(self.lines[line - 1].encode()[:offset].decode("utf-8", "replace")) + 1

    def start(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Return the line and column where a node begins."""
        return node.lineno, self.column(node.lineno, node.col_offset)

    def end(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Return the line and column after a node's last character."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return node.end_lineno, self.column(node.end_lineno, node.end_col_offset)

    def text(self, node: ast.stmt | ast.expr) -> str:
        """Return a node as it is written."""
        (line, column), (end_line, end_column) = self.start(node), self.end(node)
        if line == end_line:
            return self.lines[line - 1][column - 1 : end_column - 1]
        between = self.lines[line : end_line - 1]
        return "\n".join(
            [self.lines[line - 1][column - 1 :], *between, self.lines[end_line - 1][: end_column - 1]]
        )

    def find(self, kind: type[ast.expr], line: int, column: int) -> list[ast.expr]:
        """Return the expressions of a kind that begin at a place, the outermost first."""
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, kind) and node.lineno == line and self.start(node) == (line, column)
        ]
        return sorted(found, key=self.end, reverse=True)

    # Surroundings

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the parents of a node, the nearest first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """Return the statement that a node is, or stands in."""
        return next((one for one in (node, *self.above(node)) if isinstance(one, ast.stmt)), None)

    def function(self, node: ast.AST) -> AnyFunction | None:
        """Return the nearest function around a node; None at the level of a module or class."""
        for one in self.above(node):
            if isinstance(one, AnyFunction):
                return one
            if isinstance(one, ast.ClassDef):
                return None
        return None

    def block(self, statement: ast.stmt) -> Block | None:
        """Return the statements among which one stands."""
        parent = self.parents.get(statement)
        for name in BLOCKS:
            block = getattr(parent, name, None)
            if isinstance(block, list) and statement in block:
                return block
        return None

    # Lines

    def is_alone(self, statement: ast.stmt) -> bool:
        """Tell whether a statement shares no line with another."""
        (line, column), (end_line, end_column) = self.start(statement), self.end(statement)
        after = self.lines[end_line - 1][end_column - 1 :].strip()
        return not self.lines[line - 1][: column - 1].strip() and (not after or after.startswith("#"))

    def indent(self, statement: ast.stmt) -> str:
        """Return the blanks before a statement."""
        line = self.lines[statement.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def step(self, statement: ast.stmt) -> str:
        """Return the blanks by which a statement is indented more than what it stands in; four by default."""
        for parent in self.above(statement):
            if isinstance(parent, ast.stmt):
                own, outer = self.indent(statement), self.indent(parent)
                if own.startswith(outer) and own != outer:
                    return own.removeprefix(outer)
        return "    "

    def may_be_indented(self, first: int, last: int) -> bool:
        """Tell whether the lines from *first* to *last* are indented in one way: by blanks or by tabs."""
        blanks = {
            line[: len(line) - len(line.lstrip())] for line in self.lines[first - 1 : last] if line.strip()
        }
        return len(set("".join(blanks))) <= 1

    def indented(self, first: int, last: int, step: str) -> list[Edit]:
        """Return the edits that indent lines; empty ones, and those that begin in a string, stay."""
        return [
            Edit(line, 1, line, 1, step)
            for line in range(first, last + 1)
            if self.lines[line - 1].strip() and line not in self.inside_strings
        ]

    def dedented(self, first: int, last: int, step: str) -> list[Edit] | None:
        """Return the edits that undo `indented`; None if a line has less to take away."""
        edits = []
        for line in range(first, last + 1):
            text = self.lines[line - 1]
            if not text.strip() or line in self.inside_strings:
                continue
            if not text.startswith(step):
                return None
            edits.append(Edit(line, 1, line, len(step) + 1, ""))
        return edits

    def without(self, statement: ast.stmt) -> Edit:
        """Return the edit that takes a statement away, with its lines."""
        return Edit(statement.lineno, 1, self.end(statement)[0] + 1, 1, "")

    @property
    def inside_strings(self) -> set[int]:
        """The lines that begin inside a string: their blanks are data."""
        if self._inside_strings is None:
            self._inside_strings = set(_lines_inside_strings("\n".join(self.lines)))
        return self._inside_strings


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function; of the functions and classes in it, only they themselves."""
    todo: list[ast.AST] = [function]
    while todo:
        for child in ast.iter_child_nodes(todo.pop()):
            yield child
            if not isinstance(child, AnyFunction | ast.ClassDef):
                todo.append(child)


def _has_mixed_ends(text: str) -> bool:
    return "\r" in text and not text.count("\r\n") == text.count("\n") == text.count("\r")


def _lines_inside_strings(text: str) -> Iterator[int]:
    starts: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            yield from range(token.start[0] + 1, token.end[0] + 1)
        elif kind in {"FSTRING_START", "TSTRING_START"}:
            starts.append(token.start[0])
        elif kind in {"FSTRING_END", "TSTRING_END"}:
            yield from range(starts.pop() + 1, token.end[0] + 1)
