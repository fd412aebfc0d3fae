"""The worker: takes deliveries out of the inbox, runs their handlers, and writes how that went."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .event import Event
from .handling import Handling, Limits
from .inbox import Delivery, Inbox, InboxError, Verdict
from .router import Router
from .tally import Tally

__all__ = ["Worker"]

_POLL_S = 1.0
"""How long a delivery that another process stored, or that becomes due, may wait to be seen."""

_RENEW_S = 8.0
"""Well below the 30 seconds of a lease."""

_BATCH_MAX = 100
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
        self._wake = asyncio.Event()
        self._stopping = False
        self._loops: tuple[asyncio.Task[None], ...] = ()

    @property
    def running(self) -> int:
        """How many deliveries are being handled."""
        return len(self._running)

    @property
    def alive(self) -> bool:
        """Whether it takes deliveries."""
        return bool(self._loops) and not any(task.done() for task in self._loops)

    def wake(self) -> None:
        """Look into the inbox now."""
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
        if tasks := set(self._running.values()):
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=self._handling.limits.cancel_s + 1)
        renewing.cancel()
        await asyncio.wait({renewing})
        with contextlib.suppress(InboxError):  # then the leases run out instead
            await self._inbox.release(tuple(self._running))

    async def _take(self) -> None:
        """Fill the free places, then wait until something comes in, ends, or may have become due."""
        while not self._stopping:
            self._wake.clear()
            free = min(self._concurrency - len(self._running), _BATCH_MAX)
            taken = await self._claim(free) if free > 0 else 0
            if taken < _BATCH_MAX:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _POLL_S)

    async def _claim(self, limit: int) -> int:
        try:
            claimed = await self._inbox.claim(limit)
        except InboxError as error:
            _log.error("no work can be taken now: %s", error)
            return 0
        for delivery in claimed:
            task = asyncio.create_task(self._work(delivery), name=f"delivery {delivery.delivery_id}")
            self._running[delivery.delivery_id] = task
        return len(claimed)

    async def _work(self, delivery: Delivery) -> None:
        try:
            verdict = await self._handling.verdict_on(delivery)
            await self._settle(delivery.delivery_id, verdict)
        finally:
            self.wake()

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
        del self._running[delivery_id]

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self._inbox.renew()
            except InboxError as error:
                _log.error("the leases cannot be renewed now: %s", error)
