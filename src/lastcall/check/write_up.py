"""From drafts to findings: text, columns in characters, names, fingerprints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .config import CheckConfig
from .facts.extract import UnreadableError, parse
from .facts.model import Place
from .files import Tree
from .finding import Finding, Problem, Related, Result, Severity, fingerprint
from .ownership.analysis import Analysis
from .ownership.draft import Draft
from .rules import BY_CODE, find_rule
from .scan import Scan

__all__ = ["write_up"]

COVERS = {
    "LC020": {"LC001", "LC002", "LC021"},
    "LC021": {"LC001", "LC003"},
    "LC001": {"LC050", "LC051"},
    "LC003": {"LC050", "LC051"},
}
"""Where two rules speak of one call, the one that says it all: its code, and those it makes needless."""


def write_up(  # noqa: PLR0917
    drafts: Iterable[Draft],
    analysis: Analysis,
    tree: Tree,
    scan: Scan,
    config: CheckConfig,
    codes: frozenset[str],
) -> Result:
    """Return the result of a run: the drafts of the selected rules as findings, sorted."""
    chosen = _doubted(_chosen(drafts, analysis, codes), scan.unread_text())
    lines = _Lines(tree)
    severities = {find_rule(name).code: value for name, value in (config.severity or {}).items()}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    findings = []
    for draft in chosen:
        finding = _finding(draft, analysis, lines, severities)
        text = lines.text(finding.path, finding.line)
        ordinal = seen[finding.rule, finding.path, finding.symbol, text.strip()]
        seen[finding.rule, finding.path, finding.symbol, text.strip()] += 1
        findings.append(_named(finding, text, ordinal))
    problems: dict[str, Problem] = {one.path: one for one in tree.problems} | scan.problems
    return Result(
        tuple(sorted(findings, key=lambda one: (one.path, one.line, one.column, one.rule))),
        len(tree.files),
        tuple(problems[path] for path in sorted(problems)),
        tuple(scan.commented),
    )


def _chosen(drafts: Iterable[Draft], analysis: Analysis, codes: frozenset[str]) -> list[Draft]:
    """Return the drafts to write up: one for each rule and place, the surest, in order of place."""
    best: dict[tuple[int, Place, str], Draft] = {}
    for draft in drafts:
        key = (draft.file, draft.at, draft.code)
        if draft.code in codes and (key not in best or draft.confidence == "high"):
            best[key] = draft
    covered = {(file, at, other) for file, at, code in best for other in COVERS.get(code, ())}
    kept = [draft for key, draft in best.items() if key not in covered]
    kept = [one for one in kept if BY_CODE[one.code].in_tests or not analysis.program.files[one.file].is_test]
    return sorted(kept, key=lambda one: (one.file, one.at, one.code))


def _doubted(drafts: list[Draft], unread: bytes) -> list[Draft]:
    """Return the drafts, less sure of those that a file we could not parse may contradict."""
    if not unread:
        return drafts
    return [
        draft._replace(confidence="medium")
        if draft.code in {"LC001", "LC002"} and _mentions_close(unread, draft.subject)
        else draft
        for draft in drafts
    ]


def _mentions_close(text: bytes, subject: str) -> bool:
    name = subject.rpartition(".")[2]
    return bool(name) and f"{name}.close".encode() in text


def _finding(draft: Draft, analysis: Analysis, lines: _Lines, severities: dict[str, Severity]) -> Finding:
    rule = BY_CODE[draft.code]
    path = analysis.program.files[draft.file].path
    related = []
    for note in draft.notes:
        where = analysis.program.files[note.file].path
        related.append(
            Related(where, note.at.line, lines.column(where, note.at.line, note.at.column), note.message)
        )
    return Finding(
        rule.code,
        rule.name,
        severities.get(rule.code, rule.severity),
        draft.confidence,
        path,
        draft.at.line,
        lines.column(path, draft.at.line, draft.at.column),
        draft.at.end_line,
        lines.column(path, draft.at.end_line, draft.at.end_column),
        draft.message,
        tuple(related),
        symbol=analysis.program.func((draft.file, draft.func)).symbol,
        subject=draft.subject,
    )


def _named(finding: Finding, text: str, ordinal: int) -> Finding:
    name = fingerprint(finding.rule, finding.path, finding.symbol, text, ordinal)
    values = {slot: getattr(finding, slot) for slot in Finding.__slots__}
    return Finding(**{**values, "fingerprint": name})


class _Lines:
    """The lines of the files that have findings."""

    def __init__(self, tree: Tree) -> None:
        self._paths = {file.shown: file.path for file in tree.files}
        self._lines: dict[str, list[str]] = {}

    def text(self, path: str, line: int) -> str:
        """Return a line, counted from 1, without its end; empty if the file changed under us."""
        lines = self._of(path)
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def column(self, path: str, line: int, offset: int) -> int:
        """Return the column, in characters from 1, of an offset in UTF-8 bytes from 0."""
        before = self.text(path, line).encode("utf-8", "surrogatepass")[:offset]
        return len(before.decode("utf-8", "replace")) + 1

    def _of(self, path: str) -> list[str]:
        if path not in self._lines:
            try:
                with open(self._paths[path], "rb") as handle:  # noqa: PTH123
                    _, text = parse(handle.read())
                self._lines[path] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            except (OSError, UnreadableError):
                self._lines[path] = []
        return self._lines[path]
