"""The live state as one JSON document, bounded in size, made anew at most once in half a second."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from lastcall.ledger.report import Report
from lastcall.ledger.watch import current, snapshot

from .collect import collect
from .records import OpenSite

__all__ = ["KEPT", "LiveView", "document", "live_document"]

KEPT = 50
"""How many entries of each list a document holds; how many more there are it says in `left_out`."""
FRESH_S = 0.5
"""Seconds for which a document is given again: so many who look cost no more than one."""

_LISTS = ("leaks", "churn", "responses", "pools", "processes")


def document(report: Report, sites: Iterable[OpenSite], level: str | None) -> dict[str, Any]:
    """
    Return what is known now, as `lastcall.ledger.schema()` describes it: a report with a `live` part.

    Args:
        report: What came and went.

        sites: What is open, in the order of `in_order`.

        level: Of the watch; None if it is off.
    """
    sites = iter(sites)
    shown = [site.to_json() for site in islice(sites, KEPT)]
    left_out = {name: max(0, len(getattr(report, name)) - KEPT) for name in _LISTS}
    cut: dict[str, Any] = {name: getattr(report, name)[:KEPT] for name in _LISTS}
    return {
        **dataclasses.replace(report, **cut).to_json(),
        "live": {
            "level": level or "off",
            "sites": shown,
            "left_out": {**left_out, "sites": sum(1 for _ in sites)},
        },
    }


def live_document() -> dict[str, Any]:
    """Return what this process knows now; takes long where there are many sessions, but holds up nobody."""
    book, level = current()
    return document(snapshot(), collect(book) if book is not None else (), level)


class LiveView:
    """
    The document as bytes, for whoever looks; may be asked from several threads.

    Args:
        make: Returns the document of this moment.
    """

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made_at = -FRESH_S
        self._json = b""

    def json(self) -> bytes:
        """Return the document, at most `FRESH_S` old, as JSON in UTF-8."""
        with self._lock:
            if time.monotonic() - self._made_at >= FRESH_S:
                text = json.dumps(self._make(), ensure_ascii=False, separators=(",", ":"))
                # Names of files may hold bytes that are no text.
                self._json = text.encode("utf-8", "backslashreplace")
                self._made_at = time.monotonic()
            return self._json
