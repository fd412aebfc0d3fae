"""The ledger itself: what is open now, and counters per line for all that is gone."""

from __future__ import annotations

import threading
import weakref
from asyncio import AbstractEventLoop, current_task
from asyncio.events import _get_running_loop
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

from .entries import TICK_S, Guest, Opening, Peer, Place, Tally, Tick, Use, atomic, tick, was_built, weak
from .evidence import Evidence, Kind
from .responses import Requests
from .scopes import Scope, current_label, current_scope, no_scope
from .sites import Stack, stack_at

if TYPE_CHECKING:
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.client import ClientSession
    from aiohttp.connector import BaseConnector

__all__ = ["Book"]


class Book:
    """
    What this process opened since the watch began.

    One lock guards all counters, but for the steps marked as atomic. It is reentrant, because a
    collection may run `__del__` of a session, and so this code, wherever memory is asked for; no step
    holds half-made state across such a point.
    """

    hears_connections = False
    """Whether it wants to know of every connection that is made, given back and lost."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.started = Tick()
        self.tallies: dict[Stack, Tally] = {}
        self.connector_tallies: dict[Stack, Tally] = {}
        # By id of the connector, until it is closed or collected. The connector is the part of a session
        # that is really open. An attribute of it would be its 31st, and the first that makes CPython give
        # each connector a dict of its own: a microsecond and a kilobyte. (aiohttp 3.14, CPython 3.11.)
        self.entries: dict[int, Opening] = {}
        self.guests: dict[int, Guest] = {}
        # Keys of guests whose constructor may still open a connector of its own.
        self.expecting: set[int] = set()
        self.requests = Requests()
        self.peers: weakref.WeakKeyDictionary[BaseProtocol, Peer] = weakref.WeakKeyDictionary()
        # Asked for the scope where the context has none, as in a thread.
        self.scope_elsewhere: Callable[[], Scope | None] = no_scope
        # Scopes in which something leaked after they had ended, and the ids of connectors so orphaned.
        self.late: dict[Scope, None] = {}
        self.hushed: set[int] = set()
        self._thread = threading.local()
        self._sweep_at = 64

    # -- opened

    @atomic
    def open_session(
        self, frame: FrameType | None, connector: BaseConnector, loop: AbstractEventLoop | None
    ) -> None:
        """Write down a plain session, from within its constructor, by the connector it just got."""
        stack = stack_at(frame)
        running = current_task(loop) if loop is not None else None
        task = running.get_name() if running is not None else None
        label = current_label.get()
        scope = current_scope.get() or self.scope_elsewhere()
        tally = self.tallies.get(stack) or self._tally(stack, "session")
        key = id(connector)
        if key in self.entries:
            self._connector_lost(key)
        entry = tally.latest
        if (
            entry is None
            or monotonic() - entry.opened.mono >= TICK_S
            or entry.place.loop() is not loop
            or entry.task is not task
            or entry.label is not label
            or entry.scope is not scope
            or entry.use is not None
        ):
            entry = Opening(tally, self._place(loop), task, label, scope, tick())
            entry.left = 0
            if loop is None:
                entry.use = self.new_use(connector)
            tally.latest = entry
        # No call from here on: that makes it one step.
        entry.left += 1
        tally.alive += 1
        if tally.alive > tally.peak:  # noqa: PLR1730 - max() costs a call
            tally.peak = tally.alive
        self.entries[key] = entry

    def open_connector(self, frame: FrameType | None, connector: BaseConnector) -> Opening:
        """Write down a connector that was opened without a session."""
        task, place, scope = self._whence()
        with self.lock:
            tally = self._tally(stack_at(frame), "connector")
            entry = Opening(tally, place, task, current_label.get(), scope, tick())
            self.entries[id(connector)] = entry
            tally.count_opened()
        return entry

    def open_guest(
        self, frame: FrameType | None, session: ClientSession, connector: BaseConnector | None, *, owner: bool
    ) -> None:
        """Write down a session of a subclass, or one that is given its *connector*."""
        stack = stack_at(frame)
        task, place, scope = self._whence()
        host: Opening | None = None
        if connector is not None:
            host = self._entry_of(connector) or self.open_connector(frame, connector)
        with self.lock:
            tally = self._tally(stack, "session")
            guest = Guest(tally, place, task, current_label.get(), scope, tick())
            guest.key, guest.owner, guest.host, guest.session = id(session), owner, host, weak(session)
            if host is not None and owner:
                host.claimed += 1
            before = self.guests.pop(guest.key, None)
            if before is not None:
                # An id is used again only after its session was collected, and nobody told us.
                self._bury(before)
            tally.count_opened()
            self.guests[guest.key] = guest
            if host is None:
                self.expecting.add(guest.key)
        if len(self.guests) > self._sweep_at:
            self.sweep()
            self._sweep_at = 2 * len(self.guests) + 64

    def seat_guest(self, session: ClientSession, connector: BaseConnector) -> bool:
        """Tell whether *session*, which just opened *connector*, is a guest; then it is one no longer."""
        guest = self.guests.get(id(session))
        if guest is None:
            return False
        with self.lock:
            self.expecting.discard(guest.key)
            del self.guests[guest.key]
            self.entries[id(connector)] = guest
        return True

    def _whence(self) -> tuple[str | None, Place, Scope | None]:
        loop = _get_running_loop()
        running = current_task(loop) if loop is not None else None
        task = running.get_name() if running is not None else None
        return task, self._place(loop), current_scope.get() or self.scope_elsewhere()

    def _place(self, loop: AbstractEventLoop | None) -> Place:
        place: Place | None = getattr(self._thread, "place", None)
        if place is None or place.loop() is not loop:
            place = self._thread.place = Place(loop)
        return place

    def _tally(self, stack: Stack, kind: Kind) -> Tally:
        tallies = self.tallies if kind == "session" else self.connector_tallies
        return tallies.setdefault(stack, Tally(stack, kind))

    # -- used

    def new_use(self, connector: BaseConnector) -> Use:
        """Return what the use of *connector* is noted in."""
        return Use(connector)

    def use(self, connector: BaseConnector, entry: Opening) -> Use:
        """Return what is noted of the use of *connector*, from its first use on."""
        with self.lock:
            use = entry.use or self.new_use(connector)
            if entry.left > 1:
                entry = self.entries[id(connector)] = entry.apart()
            entry.use = use
            return use

    def pool_of(self, session: ClientSession) -> Opening | None:
        """Return the entry of the connector *session* stands on, made its own; None if unknown."""
        connector = session._connector
        return self._entry_of(connector) if connector is not None else None

    def _entry_of(self, connector: BaseConnector) -> Opening | None:
        """Return the entry of *connector*, made its own; None if it was opened before the watch."""
        entry = self.entries.get(id(connector))
        if entry is not None and entry.use is None:
            self.use(connector, entry)
            entry = self.entries[id(connector)]
        return entry

    def open_entries(self) -> list[Opening]:
        """Return every entry with something open, each once; claimed connectors are left out."""
        self.sweep()
        with self.lock:
            entries = dict.fromkeys([*self.entries.values(), *self.guests.values()])
        return [
            entry for entry in entries if entry.left and not (entry.claimed and entry.kind == "connector")
        ]

    def guest_use(self, session: ClientSession | None, connector: BaseConnector) -> Use | None:
        """Return what is noted of the use of *session*, if it is a guest on *connector*."""
        guest = self.guests.get(id(session))
        if guest is None:
            return None
        if guest.use is None:
            guest.use = self.new_use(connector)
        if guest.host is None:
            self._find_host(guest, connector)
        return guest.use

    def count_connection(
        self, connector: BaseConnector, session: ClientSession | None, seconds: float
    ) -> None:
        """Count a connection that *connector* opened in so many *seconds*, for *session*."""
        for entry in (self.entries.get(id(connector)), self.guests.get(id(session))):
            if entry is not None and entry.use is not None:
                entry.use.connections += 1
                entry.use.connect_s += seconds

    def connection_made(self, protocol: BaseProtocol) -> None:
        """Hear that a connection was made; nothing is kept of it here."""

    def connection_released(self, connector: BaseConnector) -> None:
        """Hear that a request gave its connection back to *connector*; nothing is kept of it here."""

    def connection_lost(self, protocol: BaseProtocol) -> None:
        """Hear that a connection is gone; nothing is kept of it here."""

    def _find_host(self, guest: Guest, connector: BaseConnector) -> None:
        with self.lock:
            self.expecting.discard(guest.key)
            guest.host = self._entry_of(connector)
            if guest.host is not None and guest.owner:
                guest.host.claimed += 1

    # -- ended

    @atomic
    def connector_closed(self, entry: Opening, loop: AbstractEventLoop) -> None:
        """Write down that the connector of *entry* was closed, which was on *loop*."""
        late = loop.is_closed()
        if late or entry.use is not None or entry.suspected:
            self._connector_settled(entry, late=late)
            return
        # What `_close` does, without a call.
        entry.left -= 1
        tally = entry.tally
        tally.closed += 1
        tally.alive -= 1

    def _connector_settled(self, entry: Opening, *, late: bool) -> None:
        with self.lock:
            if late:
                entry.late = True
                if entry.kind == "session":
                    self._leak(entry, Evidence.LOOP_CLOSED)
                    return
            self._close(entry)

    def connector_collected(self, connector: BaseConnector, entry: Opening, *, has_connections: bool) -> None:
        """Write down that *connector* was collected open; of its session nothing was heard so far."""
        with self.lock:
            if entry.kind == "connector":
                if has_connections and not entry.claimed:
                    self._leak(entry, entry.died_by())
                else:
                    self._close(entry)
            elif entry.use is not None or isinstance(entry, Guest):
                self._leak(entry, entry.died_by())
            else:
                # Its session's constructor failed, so nothing was opened; or both lay in a cycle,
                # and the session is collected next.
                self._unopen(entry)
                self.entries[id(connector)] = entry.ghost()

    def connector_unheard(self, entry: Opening, *, built: bool) -> None:
        """Write down that a closed connector was collected whose end was not told: or never *built*."""
        with self.lock:
            if entry.is_ghost:
                return
            if built:
                self._close(entry)
            else:
                self._unopen(entry)

    def session_collected(self, session: ClientSession, connector: BaseConnector | None) -> bool:
        """
        Write down that *session* was collected; *connector* is what it still held, open.

        Returns:
            Whether aiohttp is to keep silent, because whom it would tell is not who opened the session.
        """
        entry: Opening | None = self.guests.get(id(session)) if self.guests else None
        if isinstance(entry, Guest):
            self._guest_collected(entry, session, connector)
        elif connector is not None:
            entry = self.entries.pop(id(connector), None)
            if entry is not None and entry.kind == "session":
                self._plain_collected(entry, session)
        if entry is None or connector is None or not entry.is_after_scope():
            return False
        self.hushed.add(id(connector))
        return True

    def _plain_collected(self, entry: Opening, session: ClientSession) -> None:
        with self.lock:
            built = was_built(session)
            if entry.is_ghost and built:
                entry.left = 1
                entry.tally.count_opened()
            if built:
                self._leak(entry, entry.died_by())
            elif not entry.is_ghost:
                self._unopen(entry)

    def session_detached(self, session: ClientSession, connector: BaseConnector) -> None:
        """Write down that *session* let go of *connector*, which is open and on its own from here on."""
        guest = self.guests.get(id(session))
        with self.lock:
            if guest is not None:
                self._leave(guest)
                self._close(guest)
                if guest.host is not None and guest.owner:
                    guest.host.claimed -= 1
                return
            entry = self.entries.get(id(connector))
            if entry is None or entry.kind == "connector":
                return
            tally = self._tally(entry.tally.stack, "connector")
            heir = Opening(tally, entry.place, entry.task, entry.label, entry.scope, entry.opened)
            heir.use = entry.use
            tally.count_opened()
            self.entries[id(connector)] = heir
            self._close(entry)

    def _guest_collected(self, guest: Guest, session: ClientSession, connector: BaseConnector | None) -> None:
        with self.lock:
            if guest.host is None and connector is not None:
                self._find_host(guest, connector)
            self._leave(guest)
            if not was_built(session):
                if guest.host is not None and guest.owner:
                    guest.host.claimed -= 1
                self._unopen(guest)
            elif connector is not None and guest.owner:
                self._leak(guest, guest.died_by())
            else:
                self._close(guest)

    def _bury(self, guest: Guest) -> None:
        """Settle a guest that is gone without a word: its class has a `__del__` that keeps silent."""
        self._leave(guest)
        if guest.owner and not (guest.host is not None and guest.host.closed):
            self._leak(guest, guest.died_by())
        else:
            self._close(guest)

    def sweep(self) -> None:
        """Ask the guests that live whether they are closed: nothing tells us when they close."""
        with self.lock:
            if not self.entries:
                # A dict keeps the room it once needed until it is cleared.
                self.entries.clear()
        for guest in list(self.guests.values()):
            # Locked one by one: who opens a session meanwhile waits for one guest, not for all of them.
            with self.lock:
                if self.guests.get(guest.key) is guest:
                    self._settle(guest)

    def _settle(self, guest: Guest) -> None:
        session = guest.session() if guest.session is not None else None
        if guest.session is not None and session is None:
            self._bury(guest)
        elif session is not None and session.closed:
            if was_built(session):
                self._close_in_time(guest)
        elif guest.host is not None and guest.host.closed:
            self._close_in_time(guest)
        elif guest.host is None and session is not None and session._connector is not None:
            self._find_host(guest, session._connector)

    def _close_in_time(self, guest: Guest) -> None:
        self._leave(guest)
        if guest.owner and guest.host is not None and guest.host.late:
            self._leak(guest, Evidence.LOOP_CLOSED)
        else:
            self._close(guest)

    def _connector_lost(self, key: int) -> None:
        """Settle the entry of a connector whose id is used again: its class has a silent `__del__`."""
        entry = self.entries.pop(key, None)
        if entry is None or entry.is_ghost:
            return
        with self.lock:
            if entry.kind == "session":
                self._leak(entry, entry.died_by())
            else:
                self._close(entry)

    def _leave(self, guest: Guest) -> None:
        self.guests.pop(guest.key, None)
        self.expecting.discard(guest.key)

    def _unopen(self, entry: Opening) -> None:
        entry.left -= 1
        entry.tally.count_unopened()

    def _close(self, entry: Opening) -> None:
        entry.left -= 1
        tally = entry.tally
        tally.closed += 1
        tally.alive -= 1
        if entry.use is not None or entry.suspected:
            tally.fold(entry)

    def _leak(self, entry: Opening, evidence: Evidence) -> None:
        entry.left -= 1
        entry.tally.leak(entry, evidence)
        if entry.scope is not None and not entry.told:
            entry.leak_to(entry.scope.root, evidence)
            if entry.scope.root.ended:
                self.late[entry.scope.root] = None
