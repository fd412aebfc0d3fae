"""The report as one HTML file, which opens anywhere and loads nothing."""

from __future__ import annotations

import html
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from .text import render

if TYPE_CHECKING:
    from lastcall.ledger.history import History

    from .model import Report

__all__ = ["as_html"]

_SHARED = ("elements.js", "charts.js", "findings.js")
_OWN = ("words.js", "history.js", "bands.js", "timeline.js", "lines.js", "page.js")


def as_html(report: Report, history: History | None = None, *, of: str = "") -> str:
    """
    Return *report* as a page; without JavaScript it shows the text.

    Args:
        report: What leaked, and what else there is to say.

        history: Where every session lies in time; without it there is no line of time, no chart, and in the
            table of lines only those of which the report tells something.

        of: What was run, such as "app.py": a heading, without secrets.
    """
    # Few want it, and every program under the watch pays for what is imported at its head.
    from lastcall.page import assemble_file, part  # noqa: PLC0415

    return assemble_file(
        f"{of} · lastcall" if of else "Sessions · lastcall",
        Template(_read("page.html")).substitute(text=html.escape(render(report, color=False, width=80))),
        "".join([*map(part, _SHARED), *map(_read, _OWN)]),
        {**report.to_json(), "of": of, "history": history and history.to_json()},
        style=part("charts.css") + _read("page.css"),
    )


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
