"""What one process has recorded, so that it can be sent or kept as two pieces of bytes."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self

from lastcall.ledger.entries import Tally
from lastcall.ledger.report.forms import write_record
from lastcall.ledger.reporting import evidence_of, open_entries
from lastcall.ledger.resolve import resolve
from lastcall.ledger.watch import current

from .recording import RecordingBook
from .rows import outcome_of, pack

__all__ = ["Recorded", "current_book", "recorded_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The history of one process up to a moment."""

    head: dict[str, Any]
    """What can be written as JSON: whose it is, its sites, and its series."""
    ended: bytes
    """Rows of the sessions that are gone."""
    open: bytes
    """Rows of the sessions that are open."""

    def to_bytes(self) -> bytes:
        """Return all of it but *ended*: that only grows, and is kept apart."""
        return json.dumps(self.head).encode() + b"\n" + self.open

    @classmethod
    def from_bytes(cls, data: bytes, ended: bytes) -> Self:
        """
        Read what `to_bytes` wrote.

        Args:
            data: What it returned.

            ended: The rows kept apart; what was added to them later is passed over.

        Raises:
            ValueError: If it is nothing of this kind.
        """
        head, _, rows = data.partition(b"\n")
        read = json.loads(head)
        return cls(head=read, ended=ended[: read["ended_bytes"]], open=rows)


def current_book() -> RecordingBook | None:
    """Return the book of the watch, if it keeps a history: `watch(history=True)`."""
    book, _ = current()
    return book if isinstance(book, RecordingBook) else None


def recorded_of(book: RecordingBook, *, is_over: bool, keep: bool = False) -> Recorded:
    """
    Return what *book*, of this process, has recorded so far.

    Args:
        book: Whose watch it is.

        is_over: Whether the process is at its end. What is open is judged as if it were, in any case.

        keep: Whether the book keeps its rows of what has ended. If not it gives them away: who asks again
            gets only those that came since.
    """
    ended = book.copy_rows() if keep else book.take_rows()
    now = monotonic()
    open_rows = b"".join(_open_rows(book, now))
    book.flow.now(now)
    head = {
        "pid": os.getpid(),
        "is_over": is_over,
        "began": book.started.mono,
        "began_at": book.started.wall,
        "until": now,
        "left_out": book.left_out,
        "ended_bytes": book.given + (len(ended) if keep else 0),
        "sites": [_site(tally) for tally in list(book.sites)],
        "flow": book.flow.to_json(),
    }
    return Recorded(head=head, ended=ended, open=open_rows)


def _open_rows(book: RecordingBook, now: float) -> list[bytes]:
    rows = []
    for entry in open_entries(book):
        evidence, left = evidence_of(entry, now, ended=True), entry.left
        if left > 0 and (entry.kind == "session" or evidence is not None):
            rows.append(pack(book.row_of(entry, outcome_of(evidence), now, left)))
    return rows


def _site(tally: Tally) -> dict[str, Any]:
    text = resolve(tally.stack)
    gone = list(tally.gone.values())
    return {
        "kind": tally.kind,
        "fingerprint": text.fingerprint,
        "site": write_record(text.site),
        "distribution": dataclasses.asdict(text.distribution) if text.distribution else None,
        "stack": [dataclasses.asdict(frame) for frame in text.frames],
        "opened": tally.opened,
        "closed": tally.closed,
        "leaked": sum(pile.count for pile in gone),
        "requests": tally.requests + sum(pile.requests for pile in gone),
        "connections": tally.connections + sum(pile.connections for pile in gone),
    }
