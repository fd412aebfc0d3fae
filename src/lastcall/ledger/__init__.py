"""FIND at run time: which line opened each aiohttp session, and how the session ended."""

from .records import (
    Churn,
    Distribution,
    Evidence,
    ExhaustedPool,
    Frame,
    Grade,
    Leak,
    OpenResponse,
    ProcessInfo,
    SessionRecord,
    Site,
)
from .report import Report, merge_reports, schema
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
