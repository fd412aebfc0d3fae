"""
Where values go in the whole program.

A *node* is a string like a fact's value, with the file before it: `2|3:client`, `2|#7`. Attributes of objects
whose class is known share one node for the class's family, `F4,0|_session`; those of others are known by name
alone, `?|session`; what lies outside the program keeps its full name, `=|os.environ`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lastcall.check.facts.model import Call, Close, Flow, Func

from .program import ClassRef, FuncRef, Program

__all__ = ["Graph", "Target"]

MAX_DEPTH = 5
"""Steps taken to learn the class of a value."""

RUNNERS = frozenset({"functools.partial", "asyncio.to_thread", "anyio.to_thread.run_sync", "builtins.map"})
"""Calls that call their first argument with the others."""


class Target(NamedTuple):
    """What a call may call."""

    kind: str
    """"func", "class", "foreign" (named, outside the program) or "unknown"."""

    ref: tuple[int, int]
    """The function or class; (-1, -1) if there is none."""

    name: str
    """The full name of a foreign callee, or the method's name of an unknown one."""

    bound: bool = False
    """Whether the first parameter is `self` and filled already."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A place where a node occurs."""

    file: int
    number: int
    key: str = ""


class Graph:
    """The program's flows, closes and calls, found by the node they start from."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._nodes: dict[tuple[int, str], list[str]] = {}
        self._types: dict[tuple[int, str], list[ClassRef]] = {}
        self._raw_to: dict[tuple[int, str], list[str]] = defaultdict(list)
        for number, file in enumerate(program.files):
            for flow in file.facts.flows:
                self._raw_to[number, flow.target].append(flow.source)
        self.flows: dict[str, list[tuple[int, Flow]]] = defaultdict(list)
        self.into: dict[str, list[tuple[int, Flow]]] = defaultdict(list)
        self.closes: dict[str, list[tuple[int, Close]]] = defaultdict(list)
        self.args: dict[str, list[_Row]] = defaultdict(list)
        self.used: dict[str, list[_Row]] = defaultdict(list)
        self.returns: dict[str, list[FuncRef]] = defaultdict(list)
        self.yields: dict[str, list[FuncRef]] = defaultdict(list)
        self._targets: dict[tuple[int, int], list[Target]] = {}
        self._sites: dict[FuncRef, list[tuple[int, int]]] = {}
        self._fill()

    def _fill(self) -> None:
        for number, file in enumerate(self.program.files):
            for flow in file.facts.flows:
                for node in self.nodes(number, flow.source):
                    self.flows[node].append((number, flow))
                for node in self.nodes(number, flow.target):
                    self.into[node].append((number, flow))
            for close in file.facts.closes:
                for node in self.nodes(number, close.value):
                    self.closes[node].append((number, close))
            for index, func in enumerate(file.facts.funcs):
                self._fill_func(number, index, func)
            for index, call in enumerate(file.facts.calls):
                self._fill_call(number, index, call)

    def _fill_func(self, number: int, index: int, func: Func) -> None:
        for value in func.returns:
            for node in self.nodes(number, value):
                self.returns[node].append((number, index))
        for value in func.yields:
            for node in self.nodes(number, value):
                self.yields[node].append((number, index))
        if func.cls >= 0 and any(name.endswith("property") for name in func.decorators):
            self._fill_property(number, index)

    def _fill_property(self, file: int, index: int) -> None:
        """Let what a property returns flow to the attribute of its name."""
        func = self.program.files[file].facts.funcs[index]
        target = f"@{func.cls}.{func.name}"
        for value in func.returns:
            flow = Flow(index, value, target, func.at, [])
            self._raw_to[file, target].append(value)
            for node in self.nodes(file, value):
                self.flows[node].append((file, flow))

    def _fill_call(self, file: int, index: int, call: Call) -> None:
        for key, values in call.args:
            for value in values:
                for node in self.nodes(file, value):
                    self.args[node].append(_Row(file, index, key))
        for value in call.callee:
            base, _, method = value.rpartition(".")
            if base.startswith("#") and "." not in base:
                self.used[f"{file}|{base}"].append(_Row(file, index, method))

    # Values

    def nodes(self, file: int, value: str) -> list[str]:
        """Return the nodes a value of a file's facts stands for."""
        key = (file, value)
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = self._find_nodes(file, value)
        return found

    def _find_nodes(self, file: int, value: str) -> list[str]:
        head, _, rest = value.partition(".")
        if head.startswith("?"):
            return [f"?|{value[1:]}"]
        if value.startswith("="):
            return self._global_nodes(file, value[1:])
        if not rest:
            return [] if head.startswith("@") else [f"{file}|{head}"]
        return self._attribute_nodes(file, head, rest)

    def _global_nodes(self, file: int, full: str) -> list[str]:
        found = self.program.lookup(full, file)
        if found is None:
            return [f"=|{full}"]
        kind, number, index, rest = found
        if kind == "global":
            head, _, attributes = rest.partition(".")
            return self.nodes(number, f"0:{head}.{attributes}" if attributes else f"0:{head}")
        if kind == "class":
            return [self.field((number, index), rest)] if rest else []
        return [f"{number}|!{index}"]

    def _attribute_nodes(self, file: int, head: str, rest: str) -> list[str]:
        """Return the nodes of `head.rest`: by the last object on the way whose class is known."""
        owner, _, attr = rest.rpartition(".")
        suffix = ""
        while attr == "[]":
            suffix += ".[]"
            owner, _, attr = owner.rpartition(".")
        if not attr:
            return [f"{file}|{head}{suffix}"]
        classes = self.types(file, f"{head}.{owner}" if owner else head)
        if classes:
            return [self.field(ref, attr + suffix) for ref in classes]
        return [f"{file}|{head}.{rest}", f"?|{attr}{suffix}"]

    def field(self, ref: ClassRef, attr: str) -> str:
        """Return the node of an attribute of a class's instances, shared by its family."""
        root = self.program.family.get(ref, ref)
        return f"F{root[0]},{root[1]}|{attr}"

    # Classes of values

    def types(self, file: int, value: str, depth: int = 0) -> list[ClassRef]:
        """Return the program's classes a value may be an instance of; empty if that is not known."""
        if value.endswith(".[]"):
            value = value.removesuffix(".[]")
        key = (file, value)
        if key not in self._types:
            self._types[key] = []
            self._types[key] = list(dict.fromkeys(self._find_types(file, value, depth)))
        return self._types[key]

    def _find_types(self, file: int, value: str, depth: int) -> list[ClassRef]:
        if depth > MAX_DEPTH:
            return []
        head, _, attr = value.rpartition(".")
        if value.startswith("@") and not head:
            return [(file, int(value[1:]))]
        if value.startswith("#") and not head:
            return self._result_types(file, int(value[1:]), depth)
        if value.startswith("="):
            return self._global_types(file, value[1:], depth)
        found = self._declared(file, value)
        for source in self._raw_to.get((file, value), ()):
            found += self.types(file, source, depth + 1)
        if head and not value.startswith("?"):
            for ref in self.types(file, head, depth + 1):
                found += self._field_types(ref, attr, depth)
        return found

    def _declared(self, file: int, value: str) -> list[ClassRef]:
        """Return the class that a parameter's annotation names."""
        number, _, name = value.partition(":")
        if not number.isdigit():
            return []
        for param, annotation, _ in self.program.files[file].facts.funcs[int(number)].params:
            if param == name and annotation:
                ref = self.program.class_of(annotation.partition("|")[0], file)
                return [ref] if ref else []
        return []

    def _result_types(self, file: int, number: int, depth: int) -> list[ClassRef]:
        found: list[ClassRef] = []
        call = self.program.call(file, number)
        if call.callee == ["=builtins.super"]:
            return []
        for target in self._resolve(file, call, depth + 1):
            if target.kind == "class":
                found.append(target.ref)
            elif target.kind == "func":
                annotation = self.program.func(target.ref).returned_type
                ref = self.program.class_of(annotation, target.ref[0]) if annotation else None
                found += [ref] if ref else []
        return found

    def _global_types(self, file: int, full: str, depth: int) -> list[ClassRef]:
        found = self.program.lookup(full, file)
        if found and found[0] == "class" and not found[3]:
            return [(found[1], found[2])]
        if found and found[0] == "global":
            return self.types(found[1], f"0:{found[3]}", depth + 1)
        return []

    def _field_types(self, ref: ClassRef, attr: str, depth: int) -> list[ClassRef]:
        found: list[ClassRef] = []
        for one in self.program.ancestors(ref):
            annotation = self.program.cls(one).fields.get(attr, "")
            declared = self.program.class_of(annotation, one[0]) if annotation else None
            found += [declared] if declared else []
            value = f"@{one[1]}.{attr}"
            for source in [
                *self._raw_to.get((one[0], value), ()),
                *self._raw_to.get((one[0], f"{value}.[]"), ()),
            ]:
                found += self.types(one[0], source, depth + 1)
        return found

    # Calls

    def targets(self, file: int, number: int) -> list[Target]:
        """Return what a call may call."""
        key = (file, number)
        if key not in self._targets:
            self._targets[key] = self._resolve(file, self.program.call(file, number), 0)
        return self._targets[key]

    def _resolve(self, file: int, call: Call, depth: int) -> list[Target]:
        found: list[Target] = []
        for value in call.callee:
            found += self.callables(file, value, depth)
        return list(dict.fromkeys(found))

    def callables(self, file: int, value: str, depth: int = 0) -> list[Target]:
        """Return what a value may be, when it is called."""
        if value.startswith("="):
            return self._global_callable(file, value[1:])
        head, _, method = value.rpartition(".")
        if value.startswith("!"):
            return [Target("func", (file, int(value[1:])), "")]
        if value.startswith("@") and not head:
            return [Target("class", (file, int(value[1:])), "")]
        if not head:
            return self._variable_callable(file, value, depth)
        return self._method_callable(file, head, method, depth)

    def _global_callable(self, file: int, full: str) -> list[Target]:
        found = self.program.lookup(full, file)
        if found is None:
            return [Target("foreign", (-1, -1), full)]
        kind, number, index, rest = found
        if kind == "func" and not rest:
            return [Target("func", (number, index), full)]
        if kind == "class" and not rest:
            return [Target("class", (number, index), full)]
        if kind == "class" and "." not in rest:
            return [
                Target("func", ref, full, bound="classmethod" in self.program.func(ref).decorators)
                for ref in self.program.method((number, index), rest)
            ]
        if kind == "global":
            return self.callables(number, f"0:{rest}")
        return [Target("unknown", (-1, -1), full.rpartition(".")[2])]

    def _variable_callable(self, file: int, value: str, depth: int) -> list[Target]:
        found: list[Target] = []
        for source in self._raw_to.get((file, value), ()) if depth < MAX_DEPTH else ():
            if source[0] in "!=@":
                found += self.callables(file, source, depth + 1)
        return found or [Target("unknown", (-1, -1), "")]

    def _method_callable(self, file: int, head: str, method: str, depth: int) -> list[Target]:
        classes = self.types(file, head, depth + 1)
        if head.startswith("#") and head[1:].isdigit():
            call = self.program.call(file, int(head[1:]))
            if call.callee == ["=builtins.super"]:
                return self._super_callable(file, call, method)
        found = [
            Target("func", ref, method, bound="staticmethod" not in self.program.func(ref).decorators)
            for one in classes
            for ref in self.program.method(one, method)
        ]
        return found or [Target("unknown", (-1, -1), method)]

    def _super_callable(self, file: int, call: Call, method: str) -> list[Target]:
        number = self._class_around(file, call.func)
        found: list[Target] = []
        if number >= 0:
            for base in self.program.bases.get((file, number), ()):
                for one in self.program.ancestors(base):
                    if method in self.program.cls(one).methods:
                        found.append(
                            Target(
                                "func", (one[0], self.program.cls(one).methods[method]), method, bound=True
                            )
                        )
                        break
        return found or [Target("foreign", (-1, -1), f"super.{method}")]

    def _class_around(self, file: int, func: int) -> int:
        funcs = self.program.files[file].facts.funcs
        while func > 0 and funcs[func].cls < 0:
            func = funcs[func].parent
        return funcs[func].cls if func > 0 else -1

    def class_around(self, file: int, func: int) -> ClassRef | None:
        """Return the class whose method a function is, or is defined in."""
        number = self._class_around(file, func)
        return (file, number) if number >= 0 else None

    def names_of(self, target: Target) -> set[str]:
        """Return the full names a callee is known by: as it was written, and where it is defined."""
        names = {target.name} if target.name else set()
        if target.kind == "func":
            file = self.program.files[target.ref[0]]
            names.add(f"{file.module}.{file.facts.funcs[target.ref[1]].symbol}")
        elif target.kind == "class":
            file = self.program.files[target.ref[0]]
            names.add(f"{file.module}.{file.facts.classes[target.ref[1]].symbol}")
        return names

    def made_by(self, file: int, value: str) -> Iterator[str]:
        """Yield the full names of what made a value outside the program: its class or its factory."""
        sources = [value, *self._raw_to.get((file, value), ())]
        for source in sources:
            if source.startswith("#") and source[1:].isdigit():
                for callee in self.program.call(file, int(source[1:])).callee:
                    if callee.startswith("="):
                        yield callee[1:]
        number, _, name = value.partition(":")
        if number.isdigit():
            for param, annotation, _ in self.program.files[file].facts.funcs[int(number)].params:
                if param == name and annotation:
                    yield annotation.partition("|")[0]

    def sites(self, ref: FuncRef) -> list[tuple[int, int]]:
        """Return the calls that may call a function: file and number; a class stands for its constructor."""
        if ref not in self._sites:
            self._sites[ref] = [site for site in self._candidates(ref) if self._calls(site, ref)]
        return self._sites[ref]

    def _calls(self, site: tuple[int, int], ref: FuncRef) -> bool:
        for target in self.targets(*site):
            if target.kind == "func" and target.ref == ref:
                return True
            if target.kind == "class" and ref in self.program.method(target.ref, "__init__")[:1]:
                return True
        return False

    def _candidates(self, ref: FuncRef) -> list[tuple[int, int]]:
        """Return the calls whose callee has the function's name, or none at all."""
        func = self.program.func(ref)
        names = {func.name, ""}
        if func.name == "__init__" and func.cls >= 0:
            names |= {self.program.cls(one).name for one in self.program.descendants((ref[0], func.cls))}
        return sorted({site for name in names for site in self._by_last_name.get(name, ())})

    @cached_property
    def _by_last_name(self) -> dict[str, list[tuple[int, int]]]:
        """From the last part of what is called to the calls; variables and `cls` have none."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, file in enumerate(self.program.files):
            for index, call in enumerate(file.facts.calls):
                for value in call.callee:
                    named = "." in value or value.startswith("=")
                    found[value.rpartition(".")[2].removeprefix("=") if named else ""].append((number, index))
        return found
