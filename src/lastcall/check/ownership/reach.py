"""Everywhere one session may go, and everything that is done to it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lastcall.check.facts.model import Close, Flow, Place

from .binding import Bound, bind
from .graph import RUNNERS, Graph, Target
from .program import ClassRef, FuncRef

__all__ = ["ANY", "Closing", "Keep", "Reach", "reach"]

MAX_NODES = 3000
"""Nodes visited for one session; beyond that it counts as known to everyone."""

ANY = frozenset({"*", "__dict__", "__dict__.[]"})
"""What stands for any attribute of an object."""

HARMLESS = frozenset(
    [
        "isinstance",
        "issubclass",
        "print",
        "len",
        "id",
        "repr",
        "str",
        "bool",
        "hasattr",
        "callable",
        "type",
        "hash",
        "vars",
        "dir",
        "format",
        "sorted",
        "min",
        "max",
        "any",
        "all",
        "assert_called_with",
        "debug",
        "info",
        "warning",
        "error",
        "exception",
        "log",
        "critical",
    ]
)
"""Calls that keep nothing of what they are given."""


CACHES = ("cache", "cached", "lru_cache", "alru_cache", "cached_property", "singleton", "once")
"""Decorators that keep what a function returned, and return it again."""


class Closing(NamedTuple):
    """A close that may be applied to the session."""

    file: int
    close: Close
    node: str
    borrowed: bool
    """Whether the session came to the closing object through a parameter."""


class Keep(NamedTuple):
    """A lasting place the session is put in."""

    kind: str
    """"field", "global" or "wild" (an attribute or key of an object of unknown class)."""

    node: str
    file: int
    flow: Flow | None
    owner: ClassRef | None
    """The class whose instances keep it, for a field."""

    borrowed: bool


@dataclass
class Reach:
    """What becomes of one session."""

    nodes: dict[str, bool] = field(default_factory=dict)
    """Nodes it may reach; True where only through a parameter."""

    closings: list[Closing] = field(default_factory=list)
    keeps: list[Keep] = field(default_factory=list)
    returned: set[FuncRef] = field(default_factory=set)
    """Functions that return it as their own: the obligation goes to their callers."""

    shared: set[FuncRef] = field(default_factory=set)
    """Functions that return it from where it is kept: accessors."""

    yielded: set[FuncRef] = field(default_factory=set)
    foreign: list[tuple[int, int, str]] = field(default_factory=list)
    """Calls of code outside the program it is given to: file, call, name."""

    passed: list[tuple[int, int, FuncRef]] = field(default_factory=list)
    """Calls of code in the program it is given to: file, call, function."""

    owned_by_hint: bool = False
    lost_track: bool = False


class _State(NamedTuple):
    node: str
    borrowed: bool
    """It came through a parameter."""

    kept: bool
    """It came from where it is kept, so that returning it hands over no obligation."""

    owner: ClassRef | None


def reach(
    graph: Graph,
    start: list[str],
    closers: frozenset[str] = frozenset(),
    borrowers: frozenset[str] = frozenset(),
) -> Reach:
    """
    Follow a session from *start*.

    Args:
        graph: The program.

        start: The nodes it begins at.

        closers: Full names of callables that close what they are given, or take it over.

        borrowers: Full names of callables outside the program that only use what they are given.
    """
    return _Walk(graph, closers, borrowers).run(start)


class _Walk:
    """A walk over the graph, breadth first."""

    def __init__(self, graph: Graph, closers: frozenset[str], borrowers: frozenset[str]) -> None:
        self.graph = graph
        self.closers = closers
        self.borrowers = borrowers
        self.found = Reach()
        self.todo: list[_State] = []
        self.entries: dict[FuncRef, set[tuple[int, int]]] = {}
        self.seen_closes: set[tuple[int, Place, str, bool]] = set()
        self.packed: dict[str, set[str]] = {}
        self.seen: set[_State] = set()

    def run(self, start: list[str]) -> Reach:
        """Visit everything and return what was found."""
        for node in start:
            self.push(_State(node, borrowed=False, kept=False, owner=None))
        while self.todo:
            if len(self.seen) > MAX_NODES:
                self.found.lost_track = True
                break
            self.visit(self.todo.pop())
        return self.found

    def push(self, state: _State) -> None:
        """Plan to visit a node, unless it was visited in the same manner."""
        if state not in self.seen:
            self.seen.add(state)
            self.todo.append(state)

    def visit(self, state: _State) -> None:
        """Follow every way out of one node."""
        before = self.found.nodes.get(state.node, True)
        self.found.nodes[state.node] = before and state.borrowed
        self._note_closes(state)
        for file, flow in self.graph.flows.get(state.node, ()):
            if self._is_mine(state, file, flow.func):
                self._follow(state, file, flow, "")
        if state.node.startswith("F") and state.node.partition("|")[2] not in ANY:
            family = state.node.partition("|")[0]
            for attr in ANY:
                self.push(state._replace(node=f"{family}|{attr}"))
        base, suffix = _split(state.node)
        if suffix:
            for file, flow in self.graph.flows.get(base, ()):
                if flow.source.partition("|")[2] != state.node:
                    self._follow(state, file, flow, suffix)
            self._arguments(state, base, suffix)
            self._results(state, base, suffix)
        self._arguments(state, state.node, "")
        self._results(state, state.node, "")

    def _is_mine(self, state: _State, file: int, func: int) -> bool:
        """Tell whether a field used in a function may be the one the session is in: not a sibling class's."""
        if state.owner is None:
            return True
        around = self.graph.class_around(file, func)
        program = self.graph.program
        same_family = around is not None and program.family.get(around) == program.family.get(state.owner)
        return around is None or not same_family or program.related(around, state.owner)

    def _note_closes(self, state: _State) -> None:
        for file, close in self.graph.closes.get(state.node, ()):
            if not self._is_mine(state, file, close.func):
                continue
            key = (file, close.at, close.value, state.borrowed)
            if key not in self.seen_closes:
                self.seen_closes.add(key)
                self.found.closings.append(Closing(file, close, state.node, state.borrowed))

    def _follow(self, state: _State, file: int, flow: Flow, suffix: str) -> None:
        if self.graph.program.files[file].facts.hints.get(str(flow.at.line)) == "owns":
            self.found.owned_by_hint = True
        for node in self.graph.nodes(file, flow.target + suffix):
            kind = _kind(node)
            owner = self._owner(file, flow, node) if kind == "field" else None
            if kind:
                self.found.keeps.append(Keep(kind, node, file, flow, owner, state.borrowed))
            self.push(_State(node, state.borrowed, state.kept or bool(kind), owner))

    def _owner(self, file: int, flow: Flow, node: str) -> ClassRef | None:
        """Return the class whose field is written: by its method, or by the type of the object."""
        head, _, _ = flow.target.removesuffix(".[]").rpartition(".")
        classes = self.graph.types(file, head) if head and not head.startswith("=") else []
        if not classes:
            around = self.graph.class_around(file, flow.func)
            classes = [around] if around else []
        family = node.partition("|")[0]
        same = [ref for ref in classes if self.graph.field(ref, "").partition("|")[0] == family]
        return same[0] if same else None

    # Calls

    def _arguments(self, state: _State, node: str, suffix: str) -> None:
        for row in self.graph.args.get(node, ()):
            call = self.graph.program.call(row.file, row.number)
            if not self._is_mine(state, row.file, call.func):
                continue
            if self.graph.program.files[row.file].facts.hints.get(str(call.at.line)) == "owns":
                self.found.owned_by_hint = True
            for target in self.graph.targets(row.file, row.number):
                self._argument(state, (row.file, row.number), target, row.key, suffix)

    def _argument(self, state: _State, site: tuple[int, int], target: Target, key: str, suffix: str) -> None:
        names = self.graph.names_of(target)
        if names & self.closers:
            self.found.owned_by_hint = True
        elif target.kind in {"func", "class"}:
            self._enter(state, site, target, key, suffix)
        elif target.name == "builtins.super":
            return
        elif target.name in RUNNERS and key != "0":
            self._run_later(state, site, key, suffix)
        elif target.name.rpartition(".")[2] not in HARMLESS and not names & self.borrowers:
            self.found.foreign.append((*site, target.name))

    def _run_later(self, state: _State, site: tuple[int, int], key: str, suffix: str) -> None:
        call = self.graph.program.call(*site)
        shifted = str(int(key) - 1) if key.isdigit() else key
        for value in [value for name, values in call.args if name == "0" for value in values]:
            for target in self.graph.callables(site[0], value):
                self._argument(state, site, target, shifted, suffix)

    def _enter(self, state: _State, site: tuple[int, int], target: Target, key: str, suffix: str) -> None:
        keys = self._unpacked(state, key)
        places = [place for one in keys for place in bind(self.graph, target, one)]
        if not places and not self._takes_nothing(target):
            self.found.foreign.append((*site, target.name or "unknown"))
        for place in places:
            self._arrive(state, site, place, target, suffix)

    def _unpacked(self, state: _State, key: str) -> list[str]:
        """Return the keywords under which something packed into `**kwargs` may arrive."""
        if key != "**":
            return [key]
        return sorted(self.packed.get(_split(state.node)[0], ()))

    def _takes_nothing(self, target: Target) -> bool:
        """Tell whether a class of the program has no constructor anywhere that could take an argument."""
        if target.kind != "class":
            return False
        program = self.graph.program
        decorated = any(program.cls(ref).decorators for ref in program.ancestors(target.ref))
        return not decorated and not program.foreign_bases.get(target.ref)

    def _arrive(
        self, state: _State, site: tuple[int, int], place: Bound, target: Target, suffix: str
    ) -> None:
        if place.hint == "owns":
            self.found.owned_by_hint = True
        if place.hint == "borrows":
            return
        if place.keyword:
            self.packed.setdefault(place.node.removesuffix(".[]"), set()).add(place.keyword)
        owner = target.ref if target.kind == "class" and place.func is None else None
        if place.func is not None:
            self.entries.setdefault(place.func, set()).add(site)
            self.found.passed.append((*site, place.func))
        else:
            self.found.keeps.append(Keep("field", place.node, site[0], None, owner, borrowed=True))
        self.push(_State(place.node + suffix, borrowed=True, kept=state.kept, owner=owner))

    def _results(self, state: _State, node: str, suffix: str) -> None:
        for ref in self.graph.returns.get(node, ()):
            if self._is_mine(state, *ref):
                self._returned(state, ref, suffix)
        for ref in self.graph.yields.get(node, ()):
            self.found.yielded.add(ref)
            for site in self._sites(ref):
                self.push(_State(f"{site[0]}|#{site[1]}{suffix}", borrowed=True, kept=True, owner=None))

    def _returned(self, state: _State, ref: FuncRef, suffix: str) -> None:
        if ref not in self.entries and any(name.endswith(CACHES) for name in self._decorators(ref)):
            node = f"{ref[0]}|0:{self.graph.program.func(ref).name}()"
            self.found.keeps.append(Keep("global", node, ref[0], None, None, state.borrowed))
            state = state._replace(kept=True)
        if ref in self.entries:
            sites = self.entries[ref]
        elif state.kept:
            self.found.shared.add(ref)
            sites = set(self._sites(ref))
        else:
            self.found.returned.add(ref)
            return
        for site in sites:
            self.push(_State(f"{site[0]}|#{site[1]}{suffix}", state.borrowed, state.kept, None))

    def _decorators(self, ref: FuncRef) -> list[str]:
        return self.graph.program.func(ref).decorators

    def _sites(self, ref: FuncRef) -> Iterator[tuple[int, int]]:
        return iter(self.graph.sites(ref))


def _split(node: str) -> tuple[str, str]:
    """Split the last attribute off a local node: `2|3:app.session` has the suffix `.session`."""
    if node.endswith(".[]"):
        return node.removesuffix(".[]"), ".[]"
    if node[0] in "F?=":
        return node, ""
    base, dot, last = node.rpartition(".")
    return (base, dot + last) if base and "|" in base else (node, "")


def _kind(node: str) -> str:
    """Return what kind of lasting place a node is: "" for a local variable or a result."""
    if node.startswith("F"):
        return "field"
    if node.startswith("?"):
        return "wild"
    _, _, value = node.partition("|")
    return "global" if value.startswith("0:") or node.startswith("=") else ""
