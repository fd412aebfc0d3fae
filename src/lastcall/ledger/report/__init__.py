"""A report, and the forms it can take."""

from .forms import from_json, schema, to_json
from .model import Report, merge_reports
from .text import render

__all__ = ["Report", "from_json", "merge_reports", "render", "schema", "to_json"]
