"""A session as a row of bytes: about fifty of them, and sixteen for each time it was in use."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from lastcall.ledger.records import Evidence

__all__ = ["SPANS_KEPT", "Outcome", "Row", "count_one_more", "outcome_of", "pack", "unpack"]

SPANS_KEPT = 24
"""How many times of use one session keeps; when there are more, those closest together become one."""

_ROW = struct.Struct("<IIddIIBB")
_ALIKE = struct.Struct("<I")
_ALIKE_AT = 4


class Outcome(IntEnum):
    """How a session ended."""

    CLOSED = 0
    OPEN = 1
    """It was open when this was written down, and that is no leak yet."""
    COLLECTED_OPEN = 2
    LOOP_CLOSED = 3
    SCOPE_ENDED = 4


class Row(NamedTuple):
    """Sessions that nobody can tell apart: one, or several opened and ended within the same millisecond."""

    site: int
    """Index in the list of sites."""
    alike: int
    """How many there are."""
    opened: float
    """When they were opened: monotonic clock, seconds."""
    ended: float
    """When they were closed or gone, or this was written down: monotonic clock, seconds."""
    requests: int
    """Requests each made."""
    connections: int
    """Connections each opened."""
    outcome: Outcome
    """How they ended."""
    spans: Sequence[float]
    """From when to when each held a connection: begin, end, begin, end and so on, in order."""


def outcome_of(evidence: Evidence | None) -> Outcome:
    """Return how a session ended that leaked with *evidence*; None stands for one that may be open."""
    return Outcome[evidence.value] if evidence is not None and evidence.value in _NAMES else Outcome.OPEN


_NAMES = set(Outcome.__members__)


def pack(row: Row) -> bytes:
    """Return *row* as bytes."""
    site, alike, opened, ended, requests, connections, outcome, spans = row
    head = _ROW.pack(site, alike, opened, ended, requests, connections, outcome, len(spans) // 2)
    return head + struct.pack(f"<{len(spans)}d", *spans) if spans else head


def count_one_more(rows: bytearray, offset: int) -> None:
    """Count one session more in the row that begins at *offset*."""
    at = offset + _ALIKE_AT
    _ALIKE.pack_into(rows, at, _ALIKE.unpack_from(rows, at)[0] + 1)


def unpack(data: bytes) -> Iterator[Row]:
    """Yield the rows in *data*; what is left of one that was not written to its end is passed over."""
    at, end = 0, len(data)
    while at + _ROW.size <= end:
        site, alike, opened, ended, requests, connections, outcome, spans = _ROW.unpack_from(data, at)
        at += _ROW.size
        used = at + 16 * spans
        if used > end:
            return
        times = struct.unpack_from(f"<{2 * spans}d", data, at) if spans else ()
        yield Row(site, alike, opened, ended, requests, connections, Outcome(outcome), times)
        at = used
