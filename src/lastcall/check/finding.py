"""What the checker reports: plain frozen data, with every field explained beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Applicability",
    "Confidence",
    "Edit",
    "Finding",
    "Fix",
    "Problem",
    "Related",
    "Result",
    "Severity",
]

Severity = Literal["error", "warning", "info"]
"""How much a finding matters, if it is right."""

Confidence = Literal["high", "medium"]
"""How sure a finding is: `high` is shown by default, `medium` is for audits."""

Applicability = Literal["safe", "unsafe", "display"]
"""When a fix may be applied: by `--fix`, only by `--unsafe-fixes`, or never by us."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement of text, in the file of the finding it belongs to."""

    line: int
    """First line to replace, counted from 1."""

    column: int
    """First column to replace: characters of that line, counted from 1."""

    end_line: int
    """Last line to replace, counted from 1."""

    end_column: int
    """The column after the last one replaced; equal to the start for an insertion."""

    text: str
    """What stands there afterwards."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A way to mend a finding by editing text."""

    applicability: Applicability
    message: str
    """What the fix does, in the imperative: "Wrap the session in `async with`"."""

    edits: tuple[Edit, ...]
    """In the order of the file, not overlapping; never empty."""


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that explains a finding: where the session is kept, or why nobody closes it."""

    path: str
    """As in `Finding.path`."""

    line: int
    column: int
    message: str
    """Half a sentence, as "kept in `Client._session`"."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule at a place."""

    rule: str
    """The rule's code, as "LC002"."""

    name: str
    """The rule's readable name, as "owner-has-no-close"."""

    severity: Severity
    confidence: Confidence
    path: str
    """Relative to the directory the check started in, with `/` on every system; absolute if outside of it."""

    line: int
    """Where the session was opened, or the call at fault; counted from 1."""

    column: int
    """Characters, counted from 1."""

    end_line: int
    end_column: int
    """The column after the last one."""

    message: str
    """One or two sentences, for the person who has to mend it."""

    related: tuple[Related, ...] = ()
    """In the order in which a reader wants them; may be empty."""

    fingerprint: str = ""
    """
    The finding's name that survives edits elsewhere: 16 hexadecimal digits over rule, path, enclosing
    function, normalised source line and ordinal; no line number.
    """

    symbol: str = ""
    """Enclosing function or class as "Client.fetch"; empty at module level."""

    subject: str = ""
    """The variable, attribute (`self._session`) or expression the finding is about."""

    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or directory that could not be checked, and why."""

    path: str
    message: str
    """One line, without the path."""

    def __str__(self) -> str:
        """Return the path and what is wrong, in one line."""
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of the checker found."""

    findings: tuple[Finding, ...]
    """Sorted by path, line, column and rule; ignore comments and baseline not yet applied."""

    files: int
    """How many Python files were looked at, those with problems included."""

    problems: tuple[Problem, ...] = ()
    """Sorted by path; each file at most once."""

    commented: tuple[str, ...] = ()
    """Paths of files in which `lastcall:` or an `LC` code stands, sorted: where ignore comments may be."""


def fingerprint(rule: str, path: str, symbol: str, source_line: str, ordinal: int) -> str:
    """
    Return the name under which a finding is known from one run to the next.

    Args:
        rule: The rule's code.

        path: As in `Finding.path`.

        symbol: As in `Finding.symbol`.

        source_line: The line the finding starts on; blanks are normalised here.

        ordinal: Which of the findings that are alike in all of this it is, counted from 0.
    """
    snippet = " ".join(source_line.split())
    text = "\n".join((rule, path, symbol, snippet, str(ordinal)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
