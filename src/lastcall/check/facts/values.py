"""Expressions: what they may be worth, and the calls and closes in them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from .exits import CLOSERS
from .model import (
    AWAITED,
    COMPREHENSION,
    DROPPED,
    Call,
    Class,
    Close,
    Flag,
    Flow,
    Func,
    Place,
    Spot,
)
from .names import Scope

__all__ = ["Values", "place"]

ELEMENT_METHODS = frozenset(
    {"values", "items", "pop", "popitem", "popleft", "get", "get_nowait", "copy", "setdefault"}
)
"""Methods that give back elements of what they are called on."""

STORING_METHODS = frozenset(
    {"append", "appendleft", "add", "put", "put_nowait", "insert", "setdefault", "push", "extend", "update"}
)
"""Methods that keep their arguments in what they are called on."""

STACK_METHODS = frozenset(
    {"enter_async_context", "push_async_exit", "enterAsyncContext", "enter_async", "aclosing", "closing"}
)
"""Calls that close their argument later on."""

FINALIZERS = frozenset({"register", "finalize"})
PASSING = frozenset(
    {"list", "tuple", "set", "dict", "cast", "reversed", "sorted", "iter", "next", "filter", "zip"}
)
"""Builtins whose result holds what they are given."""

MAX_DEPTH = 4
"""Attributes followed in one value: `a.b.c.d.e` is not told apart from others."""


class Values:
    """Evaluates expressions to values, recording calls, flows and closes on the way."""

    def __init__(self) -> None:
        self.classes: list[Class] = []
        self.funcs: list[Func] = []
        self.calls: list[Call] = []
        self.flows: list[Flow] = []
        self.closes: list[Close] = []
        self.flags: list[Flag] = []
        self.spots: list[Spot] = []
        self.scope = Scope(0, None)
        self.guards: list[list[str]] = []
        self.context = 0
        """Flags of the place evaluation is at: loops, comprehensions, defaults, classes."""
        self.returns: dict[int, list[str]] = {}
        self.yields: dict[int, list[str]] = {}
        self.pending: list[Callable[[], None]] = []
        """Bodies of functions and lambdas, run when the names around them are known."""

    # What is recorded

    def flow(self, sources: Iterable[str], targets: Iterable[str], node: ast.expr | ast.stmt) -> None:
        """Record that each of *sources* may go to each of *targets*."""
        where, guards = place(node), self.guard_names()
        for source in sources:
            for target in targets:
                if source != target:
                    self.flows.append(Flow(self.scope.func, source, target, where, guards))

    def close(self, values: Iterable[str], node: ast.expr, kind: str) -> None:
        """Record that *values* are closed by *node*."""
        guards = self.guard_names()
        for value in values:
            near = [guard for guard in guards if guard != value and not guard.startswith(f"{value}.")]
            self.closes.append(Close(self.scope.func, value, place(node), kind, near))

    def guard_names(self) -> list[str]:
        """Return the names in the conditions around the place evaluation is at."""
        return list(dict.fromkeys(name for names in self.guards for name in names))

    # Expressions

    def eval(self, node: ast.expr | None, how: int = 0) -> list[str]:
        """
        Return what *node* may be worth.

        Args:
            node: The expression; None is worth nothing.

            how: AWAITED, ASYNC_WITH, SYNC_WITH or DROPPED, for a call.
        """
        if node is None:
            return []
        if isinstance(node, ast.Name):
            found = self.scope.find(node.id)
            return [found] if found else []
        if isinstance(node, ast.Call):
            return self.eval_call(node, how)
        method = getattr(self, f"_{type(node).__name__}", None)
        return method(node) if method else self._children(node)

    def _children(self, node: ast.AST) -> list[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.eval(child)
            elif isinstance(child, ast.FormattedValue | ast.keyword):
                self.eval(child.value)
        return []

    def _Constant(self, node: ast.Constant) -> list[str]:  # noqa: ARG002, N802
        return []

    def _Attribute(self, node: ast.Attribute) -> list[str]:  # noqa: N802
        bases = self.eval(node.value)
        if node.attr in CLOSERS:
            self.close(_receivers(bases), node, "later")
        return [attribute(base, node.attr) for base in bases]

    def _Subscript(self, node: ast.Subscript) -> list[str]:  # noqa: N802
        values = self.eval(node.value)
        key = _key_of(node.slice)
        if not key:
            self.eval(node.slice)
        found = [*elements(values), *([f"?[{key}]"] if key else [])]
        return [*values, *found] if isinstance(node.ctx, ast.Load) else found

    def _Await(self, node: ast.Await) -> list[str]:  # noqa: N802
        return self.eval(node.value, AWAITED)

    def _NamedExpr(self, node: ast.NamedExpr) -> list[str]:  # noqa: N802
        values = self.eval(node.value)
        self.flow(values, self.eval(node.target), node)
        return values

    def _IfExp(self, node: ast.IfExp) -> list[str]:  # noqa: N802
        self.eval(node.test)
        return [*self.eval(node.body), *self.eval(node.orelse)]

    def _BoolOp(self, node: ast.BoolOp) -> list[str]:  # noqa: N802
        return [value for part in node.values for value in self.eval(part)]

    def _elements(self, node: ast.List | ast.Tuple | ast.Set) -> list[str]:
        return [value for part in node.elts for value in self.eval(part)]

    _List = _Tuple = _Set = _elements

    def _Dict(self, node: ast.Dict) -> list[str]:  # noqa: N802
        for key in node.keys:
            self.eval(key)
        values = []
        for key, part in zip(node.keys, node.values, strict=True):
            found = self.eval(part)
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and found:
                self.flow(found, [f"?[{key.value}]"], part)
            values += found
        return values

    def _Starred(self, node: ast.Starred) -> list[str]:  # noqa: N802
        return self.eval(node.value)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> list[str]:
        self._generators(node.generators)
        return self._inside(node.elt)

    _ListComp = _SetComp = _GeneratorExp = _comprehension

    def _DictComp(self, node: ast.DictComp) -> list[str]:  # noqa: N802
        self._generators(node.generators)
        self._inside(node.key)
        return self._inside(node.value)

    def _generators(self, generators: list[ast.comprehension]) -> None:
        for generator in generators:
            self.iterate(generator.iter, generator.target)
            for test in generator.ifs:
                self.eval(test)

    def iterate(self, iterable: ast.expr, target: ast.expr) -> None:
        """Record that the elements of *iterable* go to *target*, one after the other."""
        values = self.eval(iterable)
        self.flow([*values, *elements(values)], self.targets(target), iterable)

    def _inside(self, node: ast.expr) -> list[str]:
        before, self.context = self.context, self.context | COMPREHENSION
        values = self.eval(node)
        self.context = before
        return values

    def _Yield(self, node: ast.Yield) -> list[str]:  # noqa: N802
        self.yields.setdefault(self.scope.func, []).extend(self.eval(node.value))
        return []

    def _YieldFrom(self, node: ast.YieldFrom) -> list[str]:  # noqa: N802
        self.yields.setdefault(self.scope.func, []).extend(self.eval(node.value))
        return []

    def _Lambda(self, node: ast.Lambda) -> list[str]:  # noqa: N802
        return [self.define_lambda(node)]

    # Calls

    def eval_call(self, node: ast.Call, how: int) -> list[str]:
        """Record a call and return what it gives back."""
        if isinstance(node.func, ast.Attribute):
            method, bases = node.func.attr, self.eval(node.func.value)
        else:
            method, bases = "", []
        if method in CLOSERS and bases:
            self.close(_receivers(bases), node, _close_kind(method, how))
        callee = [attribute(base, method) for base in bases] if method else self.eval(node.func)
        name = method or (node.func.id if isinstance(node.func, ast.Name) else "")
        if not callee and isinstance(node.func, ast.Name):
            callee = [f"=builtins.{name}"]
        args = self._arguments(node, name)
        given = [value for _, values in args for value in values]
        if name in STACK_METHODS:
            self.close(given, node, "stack")
        self.notice_call(node, callee)
        special = self._special(node, name, bases, given)
        if special is not None:
            return special
        found = self._elements_got(node, name, bases)
        if (not callee or callee[0].startswith("=builtins.")) and not given and name != "super":
            return []
        keywords = [keyword.arg or "**" for keyword in node.keywords]
        flags = how | self.context
        self.calls.append(Call(self.scope.func, callee, args, place(node), flags, keywords))
        return [f"#{len(self.calls) - 1}", *found]

    def _elements_got(self, node: ast.Call, name: str, bases: list[str]) -> list[str]:
        """Return the elements that a method of a container gives back."""
        if name not in ELEMENT_METHODS or not bases:
            return []
        keys = [key for key in map(_key_of, node.args[:1]) if key]
        # `session.get(url)` is no look-up in a container.
        direct = [] if name == "get" else bases
        return [*direct, *elements(bases), *(f"?[{key}]" for key in keys)]

    def _arguments(self, node: ast.Call, name: str) -> list[tuple[str, list[str]]]:
        before = len(self.closes)
        args = [
            ("*" if isinstance(arg, ast.Starred) else str(position), self.eval(arg))
            for position, arg in enumerate(node.args)
        ]
        args += [(keyword.arg or "**", self.eval(keyword.value)) for keyword in node.keywords]
        if name in FINALIZERS and _is_finalizer(node.func, self.scope):
            for index in range(before, len(self.closes)):
                self.closes[index] = self.closes[index]._replace(kind="finalizer")
        return [(key, values) for key, values in args if values]

    def _special(self, node: ast.Call, name: str, bases: list[str], given: list[str]) -> list[str] | None:
        """Return the result of a call that only moves its arguments or elements, or None for any other."""
        if name in STORING_METHODS and bases and given:
            self.flow(given, elements(bases), node)
            return [*elements(bases), *given] if name == "setdefault" else []
        if name == "__aenter__" and bases:
            return bases
        builtin = isinstance(node.func, ast.Name) and not self.scope.find(name)
        if given and (name == "cast" or (builtin and name in PASSING)):
            return given
        if builtin and name in {"getattr", "setattr"} and len(node.args) > 1:
            return self._named_attribute(node, name)
        return None

    def _named_attribute(self, node: ast.Call, name: str) -> list[str] | None:
        """Return what `getattr` gives back, or record what `setattr` does."""
        owner, key, *rest = node.args
        # An attribute whose name is only known at run time may be any.
        attr = str(key.value) if isinstance(key, ast.Constant) else "*"
        found = [attribute(base, attr) for base in self.eval(owner)]
        if name == "setattr":
            self.flow(self.eval_all(rest), found, node)
            return []
        if attr in CLOSERS:
            self.close(_receivers(self.eval(owner)), node, "later")
        return [*found, *self.eval_all(rest)]

    def eval_all(self, nodes: Iterable[ast.expr]) -> list[str]:
        """Return what any of *nodes* may be worth."""
        return [value for node in nodes for value in self.eval(node)]

    # Filled in elsewhere

    def notice_call(self, node: ast.Call, callee: list[str]) -> None:
        """Look at a call for what is wrong in one file alone."""

    def targets(self, node: ast.expr) -> list[str]:
        """Return the places an assignment to *node* writes to."""
        raise NotImplementedError

    def define_lambda(self, node: ast.Lambda) -> str:
        """Enter a lambda and return its value."""
        raise NotImplementedError


def place(node: ast.expr | ast.stmt | ast.excepthandler) -> Place:
    """Return where *node* stands."""
    return Place(node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)


def attribute(base: str, attr: str) -> str:
    """Return the value of an attribute; beyond `MAX_DEPTH` they are not told apart."""
    if base.startswith("=") or base.count(".") < MAX_DEPTH:
        return f"{base}.{attr}"
    return f"?{attr}"


def elements(bases: Iterable[str]) -> list[str]:
    """Return the values that stand for what containers hold."""
    return [attribute(base, "[]") for base in bases]


def _receivers(bases: list[str]) -> list[str]:
    """Return the sessions that closing *bases* closes: a connector closes its session."""
    found = []
    for base in bases:
        head, _, last = base.rpartition(".")
        found.append(
            head if head and last in {"connector", "_connector"} and not base.startswith("=") else base
        )
        if head and last in {"connector", "_connector"}:
            found.append(base)
    return found


def _close_kind(method: str, how: int) -> str:
    if method == "detach":
        return "detach"
    if how & AWAITED:
        return "await"
    return "bare" if how & DROPPED else "later"


def _is_finalizer(node: ast.expr, scope: Scope) -> bool:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return scope.find(node.value.id) in {"=atexit", "=weakref"}
    return isinstance(node, ast.Name) and scope.find(node.id) in {"=atexit.register", "=weakref.finalize"}


def _key_of(node: ast.expr) -> str:
    """Return the text of a key that is the same wherever it is written: a string, or a constant's name."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Attribute) and node.attr.isupper():
        return node.attr
    return node.id if isinstance(node, ast.Name) and node.id.isupper() else ""
