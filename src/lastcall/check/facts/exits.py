"""
On which ways out of a function a session it opened is still open.

The body is run with one variable in mind. Its state is a set of: not opened yet ("N"), open ("O"), closed or
given away ("C"). An `await`, a `raise` and a `return` are ways out; an ordinary call is not counted as one,
since nearly every line would be. A close under a condition is taken to match the condition under which the
session was opened.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["CLOSERS", "open_exits"]

CLOSERS = frozenset({"close", "aclose", "_close", "__aexit__", "detach", "disconnect"})
"""Methods that close what they are called on."""

TAKERS = frozenset({"enter_async_context", "push_async_exit", "push_async_callback", "aclosing", "closing"})
BROAD = frozenset({"Exception", "BaseException"})
SWALLOWERS = frozenset({"suppress", "raises", "assertRaises", "assertRaisesRegex"})

_State = frozenset[str]
_NONE: _State = frozenset()
_CLOSED: _State = frozenset("C")


def open_exits(body: list[ast.stmt], name: str) -> tuple[str, int] | None:
    """
    Return the first way out of *body* with the session in *name* open, or None if there is none.

    Returns:
        Its kind ("await", "raise", "return", "end", or "yield" if there is only that) and its line.
    """
    runner = _Runner(name)
    states = runner.block(body, frozenset("N"))
    ways = [*runner.raised, *runner.left]
    if "O" in states:
        ways.append(("end", body[-1].end_lineno or body[-1].lineno))
    ways.sort(key=lambda way: (way[0] == "yield", way[1]))
    return ways[0] if ways else None


class _Runner:
    """Runs statements on sets of states, and gathers the ways out with the session open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.raised: list[tuple[str, int]] = []
        self.left: list[tuple[str, int]] = []
        self.looped: _State = _NONE

    def block(self, body: list[ast.stmt], states: _State) -> _State:
        """Return the states in which *body* is left at its end."""
        for statement in body:
            if not states:
                break
            method = getattr(self, f"_{type(statement).__name__}", self._simple)
            states = method(statement, states)
        return states

    def _simple(self, node: ast.stmt, states: _State) -> _State:
        if self._closes(node):
            return _closed(states)
        self._risk(node, states)
        if self._opens(node):
            return frozenset("O")
        if self._gives_away(node):
            return _closed(states)
        return _NONE if _ends_program(node) else states

    def _risk(self, node: ast.AST, states: _State) -> None:
        """Note the ways out that evaluating *node* offers while the session is open."""
        if "O" not in states:
            return
        for child in _now(node):
            if isinstance(child, ast.Await | ast.AsyncFor | ast.AsyncWith):
                self.raised.append(("await", child.lineno))
            elif isinstance(child, ast.Yield | ast.YieldFrom):
                self.raised.append(("yield", child.lineno))

    def _Return(self, node: ast.Return, states: _State) -> _State:  # noqa: N802
        if self._closes(node):
            return _NONE
        self._risk(node, states)
        if "O" in states and not (node.value and self._hands_over(node.value)):
            self.left.append(("return", node.lineno))
        return _NONE

    def _Raise(self, node: ast.Raise, states: _State) -> _State:  # noqa: N802
        if "O" in states:
            self.raised.append(("raise", node.lineno))
        return _NONE

    def _Break(self, node: ast.stmt, states: _State) -> _State:  # noqa: ARG002, N802
        self.looped |= states
        return _NONE

    _Continue = _Break

    def _FunctionDef(self, node: ast.stmt, states: _State) -> _State:  # noqa: ARG002, N802
        return states

    _AsyncFunctionDef = _ClassDef = _FunctionDef

    def _If(self, node: ast.If, states: _State) -> _State:  # noqa: N802
        self._risk(node.test, states)
        entered = _closed(states) if self._means_closed(node.test) else states
        then = self.block(node.body, entered)
        otherwise = self.block(node.orelse, states)
        if then and "O" not in then and any(map(self._closes, node.body)):
            otherwise = _closed(otherwise)
        if otherwise and node.orelse and "O" not in otherwise and any(map(self._closes, node.orelse)):
            then = _closed(then)
        return then | otherwise

    def _Match(self, node: ast.Match, states: _State) -> _State:  # noqa: N802
        self._risk(node.subject, states)
        return states.union(*(self.block(case.body, states) for case in node.cases))

    def _For(self, node: ast.For | ast.AsyncFor | ast.While, states: _State) -> _State:  # noqa: N802
        self._risk(node.test if isinstance(node, ast.While) else node.iter, states)
        if isinstance(node, ast.AsyncFor) and "O" in states:
            self.raised.append(("await", node.lineno))
        outer, self.looped = self.looped, _NONE
        after = self.block(node.body, states)
        endless = (
            isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        )
        out = self.looped if endless else states | after | self.looped
        if not endless and "O" in states and "O" not in after and any(map(self._closes, node.body)):
            out = after | self.looped
        self.looped = outer
        return self.block(node.orelse, out) if node.orelse else out

    _AsyncFor = _While = _For

    def _With(self, node: ast.With | ast.AsyncWith, states: _State) -> _State:  # noqa: N802
        for item in node.items:
            if self._names(item.context_expr) or self._closes(item.context_expr):
                states = _closed(states)
            self._risk(item.context_expr, states)
        if isinstance(node, ast.AsyncWith) and "O" in states:
            self.raised.append(("await", node.lineno))
        before = len(self.raised)
        after = self.block(node.body, states)
        if any(_called(item.context_expr) in SWALLOWERS for item in node.items):
            after |= states if len(self.raised) > before else _NONE
            del self.raised[before:]
        return after

    _AsyncWith = _With

    def _Try(self, node: ast.Try, states: _State) -> _State:  # noqa: N802
        outer = self.raised, self.left
        self.raised, self.left = [], []
        after = self.block(node.body, states)
        if node.orelse:
            after = self.block(node.orelse, after)
        if node.handlers:
            after |= self._handled(node, states)
        if any(map(self._closes, node.finalbody)):
            self.raised, self.left, after = [], [], _closed(after)
        elif node.finalbody:
            after = self.block(node.finalbody, after)
        self.raised, self.left = outer[0] + self.raised, outer[1] + self.left
        return after

    _TryStar = _Try

    def _handled(self, node: ast.Try, states: _State) -> _State:
        """Return the states in which handlers end, with `raised` cleared of what they catch."""
        caught, self.raised = self.raised, []
        entry = frozenset("O") if caught else _closed(states)
        after = _NONE
        for handler in node.handlers:
            after |= self.block(handler.body, entry)
        if not any(_is_broad(handler) for handler in node.handlers):
            self.raised += caught
        return after

    def _closes(self, node: ast.AST) -> bool:
        """Tell whether *node* closes the session, or hands its closing on."""
        return any(self._closes_here(child) for child in _now(node))

    def _closes_here(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute) and node.attr in CLOSERS:
            base = node.value
            while isinstance(base, ast.Attribute):
                base = base.value
            return isinstance(base, ast.Name) and base.id == self.name
        if isinstance(node, ast.Call):
            called = _called(node)
            taken = called in TAKERS or "close" in called or "shutdown" in called or "cleanup" in called
            return taken and any(map(self._names, node.args))
        return isinstance(node, ast.AsyncWith | ast.With) and any(
            self._names(item.context_expr) for item in node.items
        )

    def _opens(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            targets = [child.target for child in _now(node) if isinstance(child, ast.NamedExpr)]
        mine = any(map(self._names, targets))
        return mine and any(isinstance(child, ast.Call) for child in _now(node))

    def _gives_away(self, node: ast.stmt) -> bool:
        """Tell whether the name is given another value."""
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            return False
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(map(self._names, targets))

    def _hands_over(self, node: ast.expr) -> bool:
        """Tell whether *node* is the session, or something made of it."""
        return any(map(self._names, _values(node)))

    def _names(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self.name

    def _means_closed(self, test: ast.expr) -> bool:
        """Tell whether *test* is true only if there is no open session: `not s`, `s is None`, `s.closed`."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._names(test.operand)
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is):
            return self._names(test.left)
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
            return all(map(self._means_closed, test.values))
        return isinstance(test, ast.Attribute) and test.attr == "closed" and self._names(test.value)


def _closed(states: _State) -> _State:
    return _CLOSED if states else _NONE


def _now(node: ast.AST) -> Iterator[ast.AST]:
    """Yield *node* and what is run with it: not the bodies of functions defined in it."""
    yield node
    todo = list(ast.iter_child_nodes(node))
    while todo:
        child = todo.pop()
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        yield child
        todo.extend(ast.iter_child_nodes(child))


def _values(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the parts of *node* whose value is part of its own: elements, branches, arguments of calls."""
    todo: list[ast.expr] = [node]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, ast.Tuple | ast.List | ast.Set):
            todo.extend(part.elts)
        elif isinstance(part, ast.Dict):
            todo.extend(part.values)
        elif isinstance(part, ast.IfExp):
            todo.extend((part.body, part.orelse))
        elif isinstance(part, ast.BoolOp):
            todo.extend(part.values)
        elif isinstance(part, ast.Call):
            todo.extend((*part.args, *(keyword.value for keyword in part.keywords)))


def _called(node: ast.AST) -> str:
    """Return the last part of the name of what *node* calls, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _ends_program(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and _called(node.value) in {"exit", "_exit", "abort", "fail", "skip"}


def _is_broad(handler: ast.ExceptHandler) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in BROAD) for kind in types)
