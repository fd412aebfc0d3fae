"""Commands of GitHub Actions: annotations on the lines of a pull request."""

from __future__ import annotations

from lastcall.check.finding import Finding

from .report import Report

__all__ = ["render"]

COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report) -> str:
    """
    Return a workflow command for each finding; empty for none.

    Source: GitHub Actions, "Workflow commands", and `@actions/core`, which says what is escaped.
    """
    return "".join(_command(finding) for finding in report.findings)


def _command(finding: Finding) -> str:
    properties = {
        "title": f"{finding.rule} {finding.name}",
        "file": finding.path,
        "line": str(finding.line),
        "endLine": str(finding.end_line),
        "col": str(finding.column),
    }
    # GitHub takes columns of one line only.
    if finding.end_line == finding.line:
        properties["endColumn"] = str(finding.end_column)
    else:
        del properties["col"]
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    notes = "".join(f"\n{one.path}:{one.line}: {one.message}" for one in finding.related)
    return f"::{COMMANDS[finding.severity]} {listed}::{_data(finding.message + notes)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
