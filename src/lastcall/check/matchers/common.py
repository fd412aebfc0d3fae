"""Questions that several matchers ask."""

from __future__ import annotations

from collections.abc import Iterator

from lastcall.check.facts.model import Flow
from lastcall.check.finding import Confidence
from lastcall.check.ownership.analysis import Analysis

__all__ = ["confidence", "imports_aiohttp", "is_certain", "is_possible", "kinds_at", "spoken"]


def kinds_at(analysis: Analysis, file: int, value: str) -> set[str]:
    """Return how sessions came to a value; names of attributes alone do not count."""
    found: set[str] = set()
    for node in analysis.graph.nodes(file, value):
        if not node.startswith("?"):
            found |= analysis.sessions.get(node, set())
    return found


def is_certain(analysis: Analysis, file: int, func: int, value: str) -> bool:
    """Tell whether a value holds sessions and nothing else: no other library's object goes there."""
    if "param" in kinds_at(analysis, file, value):
        return True
    return not any(
        f"{number}|{flow.source}" not in analysis.sessions
        and _opens_other(analysis, number, int(flow.source[1:]))
        for number, flow in _into(analysis, file, func, value)
        if flow.source.startswith("#") and flow.source[1:].isdigit()
    )


def is_possible(analysis: Analysis, file: int, func: int, value: str) -> bool:
    """Tell whether a session goes to a value, and not only to a sibling class's field of that name."""
    if not any(node.startswith("F") for node in analysis.graph.nodes(file, value)):
        return True
    return any(
        analysis.sessions.get(node)
        for number, flow in _into(analysis, file, func, value)
        for node in analysis.graph.nodes(number, flow.source)
    )


def _into(analysis: Analysis, file: int, func: int, value: str) -> Iterator[tuple[int, Flow]]:
    """Yield what goes to a value, without the fields of classes no object is of at the same time."""
    here = analysis.graph.class_around(file, func)
    for node in analysis.graph.nodes(file, value):
        for number, flow in analysis.graph.into.get(node, ()):
            there = analysis.graph.class_around(number, flow.func) if node.startswith("F") else None
            if here is None or there is None or analysis.program.related(here, there):
                yield number, flow


def _opens_other(analysis: Analysis, file: int, number: int) -> bool:
    """Tell whether a call makes an object that is no session: it calls something outside the program."""
    targets = analysis.graph.targets(file, number)
    return any(target.kind in {"foreign", "class"} for target in targets)


def confidence(analysis: Analysis, file: int, wanted: Confidence) -> Confidence:
    """Return *wanted*, but `medium` in tests and examples."""
    return "medium" if analysis.program.files[file].is_test else wanted


def imports_aiohttp(analysis: Analysis, file: int) -> bool:
    """Tell whether a module imports aiohttp at its top."""
    imports = analysis.program.files[file].facts.imports.values()
    return any(full == "aiohttp" or full.startswith("aiohttp.") for full in imports)


def spoken(value: str) -> str:
    """Return a value as the source has it, as near as the facts allow: `self._session`, `session`."""
    text = value.replace(".[]", "")
    if text.startswith("@"):
        return f"self.{text.partition('.')[2]}"
    return text.rpartition(":")[2].removeprefix("=").strip("?[]")
