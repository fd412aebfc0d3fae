"""GitLab's Code Quality report."""

from __future__ import annotations

import json
from typing import Any

from lastcall.check.finding import Finding

from .report import Report

__all__ = ["render"]

SEVERITIES = {"error": "major", "warning": "minor", "info": "info"}


def render(report: Report) -> str:
    """
    Return a list with an object for each finding.

    Source: GitLab, "Code Quality", "Code Quality report format".
    """
    return json.dumps([_issue(finding) for finding in report.findings], indent=2, ensure_ascii=False) + "\n"


def _issue(finding: Finding) -> dict[str, Any]:
    return {
        "description": f"{finding.rule}: {finding.message}",
        "check_name": finding.name,
        "fingerprint": finding.fingerprint,
        "severity": SEVERITIES[finding.severity],
        "location": {
            "path": finding.path,
            "positions": {
                "begin": {"line": finding.line, "column": finding.column},
                "end": {"line": finding.end_line, "column": finding.end_column},
            },
        },
    }
