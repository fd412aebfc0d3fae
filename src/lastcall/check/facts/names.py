"""What a name means where it stands: a variable of some function, or something imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Names", "Scope", "dotted", "import_bindings", "names_in"]

DEFINITIONS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})
NAMING = frozenset({ast.ExceptHandler, ast.MatchAs, ast.MatchStar})


class Scope:
    """The names of one function, or of the module."""

    __slots__ = ("bindings", "cls", "func", "locals", "outer", "self_name")

    def __init__(self, func: int, outer: Scope | None, *, cls: int = -1, self_name: str = "") -> None:
        self.func = func
        self.outer = outer
        self.locals: set[str] = set()
        self.bindings: dict[str, str] = {}
        """From a name to what it stands for: imports, classes and functions defined here."""
        self.cls = cls
        self.self_name = self_name

    def find(self, name: str) -> str:
        """Return the value *name* stands for, seen from here, or "" for a builtin or unknown name."""
        scope: Scope | None = self
        while scope is not None:
            if name == scope.self_name and scope.cls >= 0:
                return f"@{scope.cls}"
            if name in scope.bindings:
                return scope.bindings[name]
            if name in scope.locals:
                return f"{scope.func}:{name}"
            if scope.outer is None:
                return scope.starred(name)
            scope = scope.outer
        return ""

    def starred(self, name: str) -> str:
        """Return what a name is by `from aiohttp import *`, the one such import that concerns us."""
        full = self.bindings.get("*", "")
        return f"=aiohttp.{name}" if full == "=aiohttp.*" and name[:1].isupper() else ""


def dotted(node: ast.expr) -> str:
    """Return the text of a name with attributes, as "aiohttp.ClientSession", or "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


class Names(NamedTuple):
    """What the statements of one scope bind."""

    bound: set[str]
    """Names assigned to, those of `global` and `nonlocal` excepted."""

    imports: list[ast.Import | ast.ImportFrom]
    defined: list[str]
    """Names of functions and classes."""

    yields: bool


def names_in(body: list[ast.stmt]) -> Names:  # noqa: C901, PLR0912 (one pass over every node, so no calls)
    """Return what a body binds, leaving out the bodies of functions and classes defined in it."""
    found = Names(set(), [], [], yields=False)
    elsewhere: set[str] = set()
    yields = False
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:  # type: ignore[attr-defined]
                found.bound.add(node.id)  # type: ignore[attr-defined]
            continue
        if kind is ast.Constant or kind is ast.Lambda:
            continue
        if kind in DEFINITIONS:
            found.defined.append(node.name)  # type: ignore[attr-defined]
            continue
        if kind is ast.Import or kind is ast.ImportFrom:
            found.imports.append(node)  # type: ignore[arg-type]
        elif kind is ast.Global or kind is ast.Nonlocal:
            elsewhere.update(node.names)  # type: ignore[attr-defined]
        elif kind in NAMING:
            if node.name:  # type: ignore[attr-defined]
                found.bound.add(node.name)  # type: ignore[attr-defined]
        elif kind is ast.Yield or kind is ast.YieldFrom:
            yields = True
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                todo += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST):
                todo.append(value)
    found.bound.difference_update(elsewhere)
    return found._replace(yields=yields)


def import_bindings(
    nodes: Iterable[ast.Import | ast.ImportFrom], module: str, *, is_package: bool
) -> dict[str, str]:
    """
    Return what imports bind: from name to full name.

    Args:
        nodes: The imports.

        module: Full name of the module, which relative imports start from.

        is_package: Whether the module is a package's `__init__`.
    """
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
        else:
            base = _import_base(node, module, is_package=is_package)
            for alias in node.names:
                found[alias.asname or alias.name] = f"{base}.{alias.name}" if base else alias.name
    return found


def _import_base(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - (1 if is_package else 0)
    base = parts[: len(parts) - up] if up else parts
    return ".".join([*base, *([node.module] if node.module else [])])
