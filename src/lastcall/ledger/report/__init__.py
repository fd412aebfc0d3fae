"""A report, and the forms it can take."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .forms import from_json, schema, to_json
    from .html import as_html
    from .model import Report, merge_reports
    from .text import render

__all__ = ["Report", "as_html", "from_json", "merge_reports", "render", "schema", "to_json"]

_ROOMS = ("forms", "html", "model", "text")


def __getattr__(name: str) -> Any:
    # A test run without a leak has nothing to report, and shall not pay for it.
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f".{room}", __name__)
            if name in module.__all__:
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
