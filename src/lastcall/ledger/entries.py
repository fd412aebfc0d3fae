"""What the book writes down while a session lives, and what it adds up when the session is gone."""

from __future__ import annotations

import sys
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import wraps
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from .evidence import Evidence, Kind
from .scopes import Scope
from .sites import Stack

if TYPE_CHECKING:
    from aiohttp.client import ClientSession
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import BaseConnector

__all__ = [
    "NAMES_KEPT",
    "TICK_S",
    "Guest",
    "Opening",
    "Peer",
    "Pile",
    "Place",
    "Tally",
    "Tick",
    "Use",
    "atomic",
    "peer_of",
    "tick",
    "was_built",
    "weak",
]

NAMES_KEPT = 8
"""How many names of tasks, hosts and labels are kept in one place."""


_Step = TypeVar("_Step", bound=Callable[..., None])


def atomic(method: _Step) -> _Step:
    """
    Let *method* count without the lock where the interpreter's own lock is enough.

    CPython hands the GIL over, and runs collections, at calls and backward jumps only: a row of plain
    statements without a call is one step. The lock would be a tenth of all the ledger costs.
    """
    if sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)():
        return method

    @wraps(method)
    def locked(self: Any, *args: Any) -> None:
        with self.lock:
            method(self, *args)

    return cast("_Step", locked)


class Tick:
    """A moment on both clocks, shared by all that happens in the same millisecond."""

    __slots__ = ("mono", "wall")

    def __init__(self) -> None:
        self.mono = monotonic()
        self.wall = time()


TICK_S = 0.001
"""How long a tick is, in seconds."""
_now = Tick()


def tick() -> Tick:
    """Return the current moment."""
    global _now  # noqa: PLW0603 - one clock hand for the process
    if monotonic() - _now.mono >= TICK_S:
        _now = Tick()
    return _now


class Place:
    """A loop and the thread it runs in."""

    __slots__ = ("loop", "thread")

    loop: Callable[[], AbstractEventLoop | None]
    """Gives the loop; None once it is gone, or if none was running."""

    def __init__(self, loop: AbstractEventLoop | None) -> None:
        self.loop = weakref.ref(loop) if loop is not None else _no_loop
        self.thread = threading.current_thread().name


def _no_loop() -> None:
    return None


class Peer(NamedTuple):
    """The other end of a connection."""

    host: str
    port: int
    is_ssl: bool
    since: float
    """When the connection was opened, on the monotonic clock."""

    def __str__(self) -> str:
        """Return the host, with a port that is not the scheme's own."""
        return self.host if self.port == (443 if self.is_ssl else 80) else f"{self.host}:{self.port}"


def peer_of(key: ConnectionKey, since: float = 0.0) -> Peer:
    """Return where the connections of *key*, as a pool keeps them, lead to."""
    return Peer(key.host, key.port or (443 if key.is_ssl else 80), key.is_ssl, since)


class Use:
    """What was done with one connector."""

    __slots__ = ("connect_s", "connections", "connector", "hosts", "last", "peak", "requests")

    def __init__(self, connector: BaseConnector) -> None:
        self.connector = weakref.ref(connector)
        self.requests = 0
        self.connections = 0
        self.connect_s = 0.0
        self.peak = 0
        self.last = 0.0
        self.hosts: tuple[str, ...] = ()

    def note(self, connector: BaseConnector, host: str) -> None:
        """Count a request that asks *connector* for a connection to *host*."""
        self.requests += 1
        self.last = monotonic()
        busy = len(connector._acquired) + 1
        if busy > self.peak:  # noqa: PLR1730 - max() costs a call
            self.peak = busy
        if host not in self.hosts and len(self.hosts) < NAMES_KEPT:
            self.hosts += (host,)


class Opening:
    """
    A session that is open, or several that are alike.

    Sessions opened by the same stack and task in the same millisecond share one entry, with a count,
    until one of them is used: so a hundred thousand of them need next to no memory.
    """

    __slots__ = (
        "claimed", "label", "late", "left", "opened", "place", "scope", "suspected", "tally", "task",
        "told", "use",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - names would cost a third of what it takes
        self,
        tally: Tally,
        place: Place,
        task: str | None,
        label: str | None,
        scope: Scope | None,
        opened: Tick,
    ) -> None:
        self.tally = tally
        self.place = place
        self.task = task
        self.label = label
        self.scope = scope
        self.opened = opened
        self.left = 1
        self.use: Use | None = None
        # Whether its scope has been told of it: then its end is no news.
        self.told = False
        self.suspected = 0
        # For the entry of a connector: how many sessions own it, and whether it was closed too late.
        self.claimed = 0
        self.late = False
        if scope is not None:
            scope.add(self)

    @property
    def kind(self) -> Kind:
        """Whether a session is open, or a connector without one."""
        return self.tally.kind

    def apart(self) -> Opening:
        """Take one of the alike out of this entry, into an entry of its own."""
        self.left -= 1
        return self._copy()

    def ghost(self) -> Opening:
        """Return an entry for one that is counted no longer, but may turn out to have been open."""
        ghost = self._copy()
        ghost.left = 0
        return ghost

    @property
    def is_ghost(self) -> bool:
        """Whether `ghost` made this entry; a session that holds one is counted nowhere."""
        return self.left == 0

    @property
    def closed(self) -> bool:
        """Whether what was opened is closed or gone, all of it."""
        return self.left == 0

    def _copy(self) -> Opening:
        copy = Opening(self.tally, self.place, self.task, self.label, self.scope, self.opened)
        copy.told = self.told
        return copy

    def loop(self) -> AbstractEventLoop | None:
        """Return the loop it was opened on; None if that is gone."""
        loop = self.place.loop()
        if loop is None and self.use is not None and (connector := self.use.connector()) is not None:
            # Opened outside a running loop, with an explicit loop argument.
            loop = connector._loop
        return loop

    def loop_is_closed(self) -> bool:
        """Tell whether its loop is closed or gone."""
        loop = self.loop()
        return loop is None or loop.is_closed()

    def is_after_scope(self) -> bool:
        """Tell whether the scope it was opened in has ended."""
        return self.scope is not None and self.scope.root.ended

    def leak_to(self, scope: Scope, evidence: Evidence) -> None:
        """Count one that is gone and was not closed in the books of *scope*."""
        key = self.tally.stack, self.kind, evidence
        scope.gone.setdefault(key, Pile(self.opened)).add(self, 1)

    def died_by(self) -> Evidence:
        """Return what to say of one that is collected open."""
        # Once the loop is closed that is the first thing that went wrong, and the one to mend.
        return Evidence.LOOP_CLOSED if self.loop_is_closed() else Evidence.COLLECTED_OPEN


class Guest(Opening):
    """A session on a connector that it did not open itself, or of a class of the user's own."""

    __slots__ = ("host", "key", "owner", "session")

    key: int
    """`id` of the session: aiohttp 4 gives sessions no weak references."""
    session: weakref.ref[ClientSession] | None
    """The session; None on aiohttp 4."""
    host: Opening | None
    """The entry of the connector it stands on; None while unknown."""
    owner: bool
    """Whether closing it closes the connector."""


class Pile:
    """Sessions of one place that leaked with the same evidence, added up."""

    __slots__ = (
        "connections", "count", "first", "hosts", "labels", "last", "requests", "scopes", "scopes_more",
        "tasks", "tasks_more",
    )  # fmt: skip

    def __init__(self, first: Tick) -> None:
        self.count = 0
        self.first = self.last = first
        self.tasks: dict[str, None] = {}
        self.tasks_more = 0
        self.hosts: set[str] = set()
        self.labels: set[str] = set()
        self.scopes: dict[str, None] = {}
        self.scopes_more = 0
        self.requests = 0
        self.connections = 0

    def add(self, opening: Opening, count: int) -> None:
        """Add *count* sessions of *opening*."""
        self.count += count
        self.first = min(self.first, opening.opened, key=_mono)
        self.last = max(self.last, opening.opened, key=_mono)
        if opening.task in self.tasks or opening.task is None:
            pass
        elif len(self.tasks) < NAMES_KEPT:
            self.tasks[opening.task] = None
        else:
            self.tasks_more += count
        if opening.label is not None:
            self.labels.add(opening.label)
        if opening.scope is not None and opening.scope.name not in self.scopes:
            if len(self.scopes) < NAMES_KEPT:
                self.scopes[opening.scope.name] = None
            else:
                self.scopes_more += count
        if opening.use is not None:
            self.requests += opening.use.requests
            self.connections += opening.use.connections
            self.hosts.update(opening.use.hosts)

    def add_pile(self, other: Pile) -> None:
        """Add all of *other*."""
        self.count += other.count
        self.first = min(self.first, other.first, key=_mono)
        self.last = max(self.last, other.last, key=_mono)
        tasks = [*self.tasks, *(task for task in other.tasks if task not in self.tasks)]
        self.tasks = dict.fromkeys(tasks[:NAMES_KEPT])
        self.tasks_more += other.tasks_more + len(tasks[NAMES_KEPT:])
        self.hosts |= other.hosts
        self.labels |= other.labels
        scopes = list(self.scopes | other.scopes)
        self.scopes = dict.fromkeys(scopes[:NAMES_KEPT])
        self.scopes_more += other.scopes_more + len(scopes[NAMES_KEPT:])
        self.requests += other.requests
        self.connections += other.connections


def _mono(moment: Tick) -> float:
    return moment.mono


class Tally:
    """Everything one stack opened, as counters that do not grow."""

    __slots__ = (
        "alive", "closed", "connect_s", "connections", "gone", "hosts", "kind", "latest", "peak",
        "requests", "stack", "withdrawn",
    )  # fmt: skip

    def __init__(self, stack: Stack, kind: Kind) -> None:
        self.stack = stack
        self.kind = kind
        self.latest: Opening | None = None
        self.closed = 0
        self.withdrawn = 0
        self.alive = 0
        self.peak = 0
        self.gone: dict[Evidence, Pile] = {}
        # Of those that were closed:
        self.requests = 0
        self.connections = 0
        self.connect_s = 0.0
        self.hosts: set[str] = set()

    @property
    def opened(self) -> int:
        """How many were opened in all."""
        return self.alive + self.closed + sum(pile.count for pile in self.gone.values())

    def count_opened(self) -> None:
        """Count one that was opened just now."""
        self.alive += 1
        self.peak = max(self.peak, self.alive)

    def count_unopened(self) -> None:
        """Take back one whose constructor failed."""
        self.alive -= 1

    def fold(self, entry: Opening) -> None:
        """Add what was done with one that was closed, and what was said of it."""
        if entry.suspected:
            entry.suspected -= 1
            self.withdrawn += 1
        if (use := entry.use) is not None:
            self.requests += use.requests
            self.connections += use.connections
            self.connect_s += use.connect_s
            if len(self.hosts) < NAMES_KEPT:
                self.hosts.update(use.hosts)

    def leak(self, entry: Opening, evidence: Evidence) -> None:
        """Count one that is gone and was not closed."""
        self.alive -= 1
        pile = self.gone.get(evidence)
        if pile is None:
            pile = self.gone[evidence] = Pile(entry.opened)
        pile.add(entry, 1)


def was_built(session: ClientSession) -> bool:
    """Tell whether the constructor of *session* came to its end: this attribute it sets among the last."""
    return hasattr(session, "_resolve_charset")


def weak(session: ClientSession) -> weakref.ref[ClientSession] | None:
    """Return a weak reference to *session*; None on aiohttp 4, which has none."""
    try:
        return weakref.ref(session)
    except TypeError:
        return None
