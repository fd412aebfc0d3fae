"""All files as one program: which definition a name means, wherever it is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lastcall.check.facts.model import Call, Class, Facts, Func

__all__ = ["ClassRef", "FuncRef", "Program", "SourceFile"]

FuncRef = tuple[int, int]
"""A function: number of its file, number in it."""

ClassRef = tuple[int, int]
"""A class: number of its file, number in it."""

MAX_HOPS = 6
"""Re-exports and base classes followed from one name."""


@dataclass(slots=True)
class SourceFile:
    """One file of the program."""

    path: str
    """As in `Finding.path`."""

    module: str
    facts: Facts
    is_test: bool = False


@dataclass
class Program:
    """The files that matter, and how their names connect."""

    files: list[SourceFile]
    _lookups: dict[tuple[str, int], tuple[str, int, int, str] | None] = field(default_factory=dict)

    @cached_property
    def _heads(self) -> frozenset[str]:
        """The first parts of all modules: nothing else can be in the program."""
        return frozenset(file.module.partition(".")[0] for file in self.files)

    @cached_property
    def modules(self) -> dict[str, list[int]]:
        """From full module name to the files that have it."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, file in enumerate(self.files):
            found[file.module].append(number)
        return found

    @cached_property
    def top_level(self) -> list[dict[str, tuple[str, int]]]:
        """For each file: from a name defined at module level to "func" or "class" and its number."""
        tables = []
        for file in self.files:
            table: dict[str, tuple[str, int]] = {}
            for number, func in enumerate(file.facts.funcs):
                if func.parent == 0 and func.cls < 0 and func.symbol == func.name:
                    table.setdefault(func.name, ("func", number))
            for number, cls in enumerate(file.facts.classes):
                if cls.symbol == cls.name:
                    table.setdefault(cls.name, ("class", number))
            tables.append(table)
        return tables

    @cached_property
    def by_name(self) -> dict[str, list[tuple[str, int, int]]]:
        """From a name to the functions and classes at the top of any module that have it."""
        found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
        for number, table in enumerate(self.top_level):
            for name, (kind, index) in table.items():
                found[name].append((kind, number, index))
        return found

    def func(self, ref: FuncRef) -> Func:
        """Return the function *ref* stands for."""
        return self.files[ref[0]].facts.funcs[ref[1]]

    def cls(self, ref: ClassRef) -> Class:
        """Return the class *ref* stands for."""
        return self.files[ref[0]].facts.classes[ref[1]]

    def call(self, file: int, number: int) -> Call:
        """Return a call of a file."""
        return self.files[file].facts.calls[number]

    def lookup(self, full: str, near: int, hops: int = 0) -> tuple[str, int, int, str] | None:
        """
        Return what a full name means in the program, or None if it lies outside.

        Args:
            full: As "package.module.Class.attribute".

            near: The file it is written in, which settles between modules of the same name.

            hops: Re-exports followed so far.

        Returns:
            "func", "class" or "global", the file, the number of the function or class (0 for a global), and
            the attributes that remain; for a global these begin with its name.
        """
        key = (full, near)
        if key not in self._lookups:
            self._lookups[key] = self._look_up(full, near, hops)
        return self._lookups[key]

    def _look_up(self, full: str, near: int, hops: int) -> tuple[str, int, int, str] | None:
        head = full.partition(".")[0]
        if head not in self._heads:
            return None
        parts = full.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            number = self._module(".".join(parts[:cut]), near)
            if number is not None:
                return self._member(number, parts[cut:], hops)
        return self._by_suffix(parts)

    def _module(self, name: str, near: int) -> int | None:
        numbers = self.modules.get(name)
        if not numbers:
            return None
        if len(numbers) == 1:
            return numbers[0]
        here = self.files[near].path.rpartition("/")[0]
        return max(numbers, key=lambda number: _common(self.files[number].path, here))

    def _member(self, number: int, rest: list[str], hops: int) -> tuple[str, int, int, str] | None:
        entry = self.top_level[number].get(rest[0])
        if entry is not None:
            return (entry[0], number, entry[1], ".".join(rest[1:]))
        imported = self.files[number].facts.imports.get(rest[0])
        if imported and hops < MAX_HOPS:
            full = ".".join([imported, *rest[1:]])
            if full != ".".join([self.files[number].module, *rest]):
                return self.lookup(full, number, hops + 1)
        return ("global", number, 0, ".".join(rest))

    def _by_suffix(self, parts: list[str]) -> tuple[str, int, int, str] | None:
        """Find a name through a package whose `__init__` was not read: the one definition below it."""
        for cut in range(len(parts) - 1, 0, -1):
            prefix = ".".join(parts[:cut]) + "."
            found = [
                entry
                for entry in self.by_name.get(parts[cut], ())
                if self.files[entry[1]].module.startswith(prefix)
            ]
            if len(found) == 1:
                return (*found[0], ".".join(parts[cut + 1 :]))
        return None

    # Classes

    @cached_property
    def bases(self) -> dict[ClassRef, list[ClassRef]]:
        """From each class to its bases inside the program."""
        return {ref: list(self._bases(ref)) for ref in self.class_refs()}

    @cached_property
    def foreign_bases(self) -> dict[ClassRef, list[str]]:
        """From each class to the full names of its bases outside the program, its own and inherited ones."""
        found: dict[ClassRef, list[str]] = {}
        for ref in self.class_refs():
            found[ref] = [
                base.removeprefix("=")
                for one in self.ancestors(ref)
                for base in self.cls(one).bases
                if self.class_of(base, one[0]) is None
            ]
        return found

    @cached_property
    def subclasses(self) -> dict[ClassRef, list[ClassRef]]:
        """From each class to those that name it as a base."""
        found: dict[ClassRef, list[ClassRef]] = defaultdict(list)
        for ref, bases in self.bases.items():
            for base in bases:
                found[base].append(ref)
        return found

    def class_refs(self) -> Iterator[ClassRef]:
        """Yield every class of the program."""
        for number, file in enumerate(self.files):
            for index in range(len(file.facts.classes)):
                yield (number, index)

    def _bases(self, ref: ClassRef) -> Iterator[ClassRef]:
        for base in self.cls(ref).bases:
            found = self.class_of(base, ref[0])
            if found is not None and found != ref:
                yield found

    def class_of(self, value: str, file: int) -> ClassRef | None:
        """Return the class a value or a full name is, if it is one of the program's."""
        if value.startswith("@"):
            return (file, int(value[1:])) if value[1:].isdigit() else None
        if value[:1] in {"#", "!", "?"} or ":" in value:
            return None
        found = self.lookup(value.removeprefix("="), file)
        return (found[1], found[2]) if found and found[0] == "class" and not found[3] else None

    def ancestors(self, ref: ClassRef) -> list[ClassRef]:
        """Return a class and the classes it inherits from, nearest first."""
        return self._closure(ref, self.bases)

    def descendants(self, ref: ClassRef) -> list[ClassRef]:
        """Return a class and the classes that inherit from it."""
        return self._closure(ref, self.subclasses)

    def _closure(self, ref: ClassRef, edges: dict[ClassRef, list[ClassRef]]) -> list[ClassRef]:
        order = [ref]
        for one in order:
            order += [other for other in edges.get(one, ()) if other not in order]
        return order

    def related(self, one: ClassRef, other: ClassRef) -> bool:
        """Tell whether an object may be of both classes: one is below the other, or a third below both."""
        if one == other:
            return True
        below = set(self.descendants(one))
        return not below.isdisjoint(self.descendants(other))

    def method(self, ref: ClassRef, name: str) -> list[FuncRef]:
        """Return what `name` may call on an instance: the class's own or inherited, and overriding ones."""
        found: list[FuncRef] = []
        for one in self.ancestors(ref):
            if name in self.cls(one).methods:
                found.append((one[0], self.cls(one).methods[name]))
                break
        overriding = (one for one in self.descendants(ref)[1:] if name in self.cls(one).methods)
        found.extend((one[0], self.cls(one).methods[name]) for one in overriding)
        return found

    @cached_property
    def family(self) -> dict[ClassRef, ClassRef]:
        """From each class to one that stands for all classes it is connected with by inheritance."""
        found: dict[ClassRef, ClassRef] = {}
        for ref in self.class_refs():
            if ref in found:
                continue
            group = [ref]
            for one in group:
                near = [*self.bases.get(one, ()), *self.subclasses.get(one, ())]
                group += [other for other in near if other not in group]
            found.update((one, ref) for one in group)
        return found


def _common(path: str, folder: str) -> int:
    """Return how many characters two paths have in common at their beginning."""
    count = 0
    for one, other in zip(path, folder, strict=False):
        if one != other:
            break
        count += 1
    return count
