"""SARIF 2.1.0, for GitHub's code scanning and other collectors."""

from __future__ import annotations

import json
from typing import Any

from lastcall._version import __version__
from lastcall.check.finding import Edit, Finding, Fix, Problem, Related
from lastcall.check.rules import RULES, Rule

from .places import is_relative, uri
from .report import Report, Suppressed

__all__ = ["render"]

LEVELS = {"error": "error", "warning": "warning", "info": "note"}
INDEX = {rule.code: number for number, rule in enumerate(RULES)}


def render(report: Report) -> str:
    """Return a log of one run; suppressed findings are in it, as such."""
    results = [_result(finding, None) for finding in report.findings]
    results += [_result(one.finding, one) for one in report.suppressed]
    run = {
        "tool": {"driver": _driver()},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "Where the check was started."}}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(one) for one in report.problems],
            }
        ],
        "results": results,
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    document = {"$schema": schema, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _driver() -> dict[str, Any]:
    return {"name": "lastcall", "semanticVersion": __version__, "rules": [_rule(rule) for rule in RULES]}


def _rule(rule: Rule) -> dict[str, Any]:
    wrong, right = (f"```python\n{text.rstrip()}\n```" for text in (rule.wrong, rule.right))
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": _flat(rule.summary)},
        "fullDescription": {"text": _flat(f"{rule.summary} {rule.why}")},
        "help": {
            "text": _flat(rule.why),
            "markdown": f"{_flat(rule.why)}\n\nWrong:\n\n{wrong}\n\nRight:\n\n{right}\n",
        },
        "defaultConfiguration": {"level": LEVELS[rule.severity], "enabled": rule.on},
        "properties": {"tags": ["aiohttp", "resource-leak"]},
    }


def _flat(text: str) -> str:
    return " ".join(text.split())


def _result(finding: Finding, suppressed: Suppressed | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": INDEX[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [_primary(finding)],
        # Under a name of our own: GitHub computes `primaryLocationLineHash` itself.
        "partialFingerprints": {"lastcall/v1": finding.fingerprint},
        "properties": {"confidence": finding.confidence},
    }
    if finding.related:
        result["relatedLocations"] = [_related(one, number) for number, one in enumerate(finding.related, 1)]
    if finding.fix is not None:
        result["fixes"] = [_fix(finding.path, finding.fix)]
    if suppressed is not None:
        result["suppressions"] = [_suppression(suppressed)]
    return result


def _primary(finding: Finding) -> dict[str, Any]:
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _file(finding.path), "region": region}
    }
    if finding.symbol:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.symbol}]
    return location


def _related(one: Related, number: int) -> dict[str, Any]:
    region = {"startLine": one.line, "startColumn": one.column}
    return {
        "id": number,
        "physicalLocation": {"artifactLocation": _file(one.path), "region": region},
        "message": {"text": one.message},
    }


def _file(path: str) -> dict[str, str]:
    return {"uri": uri(path), "uriBaseId": "SRCROOT"} if is_relative(path) else {"uri": uri(path)}


def _fix(path: str, fix: Fix) -> dict[str, Any]:
    replacements = [_replacement(edit) for edit in fix.edits]
    return {
        "description": {"text": fix.message},
        "artifactChanges": [{"artifactLocation": _file(path), "replacements": replacements}],
    }


def _replacement(edit: Edit) -> dict[str, Any]:
    region = {
        "startLine": edit.line,
        "startColumn": edit.column,
        "endLine": edit.end_line,
        "endColumn": edit.end_column,
    }
    return {"deletedRegion": region, "insertedContent": {"text": edit.text}}


def _suppression(one: Suppressed) -> dict[str, str]:
    kind = {"kind": "inSource" if one.by == "comment" else "external"}
    return kind | ({"justification": one.reason} if one.reason else {})


def _notification(problem: Problem) -> dict[str, Any]:
    location = {"physicalLocation": {"artifactLocation": _file(problem.path)}}
    return {"level": "warning", "message": {"text": problem.message}, "locations": [location]}
