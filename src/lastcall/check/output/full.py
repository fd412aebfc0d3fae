"""For people: where a session is opened, where it is kept and who fails to close it, shown in the source."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from lastcall.check.finding import Finding
from lastcall.check.text import Sources

from .report import Report
from .words import printable, shown_width

__all__ = ["render"]

OPENED = {
    *("LC001", "LC002", "LC003", "LC004", "LC010", "LC011"),
    *("LC020", "LC021", "LC033", "LC050", "LC051"),
}
"""Rules whose place is the call that opens the session."""

UNCLOSED = {"LC001", "LC002"}
"""Rules that say that nobody closes it."""

NEAR = 8
"""Lines between two places that are still shown in one excerpt, all of them."""

LONGEST = 160
"""Characters shown of one line."""

STYLES = {
    "bold": "1",
    "error": "1;31",
    "warning": "1;33",
    "info": "1;36",
    "mark": "31",
    "note": "34",
    "dim": "2",
}

Span = tuple[str, str]
"""A piece of a line and its style; an empty style is plain."""


class _Mark(NamedTuple):
    """A place in a line, and what there is to say about it."""

    line: int
    column: int
    end: int
    """The column after the last one."""
    label: str
    style: str


def render(report: Report, *, color: bool = False, width: int = 80) -> str:
    """
    Return each finding with an excerpt of the source; empty for none.

    Args:
        report: What to tell.

        color: Whether to colour it with ANSI escapes.

        width: Columns to wrap prose to. Paths and source are not wrapped.
    """
    blocks = [_block(finding, report.sources, width) for finding in report.findings]
    return "\n".join("".join(_text(line, color=color) + "\n" for line in block) for block in blocks)


def _text(spans: list[Span], *, color: bool) -> str:
    if not color:
        return "".join(text for text, _ in spans).rstrip()
    return "".join(f"\x1b[{STYLES[style]}m{text}\x1b[0m" if style else text for text, style in spans)


def _block(finding: Finding, sources: Sources, width: int) -> Iterator[list[Span]]:
    sure = "" if finding.confidence == "high" else f", {finding.confidence} confidence"
    yield [
        (printable(f"{finding.path}:{finding.line}:{finding.column}"), "bold"),
        (": ", ""),
        (f"{finding.rule} {finding.name}", finding.severity),
        (f" ({finding.severity}{sure})", "dim"),
    ]
    for line in textwrap.wrap(printable(finding.message), max(width - 2, 40)):
        yield [(f"  {line}", "")]
    excerpt = list(_excerpts(finding, sources))
    if excerpt:
        yield []
        yield from excerpt
        yield []
    yield [("  help: ", "dim"), (_help(finding), "")]


def _help(finding: Finding) -> str:
    explain = f"lastcall explain {finding.rule}"
    if finding.fix is None:
        return explain
    sentence = finding.fix.message[:1].lower() + finding.fix.message[1:]
    how = {"safe": " (--fix)", "unsafe": " (--fix --unsafe-fixes)", "display": ""}[finding.fix.applicability]
    return f"{sentence}{how}; {explain}"


def _excerpts(finding: Finding, sources: Sources) -> Iterator[list[Span]]:
    """Yield the lines of the finding's own file, then those of the others."""
    first = _primary(finding, sources)
    here = [first] if first is not None else []
    elsewhere: dict[str, list[_Mark]] = {}
    for one in finding.related:
        text = sources.line(one.path, one.line)
        if text:
            mark = _Mark(one.line, one.column, _end_of_name(text, one.column), one.message, "note")
            (here if one.path == finding.path else elsewhere.setdefault(one.path, [])).append(mark)
    gutter = max([len(str(mark.line)) for marks in (here, *elsewhere.values()) for mark in marks], default=1)
    yield from _excerpt(finding.path, here, sources, gutter)
    for path, marks in elsewhere.items():
        yield [(" " * (gutter + 2), ""), ("-> ", "note"), (printable(f"{path}:{marks[0].line}"), "")]
        yield from _excerpt(path, marks, sources, gutter)
    if here and finding.rule in UNCLOSED:
        yield [(" " * (gutter + 3), ""), ("= ", "note"), ("nobody closes it", "mark")]


def _primary(finding: Finding, sources: Sources) -> _Mark | None:
    text = sources.line(finding.path, finding.line)
    if not text:
        return None
    end = finding.end_column if finding.end_line == finding.line else len(text.rstrip()) + 1
    label = "opened here" if finding.rule in OPENED else ""
    return _Mark(finding.line, finding.column, max(end, finding.column + 1), label, "mark")


def _end_of_name(text: str, column: int) -> int:
    name = re.compile(r"(?:async |def )*[\w.]+").match(text, column - 1)
    return name.end() + 1 if name else column + 1


def _excerpt(path: str, marks: list[_Mark], sources: Sources, gutter: int) -> Iterator[list[Span]]:
    """Yield the marked lines in order, and those between that are near."""
    by_line: dict[int, list[_Mark]] = {}
    for mark in marks:
        by_line.setdefault(mark.line, []).append(mark)
    before = 0
    for number in sorted(by_line):
        if before and number - before > NEAR:
            yield [(f"  {'':>{gutter}} ", ""), ("...", "dim")]
        elif before:
            for between in range(before + 1, number):
                yield _source(sources.line(path, between), between, gutter, 1)
        text = sources.line(path, number)
        start = _window(text, by_line[number])
        yield _source(text, number, gutter, start)
        for mark in by_line[number]:
            yield _underline(text, mark, gutter, start)
        before = number


def _window(text: str, marks: list[_Mark]) -> int:
    """Return the first column to show of a line that may be too long."""
    return 1 if len(text) <= LONGEST else max(1, min(mark.column for mark in marks) - LONGEST // 2)


def _source(text: str, number: int, gutter: int, start: int) -> list[Span]:
    cut = text[start - 1 : start - 1 + LONGEST]
    return [(f"  {number:>{gutter}} | ", "note"), (_flat(cut), "")]


def _underline(text: str, mark: _Mark, gutter: int, start: int) -> list[Span]:
    before = shown_width(_flat(text[start - 1 : mark.column - 1]))
    covered = text[mark.column - 1 : min(mark.end - 1, start - 1 + LONGEST)]
    line = ("^" if mark.style == "mark" else "-") * max(1, shown_width(_flat(covered)))
    label = f" {printable(mark.label)}" if mark.label else ""
    return [(f"  {'':>{gutter}} | ", "note"), (" " * before, ""), (line + label, mark.style)]


def _flat(text: str) -> str:
    return printable(text.replace("\t", "    "))
