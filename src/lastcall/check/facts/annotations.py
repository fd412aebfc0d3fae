"""What annotations, decorators and bases name, in full."""

from __future__ import annotations

import ast

from .names import dotted
from .notices import Notices

__all__ = ["Annotations"]

CONTAINERS = frozenset(
    {"Optional", "Union", "list", "List", "set", "Set", "dict", "Dict", "ClassVar", "Final"}
)
"""What may be around the class that an annotation is about."""


class Annotations(Notices):
    """Reads names where they stand for classes and functions rather than values."""

    def annotation(self, node: ast.expr | None) -> str:
        """
        Return the class an annotation names, in full, or "".

        `X | None`, `Optional[X]`, `Annotated[X, ...]`, `"X"` and containers of X count as X;
        `lastcall.Borrowed` adds "|borrows".
        """
        if node is None:
            return ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return self.annotation(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                return ""
        if isinstance(node, ast.BinOp):
            return self.annotation(node.left) or self.annotation(node.right)
        if isinstance(node, ast.Subscript):
            return self._subscripted(node)
        name = self.name_of(node)
        return name if name not in {"None", ""} else ""

    def _subscripted(self, node: ast.Subscript) -> str:
        outer = self.name_of(node.value).rpartition(".")[2]
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer == "Annotated":
            inner = self.annotation(parts[0])
            borrowed = any(self.name_of(part).endswith("lastcall.Borrowed") for part in parts[1:])
            return f"{inner}|borrows" if borrowed else inner
        if outer in CONTAINERS:
            names = [name for name in map(self.annotation, reversed(parts)) if name]
            return names[0] if names else ""
        return self.name_of(node.value)

    def name_of(self, node: ast.expr) -> str:
        """Return the full name of a decorator, base or annotation, "" if it has none."""
        if isinstance(node, ast.Call):
            node = node.func
        text = dotted(node)
        head, _, rest = text.partition(".")
        found = self.scope.find(head) if head else ""
        if found.startswith("=") or (found.startswith("@") and found.count(".") == 0):
            head = found.removeprefix("=")
        return f"{head}.{rest}" if rest else head
