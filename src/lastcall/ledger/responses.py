"""Requests whose responses are still open, and pools that made requests wait."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING

from yarl import URL

from .sites import Stack

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientResponse
    from aiohttp.connector import BaseConnector

    from .entries import Opening

__all__ = ["LONG_WAIT_S", "OpenRequest", "PoolWait", "Requests"]

LONG_WAIT_S = 1.0
"""Seconds after which waiting for a free connection is worth a word."""


class OpenRequest:
    """One request, from its line to the release of its response."""

    __slots__ = ("began", "method", "pool", "queued", "response", "stack", "url")

    def __init__(self, stack: Stack, pool: Opening | None, method: str, url: URL | str) -> None:
        self.stack = stack
        self.pool = pool
        self.method = method
        self.url = url
        self.began = monotonic()
        self.queued = False
        """Whether it is waiting for a free connection."""
        self.response: weakref.ref[ClientResponse] | None = None

    def answered(self, response: ClientResponse) -> None:
        """Write down that the request has its *response*."""
        self.response = weakref.ref(response)

    def target(self) -> tuple[str, str]:
        """Return host and path, without credentials, query and fragment."""
        response = self.response() if self.response is not None else None
        url = URL(response.url if response is not None else self.url)
        return url.host_port_subcomponent or "", url.path

    def is_released(self) -> bool:
        """Tell whether its response has given its connection back."""
        if self.response is None:
            return False
        response = self.response()
        return response is None or response._connection is None


class PoolWait:
    """What is known of the waits for one host in pools of one kind, opened by one line."""

    __slots__ = ("failed", "holders", "limit", "limit_per_host", "longest", "peak_waiting", "stack", "waits")

    def __init__(self, stack: Stack | None, connector: BaseConnector) -> None:
        self.stack = stack
        self.limit = connector._limit
        self.limit_per_host = connector._limit_per_host
        self.waits = 0
        self.failed = 0
        self.longest = 0.0
        self.peak_waiting = 0
        self.holders: Counter[Stack] = Counter()


class Requests:
    """The requests that are open, and the waits for pools."""

    def __init__(self) -> None:
        self.open: set[OpenRequest] = set()
        self.waits: dict[tuple[Stack | None, str, int, int], PoolWait] = {}
        self._waiting: Counter[tuple[Opening | None, str]] = Counter()
        self._purge_at = 256
        self._lock = threading.RLock()

    def begin(self, request: OpenRequest) -> None:
        """Write down a request that was just made."""
        self.open.add(request)
        if len(self.open) >= self._purge_at:
            self.unreleased()

    def unreleased(self) -> list[OpenRequest]:
        """Forget the requests whose response is released and return the others, oldest first."""
        with self._lock:
            # list() copies in one step, while other threads may add.
            known = list(self.open)
            self.open.difference_update([request for request in known if request.is_released()])
            kept = [request for request in known if request in self.open]
            self._purge_at = 2 * len(kept) + 256
        return sorted(kept, key=lambda request: request.began)

    def queue(self, pool: Opening | None, host: str) -> int:
        """Count one more that waits for *host*; return how many do."""
        with self._lock:
            self._waiting[pool, host] += 1
            return self._waiting[pool, host]

    def leave_queue(
        self, connector: BaseConnector, pool: Opening | None, host: str, waited: float, *, served: bool
    ) -> None:
        """Write down that a wait is over, after *waited* seconds."""
        with self._lock:
            waiting = self._waiting[pool, host]
            self._waiting[pool, host] = waiting - 1
            if waiting <= 1:
                del self._waiting[pool, host]
            if served and waited < LONG_WAIT_S:
                return
            wait = self._wait(connector, pool, host)
            wait.waits += 1
            wait.failed += not served
            wait.peak_waiting = max(wait.peak_waiting, waiting)
            if waited > wait.longest:
                wait.longest = waited
                wait.holders = self._holders(pool)

    def _wait(self, connector: BaseConnector, pool: Opening | None, host: str) -> PoolWait:
        stack = pool.tally.stack if pool is not None else None
        key = (stack, host, connector._limit, connector._limit_per_host)
        return self.waits.setdefault(key, PoolWait(stack, connector))

    def _holders(self, pool: Opening | None) -> Counter[Stack]:
        return Counter(
            request.stack
            for request in self.unreleased()
            if request.pool is pool is not None and not request.queued
        )
