"""What to do about a leak: who should close it, and an example that fits the line."""

from __future__ import annotations

from dataclasses import dataclass

from lastcall.ledger.records import Leak

__all__ = ["Remedy", "remedy_for"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way out."""

    case: str
    """A word for the case, stable: "dropped", "stored", "repeated", ..."""
    advice: str
    """Who should close it, in a sentence or two."""
    example: str
    """About three lines of Python, without indentation in front."""


def remedy_for(leak: Leak) -> Remedy:
    """Return the remedy that fits *leak*."""
    return Remedy("dropped", "Close it where it is opened.", "async with aiohttp.ClientSession() as session:\n    ...")
