"""What happened when: a row for every session, kept only where an HTML report is asked for."""

from .merged import History, SiteTotals, current_history, merge_histories
from .recorded import Recorded, current_book, recorded_of
from .recording import RecordingBook

__all__ = [
    "History",
    "Recorded",
    "RecordingBook",
    "SiteTotals",
    "current_book",
    "current_history",
    "merge_histories",
    "recorded_of",
]
