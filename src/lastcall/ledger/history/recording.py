"""A book that also keeps when: each session as a row, requests and connections over time."""

from __future__ import annotations

import weakref
from asyncio import AbstractEventLoop
from time import monotonic
from typing import TYPE_CHECKING

from lastcall.ledger.book import Book
from lastcall.ledger.entries import TICK_S, Guest, Opening, Tally, Use
from lastcall.ledger.records import Evidence

from .rows import SPANS_KEPT, Outcome, Row, count_one_more, outcome_of, pack
from .series import Flow

if TYPE_CHECKING:
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.client import ClientSession
    from aiohttp.connector import BaseConnector

__all__ = ["ROWS_KEPT", "RecordedUse", "RecordingBook"]

ROWS_KEPT = 1_000_000
"""How many rows a process keeps of sessions that were closed; those that leaked have as much room again."""


class RecordedUse(Use):
    """
    What was done with one connector, and when.

    Args:
        connector: Whose use.

        flow: Where requests and connections of the process are counted.
    """

    __slots__ = ("busy_since", "flow", "guests", "held", "spans")

    def __init__(self, connector: BaseConnector, flow: Flow) -> None:
        super().__init__(connector)
        # None for a guest: its host counts for both.
        self.flow: Flow | None = flow
        self.held = 0
        self.busy_since = 0.0
        self.spans: list[float] = []
        # Guests in use, which are told when nothing of their host's is in use any more.
        self.guests: dict[RecordedUse, None] = {}

    def note(self, connector: BaseConnector, host: str) -> None:
        """Count a request that asks *connector* for a connection to *host*."""
        super().note(connector, host)
        held = len(connector._acquired) + 1
        if self.flow is not None:
            self.flow.now(self.last).requests += 1
            self.flow.use(self.last, held - self.held)
        if not self.held:
            self.busy_since = self.last
        self.held = held

    def release(self, held: int) -> None:
        """Note that one was given back, and *held* are left in use."""
        now = monotonic()
        if self.flow is not None:
            self.flow.use(now, held - self.held)
        if self.held and not held:
            self.spans += (self.busy_since, now)
            if len(self.spans) > 2 * SPANS_KEPT:
                _join_closest(self.spans)
            for guest in self.guests:
                guest.release(0)
            self.guests.clear()
        self.held = held

    def spans_until(self, moment: float) -> list[float]:
        """Return all times of use, the present one up to *moment*."""
        return [*self.spans, self.busy_since, moment] if self.held else self.spans


def _join_closest(spans: list[float]) -> None:
    gaps = [(spans[at + 1] - spans[at], at) for at in range(1, len(spans) - 1, 2)]
    _, at = min(gaps)
    del spans[at : at + 2]


class RecordingBook(Book):
    """
    A book that can tell of each session when it was opened, in use, and closed or gone.

    Its memory is bounded: fifty bytes for each session up to `ROWS_KEPT`, which `take_rows` gives away.
    """

    hears_connections = True

    def __init__(self) -> None:
        super().__init__()
        self.flow = Flow(self.started.mono)
        self.sites: dict[Tally, int] = {}
        """From each tally with rows to its index in them."""
        self.left_out = 0
        """Sessions there was no room for."""
        self.given = 0
        """How many bytes of rows were given away."""
        self._wires: weakref.WeakSet[BaseProtocol] = weakref.WeakSet()
        self._rows = bytearray()
        self._kept = 0
        # The row written last, to which the next is added if nobody can tell them apart.
        # (Whose it is, how it ended, where it begins, until when the next is alike.)
        self._last: tuple[Opening, Outcome, int, float] | None = None

    def take_rows(self) -> bytes:
        """Give away the rows of all that ended since this was last asked."""
        with self.lock:
            rows, self._rows, self._last = bytes(self._rows), bytearray(), None
            self.given += len(rows)
        return rows

    def copy_rows(self) -> bytes:
        """Return the rows that were not given away, and keep them."""
        with self.lock:
            return bytes(self._rows)

    def site_of(self, tally: Tally) -> int:
        """Return the index of *tally* in rows."""
        return self.sites.setdefault(tally, len(self.sites))

    # -- what is heard

    def new_use(self, connector: BaseConnector) -> RecordedUse:
        """Return what the use of *connector* is noted in."""
        return RecordedUse(connector, self.flow)

    def guest_use(self, session: ClientSession | None, connector: BaseConnector) -> Use | None:
        """Return what is noted of the use of *session*, if it is a guest on *connector*."""
        use = super().guest_use(session, connector)
        host = self.entries.get(id(connector))
        if isinstance(use, RecordedUse) and host is not None and isinstance(host.use, RecordedUse):
            use.flow = None
            host.use.guests[use] = None
        return use

    def connection_made(self, protocol: BaseProtocol) -> None:
        """Count a connection that was made."""
        with self.lock:
            self._wires.add(protocol)
            now = monotonic()
            self.flow.hold(now, len(self._wires))
            self.flow.now(now).made += 1

    def connection_released(self, connector: BaseConnector) -> None:
        """Note that a request gave its connection back to *connector*."""
        entry = self.entries.get(id(connector))
        if entry is not None and isinstance(entry.use, RecordedUse):
            entry.use.release(len(connector._acquired))

    def connection_lost(self, protocol: BaseProtocol) -> None:
        """Count a connection that is gone."""
        with self.lock:
            self._wires.discard(protocol)
            self.flow.hold(monotonic(), len(self._wires))

    # -- ended

    def connector_closed(self, entry: Opening, loop: AbstractEventLoop) -> None:
        """Write down that the connector of *entry* was closed, which was on *loop*."""
        with self.lock:
            is_counted_only = entry.use is None and not entry.suspected and not loop.is_closed()
            if is_counted_only and entry.kind == "session":
                self._record(entry, Outcome.CLOSED)
            super().connector_closed(entry, loop)

    def _close(self, entry: Opening) -> None:
        if entry.kind == "session":
            self._record(entry, Outcome.CLOSED)
        super()._close(entry)

    def _leak(self, entry: Opening, evidence: Evidence) -> None:
        self._record(entry, outcome_of(evidence))
        super()._leak(entry, evidence)

    def _record(self, entry: Opening, outcome: Outcome) -> None:
        now = monotonic()
        if entry.use is None:
            last = self._last
            if last is not None and last[0] is entry and last[1] == outcome and now < last[3]:
                count_one_more(self._rows, last[2])
                return
        else:
            self._let_go(entry)
        room = ROWS_KEPT if outcome is Outcome.CLOSED else 2 * ROWS_KEPT
        if self._kept >= room:
            self.left_out += 1
            return
        self._kept += 1
        row = pack(self.row_of(entry, outcome, now))
        self._rows += row
        at = len(self._rows) - len(row)
        self._last = (entry, outcome, at, now + TICK_S) if entry.use is None else None

    def _let_go(self, entry: Opening) -> None:
        use = entry.use
        if isinstance(use, RecordedUse) and use.held and not isinstance(entry, Guest):
            use.release(0)

    def row_of(self, entry: Opening, outcome: Outcome, now: float, alike: int = 1) -> Row:
        """Return *alike* sessions of *entry* as a row, as they are *now* (monotonic)."""
        site, use = self.site_of(entry.tally), entry.use
        if not isinstance(use, RecordedUse):
            return Row(site, alike, entry.opened.mono, now, 0, 0, outcome, ())
        spans = use.spans_until(now)
        return Row(site, alike, entry.opened.mono, now, use.requests, use.connections, outcome, spans)
