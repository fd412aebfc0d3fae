"""Statements: what is assigned, entered, returned and defined."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .annotations import Annotations
from .exits import open_exits
from .model import (
    ASYNC,
    ASYNC_GENERATOR,
    ASYNC_WITH,
    AWAITED,
    DROPPED,
    GENERATOR,
    IN_CLASS,
    IN_DEFAULT,
    IN_LOOP,
    LAMBDA,
    MAIN_GUARD,
    RAISES,
    SYNC_WITH,
    Class,
    Flag,
    Func,
    Place,
)
from .names import Names, Scope, dotted, import_bindings, names_in
from .values import attribute, place

__all__ = ["Statements"]

PER_PLACE = IN_LOOP | RAISES | MAIN_GUARD | IN_CLASS
"""What a nested function does not inherit from the place it is defined at."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Statements(Annotations):
    """Runs through the statements of a module, and of the functions and classes in it."""

    def __init__(self, module: str, hints: dict[int, str], *, is_package: bool) -> None:
        super().__init__()
        self.module = module
        self.is_package = is_package
        self.hints = hints

    def module_body(self, body: list[ast.stmt], shared: set[str]) -> dict[str, str]:
        """
        Run through a whole module, and return what its imports bind.

        Args:
            body: The module's statements.

            shared: Names that functions declare `global`: variables of the module without its word.
        """
        self.scope.locals |= shared
        last = body[-1].end_lineno if body else 1
        self.funcs.append(_func("", "", -1, -1, Place(1, 0, last or 1, 0)))
        imports = self._bind(self.scope, names_in(body))
        self.run(body)
        while self.pending:
            self.pending.pop()()
        self.funcs = [
            func._replace(returns=self.returns.get(index, []), yields=self.yields.get(index, []))
            for index, func in enumerate(self.funcs)
        ]
        return imports

    def _bind(self, scope: Scope, names: Names) -> dict[str, str]:
        scope.locals |= names.bound
        imports = import_bindings(names.imports, self.module, is_package=self.is_package)
        scope.bindings.update((name, f"={full}") for name, full in imports.items())
        if scope.outer is None:
            scope.bindings.update((name, f"={self.module}.{name}") for name in names.defined)
        return imports

    def run(self, body: Sequence[ast.stmt]) -> None:
        """Run through statements; an `if` that leaves guards those after it."""
        depth = len(self.guards)
        for node in body:
            method = getattr(self, f"_{type(node).__name__}", None)
            if method is not None:
                method(node)
            else:
                self._other(node)
            if isinstance(node, ast.If) and not node.orelse and _leaves(node.body):
                self.guards.append(self._names_in(node.test))
        del self.guards[depth:]

    def _other(self, node: ast.stmt) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.eval(child)

    # Assignments

    def targets(self, node: ast.expr) -> list[str]:
        """Return the places an assignment to *node* writes to."""
        if isinstance(node, ast.Tuple | ast.List):
            return [value for part in node.elts for value in self.targets(part)]
        if isinstance(node, ast.Starred):
            return self.targets(node.value)
        if isinstance(node, ast.Name):
            return self.eval(node)
        if isinstance(node, ast.Attribute):
            return [attribute(base, node.attr) for base in self.eval(node.value)]
        return self.eval(node)

    def _Assign(self, node: ast.Assign) -> None:  # noqa: N802
        for target in node.targets:
            self._assign(target, node.value, node)

    def _AnnAssign(self, node: ast.AnnAssign) -> None:  # noqa: N802
        if node.value is not None:
            self._assign(node.target, node.value, node)
        if isinstance(node.target, ast.Attribute) and self.scope.cls >= 0:
            fields = self.classes[self.scope.cls].fields
            fields.setdefault(node.target.attr, self.annotation(node.annotation))

    def _AugAssign(self, node: ast.AugAssign) -> None:  # noqa: N802
        self.flow(self.eval(node.value), self.targets(node.target), node)

    def _assign(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> None:
        pairs = (target, value)
        if all(isinstance(side, ast.Tuple) for side in pairs):
            left, right = target.elts, value.elts  # type: ignore[attr-defined]
            if len(left) == len(right):
                for one, other in zip(left, right, strict=True):
                    self._assign(one, other, node)
                return
        values = self.eval(value)
        places = self.targets(target)
        self.flow(values, places, node)
        self._flag(places, value)
        self.notice_store(target, places, node)

    def _flag(self, places: list[str], value: ast.expr) -> None:
        """Note a variable that may remember whether a session was passed in."""
        kind, sources = "", []
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            kind, sources = "const", self.guard_names()
        elif isinstance(value, ast.Name | ast.Attribute):
            kind, sources = "name", self._peek(value)
        elif isinstance(value, ast.Compare | ast.UnaryOp | ast.BoolOp) or _is_call_of(value, "bool"):
            kind, sources = "none", self._names_in(value)
        if kind:
            self.flags.extend(Flag(self.scope.func, target, kind, sources) for target in places)

    # Leaving and branching

    def _Return(self, node: ast.Return) -> None:  # noqa: N802
        self.returns.setdefault(self.scope.func, []).extend(self.eval(node.value))

    def _Expr(self, node: ast.Expr) -> None:  # noqa: N802
        value = node.value
        if isinstance(value, ast.Call):
            self.eval(value, DROPPED)
        elif isinstance(value, ast.Await) and isinstance(value.value, ast.Call):
            self.eval_call(value.value, DROPPED | AWAITED)
        else:
            self.eval(value)

    def _If(self, node: ast.If) -> None:  # noqa: N802
        self.eval(node.test)
        before = self.context
        if _is_main_guard(node.test):
            self.context |= MAIN_GUARD
        self.guards.append(self._names_in(node.test))
        self.run(node.body)
        self.run(node.orelse)
        self.guards.pop()
        self.context = before

    def _names_in(self, test: ast.expr) -> list[str]:
        names = []
        for child in ast.walk(test):
            if isinstance(child, ast.Name | ast.Attribute):
                names += self._peek(child)
        return names

    def _peek(self, node: ast.expr) -> list[str]:
        """Return what a name or attribute is worth, recording nothing."""
        if isinstance(node, ast.Name):
            found = self.scope.find(node.id)
            return [found] if found else []
        if isinstance(node, ast.Attribute):
            return [attribute(base, node.attr) for base in self._peek(node.value)]
        return []

    def _While(self, node: ast.While) -> None:  # noqa: N802
        self.eval(node.test)
        self.run(node.body)
        self.run(node.orelse)

    def _For(self, node: ast.For | ast.AsyncFor) -> None:  # noqa: N802
        self.iterate(node.iter, node.target)
        before = self.context
        if not _counts(node.iter) and not _stops_early(node.body):
            self.context |= IN_LOOP
        self.run(node.body)
        self.context = before
        self.run(node.orelse)

    _AsyncFor = _For

    def _With(self, node: ast.With | ast.AsyncWith) -> None:  # noqa: N802
        before = self.context
        how = ASYNC_WITH if isinstance(node, ast.AsyncWith) else SYNC_WITH
        for item in node.items:
            values = self.eval(item.context_expr, how)
            if not isinstance(item.context_expr, ast.Call):
                self.close(values, item.context_expr, "enter" if how == ASYNC_WITH else "sync-enter")
            if item.optional_vars is not None:
                self.flow(values, self.targets(item.optional_vars), item.context_expr)
            if isinstance(item.context_expr, ast.Call) and _expects_failure(item.context_expr):
                self.context |= RAISES
        self.run(node.body)
        self.context = before

    _AsyncWith = _With

    def _Delete(self, node: ast.Delete) -> None:  # noqa: N802
        for target in node.targets:
            self.notice_store(target, self.targets(target), node)

    def _Try(self, node: ast.Try) -> None:  # noqa: N802
        self.run(node.body)
        for handler in node.handlers:
            self.run(handler.body)
        self.run(node.orelse)
        self.run(node.finalbody)

    _TryStar = _Try

    def _Match(self, node: ast.Match) -> None:  # noqa: N802
        self.eval(node.subject)
        for case in node.cases:
            self.run(case.body)

    # Definitions

    def _Import(self, node: ast.stmt) -> None:  # noqa: N802
        """Imports were bound when the scope was entered."""

    _ImportFrom = _Import

    def _ClassDef(self, node: ast.ClassDef) -> None:  # noqa: N802
        bases = [value for base in node.bases for value in self._peek_base(base)]
        for decorator in node.decorator_list:
            self.eval(decorator)
        symbol = self._symbol(node.name)
        index = len(self.classes)
        decorators = [self.name_of(decorator) for decorator in node.decorator_list]
        self.classes.append(Class(node.name, symbol, bases, {}, {}, decorators, place(node)))
        if self.scope.outer is not None:
            self.scope.bindings[node.name] = f"@{index}"
        outer, context = self.scope, self.context
        self.scope = Scope(outer.func, outer, cls=index)
        self.context = (context & ~PER_PLACE) | IN_CLASS
        self._class_body(node, index)
        self.scope, self.context = outer, context

    def _class_body(self, node: ast.ClassDef, index: int) -> None:
        for statement in node.body:
            if isinstance(statement, Function):
                self._define(statement, cls=index)
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                self._class_attribute(statement, index)
            else:
                self.run([statement])

    def _class_attribute(self, node: ast.Assign | ast.AnnAssign, index: int) -> None:
        values = self.eval(node.value)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                self.flow(values, [f"@{index}.{target.id}"], node)
                if isinstance(node, ast.AnnAssign):
                    self.classes[index].fields[target.id] = self.annotation(node.annotation)
                if node.value is not None:
                    self._flag([f"@{index}.{target.id}"], node.value)

    def _peek_base(self, node: ast.expr) -> list[str]:
        return self._peek(node.value if isinstance(node, ast.Subscript) else node)

    def _symbol(self, name: str) -> str:
        if self.scope.cls >= 0 and not self.scope.self_name:
            around = self.classes[self.scope.cls].symbol
        else:
            around = self.funcs[self.scope.func].symbol
        return f"{around}.{name}" if around else name

    def _FunctionDef(self, node: Function) -> None:  # noqa: N802
        self._define(node, cls=-1)

    _AsyncFunctionDef = _FunctionDef

    def _define(self, node: Function, *, cls: int) -> None:
        for decorator in node.decorator_list:
            self.eval(decorator)
        index = len(self.funcs)
        decorators = [self.name_of(decorator) for decorator in node.decorator_list]
        names = names_in(node.body)
        flags = _kind(node, names)
        func = _func(node.name, self._symbol(node.name), cls, self.scope.func, place(node))
        func = func._replace(
            params=self._params(node.args),
            decorators=decorators,
            flags=flags,
            returned_type=self.annotation(node.returns),
            hint=self.hints.get(node.lineno, ""),
        )
        self.funcs.append(func)
        if cls >= 0:
            self.classes[cls].methods.setdefault(node.name, index)
        elif self.scope.outer is not None:
            self.scope.bindings[node.name] = f"!{index}"
        static = any(name.endswith("staticmethod") for name in decorators)
        self_name = "" if static or cls < 0 else _first(node.args)
        self._enter(node.args, node.body, names, index, self_name, cls)

    def define_lambda(self, node: ast.Lambda) -> str:
        """Enter a lambda and return its value."""
        index = len(self.funcs)
        func = _func("<lambda>", self._symbol("<lambda>"), -1, self.scope.func, place(node))
        self.funcs.append(func._replace(params=self._params(node.args), flags=LAMBDA))
        body: list[ast.stmt] = [ast.copy_location(ast.Return(value=node.body), node)]
        self._enter(node.args, body, names_in(body), index, "", -1)
        return f"!{index}"

    def _enter(  # noqa: PLR0917
        self, args: ast.arguments, body: list[ast.stmt], names: Names, index: int, self_name: str, cls: int
    ) -> None:
        """Arrange for a function's body to be run when everything around it has been seen."""
        outer = self.scope
        if outer.cls >= 0 and cls >= 0 and outer.outer is not None:
            outer = outer.outer
        scope = Scope(index, outer, cls=cls if self_name else -1, self_name=self_name)
        scope.locals |= {arg.arg for arg in _all_args(args)}

        def run() -> None:
            before = self.scope, self.context, self.guards
            self.scope, self.context, self.guards = scope, 0, []
            self._bind(scope, names)
            first_call, first_close = len(self.calls), len(self.closes)
            self.run(body)
            self._exits(body, index, first_call, first_close)
            self.scope, self.context, self.guards = before

        self.pending.append(run)

    def _exits(self, body: list[ast.stmt], index: int, first_call: int, first_close: int) -> None:
        """Find out how the function can be left with something it opened and closes still open."""
        if first_call == len(self.calls):
            return
        prefix = f"{index}:"
        closed = {close.value for close in self.closes[first_close:] if close.func == index}
        for value in closed:
            name = value.removeprefix(prefix)
            if value.startswith(prefix) and name.isidentifier():
                way = open_exits(body, name)
                if way is not None:
                    self.funcs[index].exits[name] = way

    def _params(self, args: ast.arguments) -> list[tuple[str, str, str]]:
        before, self.context = self.context, self.context | IN_DEFAULT
        positional = [*args.posonlyargs, *args.args]
        padding: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
        rows = [
            self._param(arg, default)
            for arg, default in zip(positional, [*padding, *args.defaults], strict=True)
        ]
        if args.vararg or args.kwonlyargs:
            rows.append((f"*{args.vararg.arg if args.vararg else ''}", "", ""))
        rows += [
            self._param(arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
        ]
        if args.kwarg:
            rows.append((f"**{args.kwarg.arg}", "", ""))
        self.context = before
        return rows

    def _param(self, arg: ast.arg, default: ast.expr | None) -> tuple[str, str, str]:
        self.eval(default)
        text = "" if default is None else "?"
        if isinstance(default, ast.Constant) and default.value in {None, True, False}:
            text = str(default.value)
        annotation, hint = self.annotation(arg.annotation), self.hints.get(arg.lineno, "")
        if hint and "|" not in annotation:
            annotation = f"{annotation}|{hint}"
        return arg.arg, annotation, text


def _func(name: str, symbol: str, cls: int, parent: int, at: Place) -> Func:
    return Func(name, symbol, cls, parent, [], [], 0, at, [], [], "", "", {})


def _kind(node: Function, names: Names) -> int:
    kind = ASYNC if isinstance(node, ast.AsyncFunctionDef) else 0
    if names.yields:
        return ASYNC_GENERATOR if kind else GENERATOR
    return kind


def _all_args(args: ast.arguments) -> list[ast.arg]:
    extra = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]


def _first(args: ast.arguments) -> str:
    positional = [*args.posonlyargs, *args.args]
    return positional[0].arg if positional else ""


def _leaves(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _expects_failure(node: ast.Call) -> bool:
    return dotted(node.func).rpartition(".")[2] in {"raises", "assertRaises", "assertRaisesRegex"}


def _stops_early(body: list[ast.stmt]) -> bool:
    """Tell whether a loop tries one thing after the other until one succeeds."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Return | ast.Break):
            return True
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, name, None) or () if not isinstance(node, ast.IfExp | ast.Lambda) else ()
    return False


def _counts(node: ast.expr) -> bool:
    """Tell whether a loop only counts, as one that tries again does."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"


def _is_call_of(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
