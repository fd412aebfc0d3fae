"""The forms in which findings are written, one module each."""

from __future__ import annotations

from importlib import import_module
from typing import Literal, get_args

from lastcall.check.text import Sources

from .report import Report, Suppressed

__all__ = ["FORMS", "Form", "Report", "Sources", "Suppressed", "render"]

Form = Literal["full", "concise", "json", "json-lines", "sarif", "github", "gitlab", "junit", "rdjson"]
"""What findings can be written as."""

FORMS: tuple[Form, ...] = get_args(Form)


def render(report: Report, form: Form, *, color: bool = False, width: int = 80) -> str:
    """
    Return *report* in *form*; text that ends with a newline, or nothing.

    Args:
        report: What to tell.

        form: How.

        color: Whether to colour what people read; only for "full".

        width: Columns to wrap prose to; only for "full".
    """
    if form == "full":
        from .full import render as full  # noqa: PLC0415 (each form is imported when it is asked for)

        return full(report, color=color, width=width)
    if form == "json-lines":
        from .document import render_lines  # noqa: PLC0415

        return render_lines(report)
    module = import_module(f".{'document' if form == 'json' else form}", __name__)
    return str(module.render(report))
