"""The report as one HTML file, which opens anywhere and loads nothing."""

from __future__ import annotations

import html
from importlib import resources
from string import Template

from lastcall.page import assemble_file, part

from .document import as_json
from .model import Report
from .text import write_text

__all__ = ["as_html"]


def as_html(report: Report) -> str:
    """Return *report* as a page with plots and tables of what they show; without JavaScript as text."""
    files = resources.files(__package__)
    body, script = (files.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    return assemble_file(
        "Batch report · lastcall",
        Template(body).substitute(summary=html.escape(write_text(report))),
        part("elements.js") + part("charts.js") + script,
        as_json(report),
        style=part("charts.css"),
    )
