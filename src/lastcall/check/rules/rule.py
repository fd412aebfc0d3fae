"""What a rule is: data from which its explanation, its page and its line in every table are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lastcall.check.finding import Severity

__all__ = ["Fixability", "Rule"]

Fixability = Literal["safe", "unsafe", "display", "none"]
"""The best a fix for the rule can be; "none" if there is none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of mistake, with the words that explain it. All prose is Markdown."""

    code: str
    """`LC` and three digits; never used again for anything else."""

    name: str
    """Readable, in kebab case; accepted wherever the code is."""

    severity: Severity
    summary: str
    """What was found, in one sentence that fits a table."""

    why: str
    """Why it matters: what happens at run time."""

    wrong: str
    """Source that gets the finding."""

    right: str
    """The same, mended."""

    exceptions: str = ""
    """When the rule says nothing, or may be ignored with a good conscience."""

    configure: str = ""
    """Which settings change what it finds."""

    fix: Fixability = "none"
    """What `--fix` can do about it."""

    on: bool = True
    """Whether it applies unless selected."""

    in_tests: bool = True
    """Whether it applies to tests and examples."""

    since: str = "0.1.0"
    """The version that brought it."""
