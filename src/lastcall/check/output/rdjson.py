"""Reviewdog's diagnostic format, as one JSON document."""

from __future__ import annotations

import json
from typing import Any

from lastcall.check.finding import Edit, Finding, Related
from lastcall.check.fixes.edits import merged
from lastcall.check.text import Sources

from .report import Report

__all__ = ["render"]

SEVERITIES = {"error": "ERROR", "warning": "WARNING", "info": "INFO"}


def render(report: Report) -> str:
    """
    Return a `DiagnosticResult`.

    Source: reviewdog, proto/rdf/reviewdog.proto; its columns count bytes of UTF-8, from 1.
    """
    diagnostics = [_diagnostic(finding, report.sources) for finding in report.findings]
    document = {"source": {"name": "lastcall"}, "diagnostics": diagnostics}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _diagnostic(finding: Finding, sources: Sources) -> dict[str, Any]:
    path = finding.path
    span = {
        "start": _position(path, finding.line, finding.column, sources),
        "end": _position(path, finding.end_line, finding.end_column, sources),
    }
    found: dict[str, Any] = {
        "message": finding.message,
        "location": {"path": path, "range": span},
        "severity": SEVERITIES[finding.severity],
        "code": {"value": finding.rule},
    }
    if finding.related:
        found["related_locations"] = [_related(one, sources) for one in finding.related]
    if finding.fix is not None and finding.fix.applicability != "display":
        # Each suggestion stands for itself, so that a fix of several edits has to become one.
        found["suggestions"] = [_suggestion(path, merged(sources.text(path), finding.fix.edits), sources)]
    return found


def _related(one: Related, sources: Sources) -> dict[str, Any]:
    start = _position(one.path, one.line, one.column, sources)
    return {"message": one.message, "location": {"path": one.path, "range": {"start": start}}}


def _suggestion(path: str, edit: Edit, sources: Sources) -> dict[str, Any]:
    start = _position(path, edit.line, edit.column, sources)
    end = _position(path, edit.end_line, edit.end_column, sources)
    return {"range": {"start": start, "end": end}, "text": edit.text}


def _position(path: str, line: int, column: int, sources: Sources) -> dict[str, int]:
    before = sources.line(path, line)[: column - 1]
    return {"line": line, "column": len(before.encode("utf-8", "surrogatepass")) + 1}
