"""JUnit's XML, for servers that show test results: each finding is a failed test."""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree as ET

from lastcall.check.finding import Finding

from .report import Report

__all__ = ["render"]

NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


def render(report: Report) -> str:
    """Return a suite for each file with findings; one test that passes if there are none."""
    root = ET.Element("testsuites", name="lastcall")
    by_path = groupby(report.findings, key=lambda finding: finding.path)
    for path, found in by_path:
        _suite(root, path, [_case(finding) for finding in found])
    if not report.findings:
        _suite(root, "lastcall", [ET.Element("testcase", name="no findings", classname="lastcall", time="0")])
    root.set("tests", str(len(report.findings) or 1))
    root.set("failures", str(len(report.findings)))
    root.set("errors", "0")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, name: str, cases: list[ET.Element]) -> None:
    failures = str(sum(len(case) for case in cases))
    suite = ET.SubElement(
        root, "testsuite", name=_clean(name), tests=str(len(cases)), failures=failures, errors="0"
    )
    suite.extend(cases)


def _case(finding: Finding) -> ET.Element:
    name = f"{finding.rule} {finding.name}:{finding.line}:{finding.column}"
    path = _clean(finding.path)
    case = ET.Element("testcase", name=name, classname=_module(path), time="0", file=path)
    case.set("line", str(finding.line))
    message = _clean(finding.message)
    failure = ET.SubElement(case, "failure", message=message, type=finding.severity)
    notes = [f"{one.path}:{one.line}:{one.column}: {one.message}" for one in finding.related]
    failure.text = _clean("\n".join([f"{path}:{finding.line}:{finding.column}: {message}", *notes]))
    return case


def _clean(text: str) -> str:
    return NO_XML.sub("\ufffd", text)


def _module(path: str) -> str:
    return path.rpartition(".")[0].replace("/", ".") or path
