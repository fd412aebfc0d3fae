"""
The inbox: where deliveries are kept from before they are answered until after they are handled.

It is the queue too, in one row for each delivery: a delivery that was stored and never queued would be
suppressed as a duplicate for ever. `Inbox` is the port; `lastcall.github.store_sqlite` the embedded default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lastcall.errors import LastcallError

__all__ = [
    "Added",
    "Delivery",
    "HandlerRecord",
    "Inbox",
    "InboxError",
    "Received",
    "State",
    "Summary",
    "Verdict",
]


class InboxError(LastcallError, OSError):
    """The inbox cannot be opened, read or written: a full disk, a locked or read-only database."""


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    """Waits for a worker, or for its next attempt."""

    RUNNING = "running"
    """Leased by a worker; taken up again if that worker dies."""

    DONE = "done"
    """Handled by every handler that wanted it, or by none because none did."""

    DEAD = "dead"
    """Given up; a redelivery or a replay starts it again."""


class Added(StrEnum):
    """What became of a delivery that came in."""

    STORED = "stored"
    """New, and on disk."""

    TAKEN = "taken"
    """New, on disk, and leased by this owner, as was asked for."""

    PENDING = "pending"
    """There already, and not handled yet."""

    REQUEUED = "requeued"
    """There already and dead: queued again."""

    DONE = "done"
    """Handled before; dropped."""


@dataclass(frozen=True, slots=True)
class Received:
    """A verified delivery, as it came in."""

    delivery_id: str
    """GUID."""

    event: str
    content_type: str
    body: bytes
    """Raw."""

    key: str | None = None
    """Deliveries of one key are handled one after the other, in order of arrival; None for no order."""


@dataclass(frozen=True, slots=True)
class HandlerRecord:
    """How one handler fared with one delivery."""

    done: bool = False
    failures: int = 0
    error: str | None = None
    """The last one, in a line."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A delivery without its body."""

    delivery_id: str
    event: str
    state: State
    attempts: int
    """How often a worker took it up; a take-up that was given back in order does not count."""

    crashes: int
    """How often its worker died with it."""

    received_at: float
    """Seconds of the wall clock since the epoch, like the other times."""

    not_before: float
    """No attempt before; 0 for at once."""

    finished_at: float | None
    last_error: str | None
    handlers: Mapping[str, HandlerRecord] = field(default_factory=dict)
    """From a handler's name to how it fared; empty before the first attempt."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery and its body."""

    summary: Summary
    content_type: str
    body: bytes

    @property
    def delivery_id(self) -> str:
        """The GUID."""
        return self.summary.delivery_id


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a worker says of a delivery when it lets go of it."""

    state: State
    handlers: Mapping[str, HandlerRecord]
    error: str | None = None
    delay: float = 0.0
    """Seconds until the next attempt, when the state is `State.QUEUED`."""


class Inbox(Protocol):
    """
    A durable inbox. Every method may raise `InboxError`; what returned is on disk.

    An inbox object is one owner of leases; a second process has one of its own.
    """

    async def open(self) -> None:
        """Open it, and queue again what owners that are known to be dead had leased."""

    async def close(self) -> None:
        """Finish what was asked for and close; idempotent."""

    async def add(self, received: Received, *, take: bool = False) -> Added:
        """
        Store a delivery, or find out that it is known.

        Args:
            received: Verified.

            take: Lease it to this owner if it is new and may be handled at once, which saves a `claim`. The
                caller must have it handled then, or released: also if it was cancelled while it waited.
        """

    async def claim(self, limit: int) -> Sequence[Delivery]:
        """Lease at most *limit* deliveries that are due, the oldest first; never one that this owner has."""

    async def progress(self, delivery_id: str, handlers: Mapping[str, HandlerRecord]) -> None:
        """Record how handlers fared, while others of the delivery still run."""

    async def settle(self, delivery_id: str, verdict: Verdict) -> bool:
        """Let go of a delivery; False if its lease was lost meanwhile, and nothing changed."""

    async def release(self, delivery_ids: Sequence[str]) -> None:
        """Give back leased deliveries untouched, as if they had not been taken."""

    async def renew(self) -> None:
        """Extend this owner's leases."""

    async def replay(self, delivery_id: str) -> State | None:
        """
        Queue a delivery that is done or dead again, or make a queued one due.

        Returns:
            Its state before, None if there is no such delivery. A running one stays as it is.
        """

    async def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery."""

    async def list(
        self, *, state: State | None = None, limit: int = 50, before: str | None = None
    ) -> Sequence[Summary]:
        """
        Return deliveries, the newest first.

        Args:
            state: Only those.

            limit: At most so many.

            before: Only those older than the delivery with this GUID.
        """

    async def known(self, delivery_ids: Sequence[str]) -> Mapping[str, State]:
        """Return the states of those of the deliveries that are in the inbox."""

    async def counts(self) -> Mapping[State, int]:
        """Return how many deliveries there are in each state."""

    async def check(self) -> None:
        """Write something that changes nothing, to see whether deliveries could be stored."""

    async def purge(self, *, done_s: float, dead_s: float) -> int:
        """Delete what has been done, or dead, for longer than that many seconds; return how many."""
