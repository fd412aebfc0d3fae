"""What there is to tell after a check: findings as they are shown, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lastcall.check.finding import Finding, Problem
from lastcall.check.text import Sources

__all__ = ["Report", "Suppressed"]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that is not told, because someone said so."""

    finding: Finding

    by: Literal["comment", "baseline"]

    reason: str = ""
    """What was said: the comment's text after `--`, or the baseline's note. May be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A check, ready to be written in any form."""

    findings: tuple[Finding, ...]
    """To be told, sorted by path, line, column and rule."""

    suppressed: tuple[Suppressed, ...] = ()
    """In the same order; SARIF tells of them, the other forms do not."""

    doubtful: int = 0
    """How many more there are at `medium`, when only `high` is told."""

    files: int = 0
    """How many Python files were looked at."""

    problems: tuple[Problem, ...] = ()
    """Files that could not be checked."""

    sources: Sources = field(default_factory=Sources)
    """The text of the files, for excerpts."""
