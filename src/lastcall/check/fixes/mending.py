"""Fixes that are tried before they are believed: the file still parses, the finding is gone, none is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lastcall.check.finding import Applicability, Finding, Result
from lastcall.check.rules import BY_CODE
from lastcall.check.text import Sources

from .edits import apply_edits, overlap
from .overlay import Overlay
from .planning import with_plans
from .source import Source

__all__ = ["Mended", "mend", "with_fixes"]

MAX_ROUNDS = 20
"""Fixes that touch the same lines are applied one round after the other."""

Key = tuple[str, str, str, str]
Select = Callable[[Result, Sources], Iterable[Finding]]
"""Returns the findings of a result that are to be mended: those that would be told."""


@dataclass
class Mended:
    """What was mended."""

    texts: dict[str, str] = field(default_factory=dict)
    """From path to the file's new text, of those that changed."""

    originals: dict[str, str] = field(default_factory=dict)
    """From path to what the file's text was before."""

    findings: list[Finding] = field(default_factory=list)
    """What is gone."""


def with_fixes(
    findings: Iterable[Finding],
    overlay: Overlay,
    sources: Sources,
    texts: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """
    Return findings with the fixes that proved right.

    Args:
        findings: Of the project as it is with *texts*.

        overlay: The project.

        sources: The text of its files, *texts* included.

        texts: From path to what stands for a file's text, such as an editor's buffer.
    """
    planned = with_plans(findings, sources)
    fixable = [one for one in planned if one.fix is not None]
    good = set(map(id, _proven(fixable, overlay, sources, texts or {})))
    return tuple(one if id(one) in good else replace(one, fix=None) for one in planned)


def mend(overlay: Overlay, select: Select, *, unsafe: bool) -> Mended:
    """
    Return the project's texts as they are when everything is mended that can be.

    Args:
        overlay: The project.

        select: Chooses what is to be mended.

        unsafe: Whether fixes that may change what the program does are wanted, too.
    """
    allowed: set[Applicability] = {"safe", "unsafe"} if unsafe else {"safe"}
    mended = Mended()
    refused: set[Key] = set()
    for _ in range(MAX_ROUNDS):
        sources = Sources(mended.texts)
        findings = select(overlay.check(mended.texts), sources)
        fixable = [
            one
            for one in with_plans(findings, sources)
            if one.fix is not None and one.fix.applicability in allowed and _key(one) not in refused
        ]
        chosen = _apart(fixable)
        proven = _proven(chosen, overlay, sources, mended.texts)
        refused |= {_key(one) for one in chosen} - {_key(one) for one in proven}
        for path, text in _changed(proven, sources).items():
            mended.originals.setdefault(path, sources.text(path))
            mended.texts[path] = text
        mended.findings += proven
        if not chosen:
            break
    return mended


def _apart(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings whose fixes do not meet, the first of each place."""
    chosen: list[Finding] = []
    for one in findings:
        if not any(other.path == one.path and _meet(one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _meet(one: Finding, other: Finding) -> bool:
    return one.fix is not None and other.fix is not None and overlap(one.fix.edits, other.fix.edits)


def _proven(
    findings: Sequence[Finding], overlay: Overlay, sources: Sources, texts: Mapping[str, str]
) -> list[Finding]:
    """Return the findings whose fixes do what they shall, tried all at once, then one by one."""
    if not findings:
        return []
    before = _keys(overlay.check(texts, every_rule=True))
    apart = _apart(findings)
    if len(apart) == len(findings) and _is_right(findings, before, overlay, sources, texts):
        return list(findings)
    return [one for one in findings if _is_right([one], before, overlay, sources, texts)]


def _is_right(
    findings: Sequence[Finding],
    before: Counter[Key],
    overlay: Overlay,
    sources: Sources,
    texts: Mapping[str, str],
) -> bool:
    changed = _changed(findings, sources)
    if not all(_parses(text) for text in changed.values()):
        return False
    result = overlay.check({**texts, **changed}, every_rule=True)
    if any(problem.path in changed for problem in result.problems):
        return False
    after = _keys(result)
    gone = Counter(_key(one) for one in findings if one.rule not in {"LC090", "LC091"})
    expected = before - gone
    awaited = {(one.path, one.symbol) for one in findings if one.rule == "LC005"}
    return all(number <= expected[key] or _may_come(key, awaited) for key, number in after.items())


def _may_come(key: Key, awaited: set[tuple[str, str]]) -> bool:
    """Tell whether a finding was there all along, and only hidden by one that is mended."""
    rule, path, symbol, _ = key
    # To share sessions is another task than to close them. And that an error goes past a close is worth
    # saying, and to be mended, only once the close is awaited.
    return BY_CODE[rule].severity == "info" or (rule == "LC003" and (path, symbol) in awaited)


def _changed(findings: Iterable[Finding], sources: Sources) -> dict[str, str]:
    edits: dict[str, list[Finding]] = {}
    for one in findings:
        edits.setdefault(one.path, []).append(one)
    return {
        path: apply_edits(
            sources.text(path), [edit for one in found if one.fix is not None for edit in one.fix.edits]
        )
        for path, found in edits.items()
    }


def _parses(text: str) -> bool:
    try:
        Source(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _keys(result: Result) -> Counter[Key]:
    return Counter(map(_key, result.findings))


def _key(finding: Finding) -> Key:
    """Return what a finding is known by while its line changes, as its fingerprint does."""
    return finding.rule, finding.path, finding.symbol, finding.subject
