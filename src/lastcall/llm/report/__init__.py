"""What a run of many requests came to, as text, JSON and HTML."""

from .document import as_json, schema
from .html import as_html
from .model import Distribution, Ending, Moment, Report, Verdict, make_report
from .text import write_text

__all__ = [
    "Distribution",
    "Ending",
    "Moment",
    "Report",
    "Verdict",
    "as_html",
    "as_json",
    "make_report",
    "schema",
    "write_text",
]
