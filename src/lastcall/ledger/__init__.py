"""FIND at run time: which line opened each aiohttp session, and how the session ended."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Before the function of this name, which it would replace if it were first imported later.
from . import report as _report
from .evidence import Evidence, Grade
from .silence import Silence, silence_unclosed_messages
from .watch import (
    Watch,
    count_unclosed_sessions,
    label,
    leaks,
    open_sessions,
    report,
    snapshot,
    unwatch,
    watch,
)

if TYPE_CHECKING:
    from .records import (
        Churn,
        Distribution,
        ExhaustedPool,
        Frame,
        Leak,
        OpenResponse,
        ProcessInfo,
        SessionRecord,
        Site,
    )
    from .report import Report, merge_reports, schema

__all__ = [
    "Churn",
    "Distribution",
    "Evidence",
    "ExhaustedPool",
    "Frame",
    "Grade",
    "Leak",
    "OpenResponse",
    "ProcessInfo",
    "Report",
    "SessionRecord",
    "Silence",
    "Site",
    "Watch",
    "count_unclosed_sessions",
    "label",
    "leaks",
    "merge_reports",
    "open_sessions",
    "report",
    "schema",
    "silence_unclosed_messages",
    "snapshot",
    "unwatch",
    "watch",
]


def __getattr__(name: str) -> Any:
    # A test run without a leak needs none of them, and shall not pay for it.
    if name in __all__:
        records = import_module(".records", __name__)
        value = globals()[name] = getattr(records if name in records.__all__ else _report, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
