"""JSON: one document, or a line for each finding."""

from __future__ import annotations

import json
from typing import Any

from lastcall.check.finding import Edit, Finding, Fix, Related

from .report import Report

__all__ = ["VERSION", "as_object", "render", "render_lines"]

VERSION = 1
"""Of the format. Within a version keys may be added, none goes or changes."""


def render(report: Report) -> str:
    """Return `{"version": 1, "findings": [...]}`."""
    document = {"version": VERSION, "findings": [as_object(finding) for finding in report.findings]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def render_lines(report: Report) -> str:
    """Return an object a line; empty for no finding."""
    return "".join(json.dumps(as_object(finding), ensure_ascii=False) + "\n" for finding in report.findings)


def as_object(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it."""
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "message": finding.message,
        "related": [_related(one) for one in finding.related],
        "fix": _fix(finding.fix),
        "fingerprint": finding.fingerprint,
    }


def _related(one: Related) -> dict[str, Any]:
    return {"path": one.path, "line": one.line, "column": one.column, "message": one.message}


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    if fix is None:
        return None
    return {
        "applicability": fix.applicability,
        "message": fix.message,
        "edits": [_edit(edit) for edit in fix.edits],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "line": edit.line,
        "column": edit.column,
        "end_line": edit.end_line,
        "end_column": edit.end_column,
        "text": edit.text,
    }
