"""Comments that ignore findings: where they stand, what they name, and which lines they cover."""

from __future__ import annotations

import contextlib
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from .finding import Edit
from .rules import UnknownRuleError, find_rule
from .text import lines_of

__all__ = ["Ignore", "Named", "read_ignores"]

OURS = re.compile(
    r"#\s*lastcall:\s*ignore(?P<file>-file)?\b(?:\s*\[(?P<codes>[^\]]*)\])?"
    r"(?:\s*--\s*(?P<reason>.*?)(?=\s+#\s|\s*$))?"
)
NOQA = re.compile(
    r"#\s*(?P<file>(?:flake8|ruff)\s*:\s*)?noqa\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)"
    r"(?:\s*--\s*(?P<reason>.*?)(?=\s+#\s|\s*$))?",
    re.IGNORECASE,
)
OUR_CODE = re.compile(r"LC\d{3}", re.IGNORECASE)
LAYOUT = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}


@dataclass
class Named:
    """A rule named in a comment."""

    text: str
    """As it stands there."""

    column: int
    """Where, in characters counted from 1."""

    code: str
    """The rule's code; empty if there is no such rule."""

    used: bool = False
    """Whether it ignored a finding."""


@dataclass
class Ignore:
    """A comment that ignores findings."""

    is_noqa: bool
    """Whether it is a `noqa` comment, which other tools read, too."""
    whole_file: bool
    is_alone: bool
    """Whether it is one of ours, on a line of its own: it is about what follows."""
    line: int
    column: int
    """Where it begins, in characters counted from 1."""
    end: int
    """The column after its last one."""
    names: list[Named]
    """The rules of ours that it names, in order; empty for a comment of ours that names none."""
    reason: str
    first: int
    """The first line it covers."""
    last: int
    statement: int
    """The first line of the statement that it ends: what begins there is covered, too."""
    text: str
    """The line it stands on."""
    listed: tuple[int, int]
    """From where to where in that line the rules are named, counted from 0."""

    def covers(self, line: int, end_line: int) -> bool:
        """Tell whether a finding on these lines is one it ignores, if it names the rule."""
        if self.whole_file or (self.first <= end_line and line <= self.last):
            return True
        return self.statement <= line <= self.last

    def without(self, names: list[Named]) -> Edit:
        """Return the edit that takes *names* away, and with the last of all the comment."""
        start, end = self.listed
        listed = re.split(r"[,\s]+", self.text[start:end].strip())
        kept = [text for text in listed if text and text not in {name.text for name in names}]
        if kept:
            return Edit(self.line, start + 1, self.line, end + 1, ", ".join(kept))
        before, after = self.text[: self.column - 1], self.text[self.end - 1 :]
        if not before.strip() and not after.strip():
            return Edit(self.line, 1, self.line + 1, 1, "")
        if after.strip():
            gap = len(after) - len(after.lstrip())
            return Edit(self.line, self.column, self.line, self.end + gap, "")
        return Edit(self.line, len(before.rstrip()) + 1, self.line, len(self.text) + 1, "")


def read_ignores(text: str) -> list[Ignore]:
    """Return the comments of a source file that ignore findings of ours, in order."""
    lines = lines_of(text)
    found: list[Ignore] = []
    # What cannot be parsed has no findings either.
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for comments in _by_statement(lines):
            found += comments
    return found


def _by_statement(lines: list[str]) -> Iterator[list[Ignore]]:
    """Yield the ignore comments of each statement, those above it included."""
    comments: list[Ignore] = []
    start = 0
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            comments += _parsed(token, lines[line - 1])
        elif token.type == tokenize.NEWLINE:
            for ignore in comments:
                _place(ignore, start, line)
            yield comments
            comments, start = [], 0
        elif token.type not in LAYOUT and start == 0:
            start = line
    yield comments


def _place(ignore: Ignore, start: int, last: int) -> None:
    """Say which lines of the statement from *start* to *last* a comment covers."""
    if ignore.is_alone and ignore.line < start:
        ignore.first, ignore.last = start, last
    elif ignore.is_alone:
        ignore.last = ignore.line + 1
    elif ignore.line == last:
        ignore.statement = start


def _parsed(token: tokenize.TokenInfo, text: str) -> Iterator[Ignore]:
    line, offset = token.start
    for pattern in (OURS, NOQA):
        for match in pattern.finditer(token.string):
            names = list(_names(match, offset, all_ours=pattern is OURS))
            if not names and pattern is NOQA:
                continue
            yield Ignore(
                is_noqa=pattern is NOQA,
                whole_file=match["file"] is not None,
                is_alone=pattern is OURS and not text[:offset].strip(),
                line=line,
                column=offset + match.start() + 1,
                end=offset + match.end() + 1,
                names=names,
                reason=(match["reason"] or "").strip(),
                first=line,
                last=line,
                statement=line,
                text=text,
                listed=(offset + match.start("codes"), offset + match.end("codes")),
            )


def _names(match: re.Match[str], offset: int, *, all_ours: bool) -> Iterator[Named]:
    for name in re.finditer(r"[^,\s]+", match["codes"] or ""):
        if not all_ours and not OUR_CODE.fullmatch(name[0]):
            continue
        try:
            code = find_rule(name[0]).code
        except UnknownRuleError:
            code = ""
        yield Named(name[0], offset + match.start("codes") + name.start() + 1, code)
