"""One line a finding, as compilers print them: editors and people click on it."""

from __future__ import annotations

from lastcall.check.finding import Finding

from .report import Report
from .words import printable

__all__ = ["line", "render"]


def render(report: Report) -> str:
    """Return a line for each finding; empty for none."""
    return "".join(f"{line(finding)}\n" for finding in report.findings)


def line(finding: Finding) -> str:
    """Return a finding as `path:line:column: CODE message`; `[*]` says that `--fix` mends it."""
    mark = " [*]" if finding.fix is not None and finding.fix.applicability == "safe" else ""
    place = f"{finding.path}:{finding.line}:{finding.column}"
    return printable(f"{place}: {finding.rule}{mark} {finding.message}")
