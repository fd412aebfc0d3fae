"""The report as one HTML file, which opens anywhere and loads nothing."""

from __future__ import annotations

from importlib import resources

from lastcall.page import assemble_file, part

from .document import as_json
from .model import Report

__all__ = ["as_html"]


def as_html(report: Report) -> str:
    """Return *report* as a page with plots, and with tables of what they show."""
    files = resources.files(__package__)
    body, script = (files.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    script = part("elements.js") + part("charts.js") + script
    return assemble_file("Batch report · lastcall", body, script, as_json(report), style=part("charts.css"))
