"""What a name means where it stands: a variable of some function, or something imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["Scope", "bound_names", "dotted", "import_bindings", "walk_scope"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


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
            scope = scope.outer
        return ""


def dotted(node: ast.expr) -> str:
    """Return the text of a name with attributes, as "aiohttp.ClientSession", or "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def walk_scope(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without those of functions and classes defined in it."""
    todo: list[ast.AST] = list(reversed(body))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(node))


def bound_names(body: list[ast.stmt]) -> tuple[set[str], set[str]]:
    """Return the names a body binds by assignment, and those it declares to be of another scope."""
    bound: set[str] = set()
    elsewhere: set[str] = set()
    for node in walk_scope(body):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
    return bound - elsewhere, elsewhere


def import_bindings(body: list[ast.stmt], module: str, *, is_package: bool) -> dict[str, str]:
    """
    Return what the imports of one scope bind: from name to full name.

    Args:
        body: The scope's statements; imports inside `if`, `try` and `with` count.

        module: Full name of the module, which relative imports start from.

        is_package: Whether the module is a package's `__init__`.
    """
    found: dict[str, str] = {}
    for node in walk_scope(body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom):
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
