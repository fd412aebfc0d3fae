"""The report as a person reads it."""

from __future__ import annotations

from lastcall.ledger.report.model import Report

__all__ = ["render"]


def render(report: Report, *, color: bool, width: int) -> str:
    """Return *report* as text for a terminal of *width* columns, with ANSI colours if *color*."""
    return f"lastcall: {report.opened} sessions opened, {report.closed} closed, {report.leaked} leaked"
