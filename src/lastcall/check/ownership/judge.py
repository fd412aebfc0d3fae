"""LC001 to LC011 and LC033: whether someone closes a session, told from everything that is done to it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from lastcall.check.facts.model import (
    ASYNC_GENERATOR,
    ASYNC_WITH,
    GENERATOR,
    LAMBDA,
    SYNC_WITH,
    Flag,
    Flow,
    Func,
)
from lastcall.check.finding import Confidence

from .draft import Draft, Note
from .finalizers import finalizer_functions
from .graph import Graph
from .known import Known
from .origins import Origin
from .program import ClassRef, FuncRef
from .reach import ANY, Closing, Keep, Reach, reach

__all__ = ["Judge", "Verdict"]

MANAGERS = ("asynccontextmanager", "contextmanager")


class Verdict(NamedTuple):
    """What was decided of one session."""

    origin: Origin
    reach: Reach
    outcome: str
    """"closed", "entered", "returned", "hinted", "import", or the code of a finding."""

    draft: Draft | None = None


class Judge:
    """Decides for one session after the other who closes it."""

    def __init__(self, graph: Graph, known: Known) -> None:
        self.graph = graph
        self.program = graph.program
        self.known = known
        self._finalizers = finalizer_functions(graph)

    def verdict(self, origin: Origin, found: Reach) -> Verdict:
        """Return what becomes of the session that *origin* opens and *found* follows."""
        call = self.program.call(origin.file, origin.number)
        if call.flags & ASYNC_WITH:
            return Verdict(origin, found, "entered")
        if call.flags & SYNC_WITH:
            return Verdict(origin, found, "LC031")
        if call.func == 0 and not origin.loopless:
            return Verdict(origin, found, "import")
        if found.owned_by_hint or self._owner_is_known(found):
            return Verdict(origin, found, "hinted")
        return self._by_closings(origin, found)

    def _owner_is_known(self, found: Reach) -> bool:
        for keep in found.keeps:
            if keep.owner is None:
                continue
            for ref in self.program.ancestors(keep.owner):
                full = f"{self.program.files[ref[0]].module}.{self.program.cls(ref).symbol}"
                if full in self.known.owners:
                    return True
            if any(base in self.known.owners for base in self.program.foreign_bases.get(keep.owner, ())):
                return True
        return False

    # By what is done to it

    def _by_closings(self, origin: Origin, found: Reach) -> Verdict:
        counted = [closing for closing in found.closings if self._applies(origin, closing)]
        timely = [one for one in counted if one.close.kind in {"await", "later", "enter", "stack"}]
        late = [one for one in timely if self._is_finalizer(one)]
        good = [one for one in timely if not self._is_finalizer(one)]
        late += [one for one in counted if one.close.kind == "finalizer"]
        if good:
            return self._closed(origin, found, good)
        if any(one.close.kind in {"bare", "detach"} for one in counted):
            return Verdict(origin, found, "closed")
        if late:
            return Verdict(origin, found, *self._late(origin, late[0]))
        return self._never_closed(origin, found)

    def _applies(self, origin: Origin, closing: Closing) -> bool:
        """Tell whether a close under a flag of ownership closes this session, too."""
        if not closing.close.guards:
            return True
        if self._is_fallback_of_another(origin, closing):
            return False
        if not closing.borrowed:
            return True
        return not any(self._is_ownership_flag(closing.file, guard) for guard in closing.close.guards)

    def _is_fallback_of_another(self, origin: Origin, closing: Closing) -> bool:
        """Tell whether `s = kept or ClientSession()` is closed only if there was none kept."""
        guards = set(closing.close.guards)
        for file, flow in self.graph.into.get(closing.node, ()):
            rivals = [
                other.source
                for number, other in self.graph.into[closing.node]
                if (number, other.at) == (file, flow.at) and other.source != flow.source
            ]
            if flow.source in guards and any(
                rival.startswith("#") and f"{file}|{rival}" != origin.node for rival in rivals
            ):
                return True
        return False

    def _is_ownership_flag(self, file: int, guard: str) -> bool:
        """Tell whether a name remembers that the session was not passed in."""
        head, _, attr = guard.rpartition(".")
        flags = [(file, flag) for flag in self.program.files[file].facts.flags if flag.target == guard]
        if guard.startswith("@") and attr and head[1:].isdigit():
            refs = self.program.ancestors((file, int(head[1:])))
            flags = [
                (ref[0], flag)
                for ref in refs
                for flag in self.program.files[ref[0]].facts.flags
                if flag.target == f"@{ref[1]}.{attr}"
            ]
        if any(flag.kind == "name" for _, flag in flags):
            return False
        return any(self._mentions_parameter(number, flag) for number, flag in flags)

    def _mentions_parameter(self, file: int, flag: Flag) -> bool:
        """Tell whether a flag depends on a parameter of the function that sets it: `session is None`."""
        func = self.program.func((file, flag.func))
        params = {f"{flag.func}:{name}" for name, _, _ in func.params}
        return not params.isdisjoint(flag.sources)

    def _is_finalizer(self, closing: Closing) -> bool:
        return (closing.file, closing.close.func) in self._finalizers

    def _closed(self, origin: Origin, found: Reach, good: list[Closing]) -> Verdict:
        call = self.program.call(origin.file, origin.number)
        home = f"{origin.file}|{call.func}:"
        local = all(
            one.file == origin.file
            and one.close.func == call.func
            and one.node.startswith(home)
            and one.close.kind in {"await", "later"}
            for one in good
        )
        lasting = any(keep.kind != "wild" for keep in found.keeps)
        here = all((one.file, one.close.func) == (origin.file, call.func) for one in good)
        if here and not lasting and found.returned == {(origin.file, call.func)}:
            # Closed if something fails, and returned if not: the caller's to close.
            return Verdict(origin, found, "returned")
        if not local or lasting or found.returned:
            return Verdict(origin, found, "closed")
        func = self.program.func((origin.file, call.func))
        ways = [func.exits.get(one.node.removeprefix(home)) for one in good]
        if any(way is None for way in ways):
            return Verdict(origin, found, "closed")
        return self._not_on_error(origin, found, func, good[0], ways[0] or ("end", 0))

    def _not_on_error(
        self, origin: Origin, found: Reach, func: Func, closing: Closing, way: tuple[str, int]
    ) -> Verdict:
        kind, line = way
        if kind == "yield" and not any(name.endswith(MANAGERS) for name in func.decorators):
            return Verdict(origin, found, "closed")
        words = {
            "await": "an exception or a cancellation",
            "raise": "the exception raised",
            "return": "the `return`",
            "yield": "an exception raised in the `async with` block",
            "end": "another way through the function",
        }[kind]
        where = f"in line {line} " if kind != "end" else ""
        if kind == "yield":
            where = ""
        # What was put where others find it may be closed by them.
        doubtful = kind == "end" or (kind != "yield" and bool(found.keeps))
        confidence = self._confidence(origin, "medium" if doubtful else "high")
        message = f"This session stays open when {words} {where}skips its `close()`."
        if kind == "end":
            message = (
                "This session stays open on another way through the function than the one that closes it."
            )
        notes = (Note(closing.file, closing.close.at, "closed here, if nothing goes wrong before"),)
        return Verdict(origin, found, "LC003", self.draft("LC003", confidence, origin, message, notes))

    def _late(self, origin: Origin, closing: Closing) -> tuple[str, Draft]:
        func = self.program.func((closing.file, closing.close.func))
        in_del = func.name == "__del__" or (closing.close.kind != "finalizer" and "del" in func.name)
        code = "LC010" if in_del else "LC011"
        where = "`__del__`" if in_del else "a finalizer that runs when the program ends"
        message = f"The only close of this session is in {where}, where nothing can be awaited."
        notes = (Note(closing.file, closing.close.at, "closed here"),)
        return code, self.draft(code, self._confidence(origin, "high"), origin, message, notes)

    # Nobody closes it

    def _never_closed(self, origin: Origin, found: Reach) -> Verdict:
        own = [keep for keep in found.keeps if not keep.borrowed or keep.kind != "wild"]
        fields = [keep for keep in own if keep.kind == "field"]
        if found.returned and not own and not self._by_fixture(found):
            return Verdict(origin, found, "returned")
        if self._connector_is_closed(origin):
            return Verdict(origin, found, "closed")
        if fields:
            return self._owner_without_close(origin, found, fields)
        if found.returned and not self._by_fixture(found):
            return Verdict(origin, found, "returned")
        if found.keeps:
            return self._kept_and_forgotten(origin, found)
        return self._forgotten(origin, found)

    def _by_fixture(self, found: Reach) -> bool:
        """Tell whether pytest calls the function that returns the session: nobody then closes it."""
        decorators = [name for ref in found.returned for name in self.program.func(ref).decorators]
        return any(name.endswith("fixture") for name in decorators)

    def _owner_without_close(self, origin: Origin, found: Reach, fields: list[Keep]) -> Verdict:
        keep = next((one for one in fields if not one.borrowed), fields[0])
        attr = keep.node.partition("|")[2].removesuffix(".[]")
        owner = self.program.cls(keep.owner or _family_of(keep.node)).symbol
        confidence: Confidence = "high"
        doubtful = found.foreign and (keep.borrowed or self._receiver_is_closed(found))
        if doubtful or found.lost_track or self._closed_by_name(attr, keep.owner):
            confidence = "medium"
        if self._always_injected(origin, keep) or attr in ANY:
            confidence = "medium"
        message = f"`{owner}.{attr}` keeps this session, and nobody closes it."
        if keep.owner and not self._has_close(keep):
            message += f" `{owner}` has no method that could: add `aclose()` and `__aexit__()`."
        notes = self._keep_notes([keep])
        draft = self.draft(
            "LC002", self._confidence(origin, confidence), origin, message, notes, f"self.{attr}"
        )
        return Verdict(origin, found, "LC002", draft)

    def _receiver_is_closed(self, found: Reach) -> bool:
        """Tell whether an object of another library that was given the session is closed: it may close it."""
        results = (f"{file}|#{number}" for file, number, _ in found.foreign)
        return any(reach(self.graph, [result]).closings for result in results)

    def _connector_is_closed(self, origin: Origin) -> bool:
        """Tell whether the connector the session was given is closed, and the session with it."""
        call = self.program.call(origin.file, origin.number)
        given = [value for key, values in call.args if key == "connector" for value in values]
        start = [node for value in given for node in self.graph.nodes(origin.file, value)]
        closings = reach(self.graph, start).closings if start else []
        return any(not self._is_finalizer(one) and one.close.kind != "bare" for one in closings)

    def _has_close(self, keep: Keep) -> bool:
        names = {"close", "aclose", "stop", "shutdown", "disconnect", "__aexit__", "cleanup"}
        assert keep.owner is not None
        return any(names & set(self.program.cls(ref).methods) for ref in self.program.ancestors(keep.owner))

    def _closed_somewhere(self, node: str) -> bool:
        """Tell whether an attribute is closed in any class: the object it was set on may be of that one."""
        attr = node.partition("|")[2].removesuffix(".[]")
        return attr in self._closed_attributes

    @cached_property
    def _closed_attributes(self) -> set[str]:
        fields = (node for node in self.graph.closes if node.startswith("F"))
        return {node.partition("|")[2].removesuffix(".[]") for node in fields}

    def _closed_by_name(self, attr: str, owner: ClassRef | None) -> bool:
        """Tell whether an attribute of that name is closed on an object that may be the owner."""
        closes = self.graph.closes.get(f"?|{attr}", ())
        return any(owner is None or self._names_class(file, owner) for file, _ in closes)

    def _names_class(self, file: int, owner: ClassRef) -> bool:
        """Tell whether a file mentions a class, one that inherits from it, or its module."""
        if file == owner[0]:
            return True
        facts = self.program.files[file].facts
        refs = {*self.program.descendants(owner), *self.program.ancestors(owner)}
        names = {self.program.cls(ref).name for ref in refs}
        modules = {self.program.files[ref[0]].module for ref in refs}
        return any(full in modules or full.rpartition(".")[2] in names for full in facts.imports.values())

    def _always_injected(self, origin: Origin, keep: Keep) -> bool:
        """Tell whether the session is a fallback for a parameter that every caller in the program fills."""
        call = self.program.call(origin.file, origin.number)
        ref = (origin.file, call.func)
        names = {name for name, _, _ in self.program.func(ref).params}
        rivals = [
            flow.source.partition(":")[2]
            for file, flow in self.graph.into.get(keep.node, ())
            if (file, flow.func) == ref and flow.source.startswith(f"{call.func}:")
        ]
        rivals = [name for name in rivals if name in names]
        sites = self.graph.sites(ref)
        if not rivals or not sites:
            return False
        return all(self._fills(site, ref, rivals[0]) for site in sites)

    def _fills(self, site: tuple[int, int], ref: FuncRef, name: str) -> bool:
        call = self.program.call(*site)
        func = self.program.func(ref)
        names = [param for param, _, _ in func.params]
        position = names.index(name) - (1 if func.cls >= 0 else 0)
        given = {key for key, _ in call.args}
        return name in given or str(position) in given or "**" in given

    def _kept_and_forgotten(self, origin: Origin, found: Reach) -> Verdict:
        keep = found.keeps[0]
        confidence: Confidence = "high"
        name = keep.node.partition("|")[2].removeprefix("0:").removesuffix(".[]")
        if found.foreign or found.lost_track:
            confidence = "medium"
        if all(one.kind == "wild" for one in found.keeps):
            if any(self._closed_somewhere(one.node) for one in found.keeps):
                return Verdict(origin, found, "closed")
            if any("[" in one.node for one in found.keeps):
                confidence = "medium"
        message = f"This session is kept in `{name.strip('[]') or name}`, and nobody closes it."
        draft = self.draft(
            "LC001", self._confidence(origin, confidence), origin, message, self._keep_notes([keep]), name
        )
        return Verdict(origin, found, "LC001", draft)

    def _forgotten(self, origin: Origin, found: Reach) -> Verdict:
        func = self.program.func((origin.file, self.program.call(origin.file, origin.number).func))
        confidence: Confidence = "high"
        if found.foreign or found.lost_track:
            confidence = "medium"
        if found.yielded and (func.flags & 3) in {GENERATOR, ASYNC_GENERATOR}:
            managed = any(name.endswith((*MANAGERS, "fixture")) for name in func.decorators)
            confidence = confidence if managed else "medium"
        if func.flags & LAMBDA:
            confidence = "medium"
        notes: tuple[Note, ...] = ()
        message = (
            f"This session is never closed: use `async with {origin.what}(...)`, or close it in a `finally`."
        )
        if found.passed:
            file, number, ref = found.passed[0]
            given = self.program.func(ref).symbol
            notes = (
                Note(file, self.program.call(file, number).at, f"given to `{given}`, which only uses it"),
            )
        elif found.foreign:
            file, number, name = found.foreign[0]
            notes = (
                Note(file, self.program.call(file, number).at, f"given to `{name}`, which may close it"),
            )
            message = "Nothing in the project closes this session."
        draft = self.draft("LC001", self._confidence(origin, confidence), origin, message, notes)
        return Verdict(origin, found, "LC001", draft)

    # Words

    def draft(  # noqa: PLR0917
        self,
        code: str,
        confidence: Confidence,
        origin: Origin,
        message: str,
        notes: tuple[Note, ...] = (),
        subject: str = "",
    ) -> Draft:
        """Return a finding at the call that opened a session."""
        call = self.program.call(origin.file, origin.number)
        if origin.factory is not None:
            func = self.program.func(origin.factory)
            notes = (*notes, Note(origin.factory[0], func.at, f"`{func.symbol}` returns a new session"))
        subject = subject or self._variable(origin)
        return Draft(code, confidence, origin.file, call.at, call.func, message, notes, subject)

    def _variable(self, origin: Origin) -> str:
        for _, flow in self.graph.flows.get(origin.node, ()):
            name = flow.target.rpartition(":")[2]
            return name if ":" in flow.target else f"self.{flow.target.rpartition('.')[2]}"
        return ""

    def _keep_notes(self, keeps: list[Keep]) -> tuple[Note, ...]:
        return tuple(
            Note(keep.file, keep.flow.at, f"kept here, in `{_spoken(keep.flow)}`")
            for keep in keeps
            if keep.flow is not None
        )

    def _confidence(self, origin: Origin, confidence: Confidence) -> Confidence:
        return "medium" if self.program.files[origin.file].is_test else confidence


def _family_of(node: str) -> ClassRef:
    """Return the class that stands for the family of a field's node, `F4,0|_session`."""
    file, _, index = node.partition("|")[0].removeprefix("F").partition(",")
    return int(file), int(index)


def _spoken(flow: Flow) -> str:
    """Return a flow's target as the source has it, as near as the facts allow."""
    target = flow.target.removesuffix(".[]")
    if target.startswith("@"):
        return f"self.{target.partition('.')[2]}"
    if target.startswith("="):
        return ".".join(target.split(".")[-2:])
    return target.rpartition(":")[2].strip("?[]")
