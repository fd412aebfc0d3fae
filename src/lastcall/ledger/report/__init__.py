"""A report, and the forms it can take."""

from .forms import from_json, schema, to_json
from .html import as_html
from .model import Report, merge_reports
from .text import render

__all__ = ["Report", "as_html", "from_json", "merge_reports", "render", "schema", "to_json"]
