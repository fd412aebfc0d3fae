"""The worker: takes deliveries out of the inbox, runs their handlers, and writes how that went."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .event import Event
from .handling import Handling, Limits
from .inbox import Added, Delivery, Inbox, InboxError, Received, State, Summary, Verdict
from .router import Router
from .tally import Tally

__all__ = ["Worker"]

_POLL_S = 1.0
"""How long a delivery that another process stored, or that becomes due, may wait to be seen."""

_RENEW_S = 8.0
"""Well below the 30 seconds of a lease."""

_BATCH_MAX = 100

_AHEAD_MAX = 100
"""Deliveries leased as they come in although others are still handled: their turn comes in a moment."""

_AHEAD_S = 1.0
"""How long they may wait for it; then they are given back, and another process may take them."""

_UNWRITTEN_MAX = 1000
"""Deliveries begun whose verdicts are not on disk; with more of them, no further ones are begun."""

_WRITE_AGAIN_S = 1.0

_log = logging.getLogger("lastcall.github")


class Worker:
    """
    Handles deliveries, several at once, until it is stopped.

    Args:
        inbox: Open.

        router: Whose handlers are run.

        github_for: Makes what handlers get as their second argument.

        tally: Counts runs.

        context: Given to every handler as keyword arguments.

        concurrency: How many deliveries are handled at once.

        limits: Of each handler.
    """

    def __init__(
        self,
        inbox: Inbox,
        router: Router,
        github_for: Callable[[Event], Awaitable[Any]],
        tally: Tally,
        *,
        context: Mapping[str, Any] | None = None,
        concurrency: int = 20,
        limits: Limits | None = None,
    ) -> None:
        self._inbox = inbox
        self._handling = Handling(inbox, router, github_for, tally, dict(context or {}), limits or Limits())
        self._concurrency = concurrency
        # Deliveries whose verdict is not written yet; a cancelled one stays in it, to be released.
        self._running: dict[str, asyncio.Task[None]] = {}
        self._active = 0
        """Of those, how many are in their handlers."""

        self._ahead: deque[tuple[float, Delivery]] = deque()
        """Leased, and waiting since then for a place."""

        self._arriving = 0
        """Deliveries that are being stored, and leased with that."""

        self._unwanted: set[str] = set()
        """Leased and not to be handled here; to be released."""

        self._more = True
        """Whether the inbox may hold deliveries that are due, for which there was no place."""

        self._wake = asyncio.Event()
        self._stopping = False
        self._loops: tuple[asyncio.Task[None], ...] = ()

    @property
    def running(self) -> int:
        """How many deliveries are being handled."""
        return self._active

    @property
    def alive(self) -> bool:
        """Whether it takes deliveries."""
        return bool(self._loops) and not any(task.done() for task in self._loops)

    async def add(self, received: Received) -> Added:
        """
        Store a delivery, and begin to handle it at once if there is room; else it has its turn later.

        Raises:
            InboxError: If it could not be stored.
        """
        take = self._has_room()
        self._arriving += take
        try:
            added = await self._inbox.add(received, take=take)
        except asyncio.CancelledError:
            if take and received.delivery_id not in self._running:
                self._unwanted.add(received.delivery_id)  # it is written all the same
            self.wake()
            raise
        finally:
            self._arriving -= take
        if added is Added.TAKEN:
            self._begin(_new_delivery(received))
        elif added in {Added.STORED, Added.REQUEUED}:
            self.wake()
        return added

    def wake(self) -> None:
        """Look into the inbox, now or as soon as there is a place."""
        self._more = True
        self._wake.set()

    def start(self) -> None:
        """Begin, on the running loop."""
        self._loops = (
            asyncio.create_task(self._take(), name="lastcall github worker"),
            asyncio.create_task(self._renew(), name="lastcall github leases"),
        )

    async def stop(self, grace: float = 20.0) -> None:
        """
        Take nothing more, let handlers finish, and give back what did not.

        Args:
            grace: Seconds for which running handlers are waited for; then they are cancelled, and their
                deliveries queued as if they had not been taken.
        """
        if not self._loops:
            return
        self._stopping = True
        self.wake()
        taking, renewing = self._loops
        await asyncio.wait({taking})
        await self._give_back()
        if tasks := set(self._running.values()):
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=self._handling.limits.cancel_s + 1)
        renewing.cancel()
        await asyncio.wait({renewing})
        self._unwanted.update(self._running)
        await self._give_back()

    def _has_room(self) -> bool:
        """Tell whether what comes in now may be taken at once; not before what has waited for longer."""
        if self._more or self._stopping or not self._loops or len(self._running) >= _UNWRITTEN_MAX:
            return False
        return self._active + len(self._ahead) + self._arriving < self._concurrency + _AHEAD_MAX

    async def _take(self) -> None:
        """Fill the free places, then wait until something comes in, ends, or may have become due."""
        while not self._stopping:
            self._wake.clear()
            await self._give_back()
            free = min(self._concurrency - self._active - len(self._ahead), _BATCH_MAX)
            if len(self._running) >= _UNWRITTEN_MAX:
                free = 0
            if free > 0:
                self._more = False
                taken = await self._claim(free)
                self._more |= taken == free
            if free <= 0 or taken < free:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _POLL_S)

    async def _give_back(self) -> None:
        """Release what has waited too long for its place, and what is not to be handled here."""
        while self._ahead and (self._stopping or self._ahead[0][0] < time.monotonic() - _AHEAD_S):
            self._unwanted.add(self._ahead.popleft()[1].delivery_id)
        if self._unwanted:
            unwanted = tuple(self._unwanted)
            self._more = True
            try:
                await self._inbox.release(unwanted)
            except InboxError as error:
                # If that stays so, their leases run out.
                _log.error("deliveries cannot be given back now: %s", error)
            else:
                self._unwanted.difference_update(unwanted)

    async def _claim(self, limit: int) -> int:
        try:
            claimed = await self._inbox.claim(limit)
        except InboxError as error:
            _log.error("no work can be taken now: %s", error)
            return 0
        for delivery in claimed:
            self._begin(delivery)
        return len(claimed)

    def _begin(self, delivery: Delivery) -> None:
        """Handle a leased delivery, now or when there is a place for it."""
        if self._active >= self._concurrency or self._stopping:
            self._ahead.append((time.monotonic(), delivery))
            return
        self._active += 1
        self._running[delivery.delivery_id] = asyncio.create_task(self._work(delivery))

    async def _work(self, delivery: Delivery) -> None:
        try:
            verdict = await self._handling.verdict_on(delivery)
        finally:
            self._active -= 1
            self._fill()
        await self._settle(delivery.delivery_id, verdict)

    def _fill(self) -> None:
        """Give the place that has become free to the next delivery."""
        if self._ahead and not self._stopping:
            self._begin(self._ahead.popleft()[1])
        elif self._more:
            self._wake.set()

    async def _settle(self, delivery_id: str, verdict: Verdict) -> None:
        """Write a verdict, for as long as it takes: without it the work would be done again."""
        while True:
            try:
                kept = await self._inbox.settle(delivery_id, verdict)
            except InboxError as error:
                _log.error("how delivery %s went cannot be written now: %s", delivery_id, error)
                await asyncio.sleep(_WRITE_AGAIN_S)
            else:
                break
        if not kept:
            _log.warning(
                "delivery %s took so long that its lease ran out; it may be handled twice", delivery_id
            )
        self._running.pop(delivery_id, None)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self._inbox.renew()
            except InboxError as error:
                _log.error("the leases cannot be renewed now: %s", error)


def _new_delivery(received: Received) -> Delivery:
    """Return what a claim of a delivery that was just stored would have returned."""
    summary = Summary(
        delivery_id=received.delivery_id,
        event=received.event,
        state=State.RUNNING,
        attempts=1,
        crashes=0,
        received_at=time.time(),
        not_before=0,
        finished_at=None,
        last_error=None,
    )
    return Delivery(summary, received.content_type, received.body)
