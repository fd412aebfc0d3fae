"""What services of one token share: their pace, GitHub's limits and the cache."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from lastcall.pacing import Spacing

from .cache import ConditionalCache
from .options import Options

__all__ = ["Lane", "lane_for"]

_LANES_MAX = 1000
_EVERYTHING = "*"
_TICK = 0.05
"""Seconds by which a timer may be early; not worth another wait."""

_lanes: dict[asyncio.AbstractEventLoop, OrderedDict[tuple[str, str], "Lane"]] = {}
"""By loop, then by API and token. A service is made for each request; GitHub counts by token."""


class Lane:
    """
    The pace of one token on one loop.

    Args:
        options: Of the first service with that token.
    """

    def __init__(self, options: Options) -> None:
        self.cache = ConditionalCache(options.cache_bytes_max)
        self._spacing = Spacing(options.write_interval)
        self._slots = asyncio.Semaphore(options.concurrent_max)
        self._writing = asyncio.Lock()
        self._blocked: dict[str, tuple[float, str]] = {}

    def block(self, resource: str | None, seconds: float, reason: str) -> None:
        """Hold back requests for *resource*, None for all, for so many seconds from now."""
        until = monotonic() + seconds
        name = resource or _EVERYTHING
        if until > self._blocked.get(name, (0.0, ""))[0]:
            self._blocked[name] = until, reason

    def blocked(self, resource: str) -> tuple[float, str]:
        """Return for how many more seconds requests for *resource* are held back, 0 for not, and why."""
        until, reason = max(self._blocked.get(name, (0.0, "")) for name in (resource, _EVERYTHING))
        left = until - monotonic()
        return (left if left > _TICK else 0.0), reason

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the places for requests under way."""
        async with self._slots:
            yield

    @asynccontextmanager
    async def turn_to_write(self) -> AsyncIterator[float]:
        """Hold the turn to write; yield the seconds to wait first."""
        async with self._writing:
            yield self._spacing.reserve()


def lane_for(api: str, identity: str, options: Options) -> Lane:
    """
    Return the lane of a token on the running loop, made if need be; the least recently used go first.

    Args:
        api: Base URL.

        identity: Of the token; never the token itself.

        options: For a new lane.
    """
    loop = asyncio.get_running_loop()
    if loop not in _lanes:
        for closed in [known for known in _lanes if known.is_closed()]:
            del _lanes[closed]
    lanes = _lanes.setdefault(loop, OrderedDict())
    lane = lanes.get((api, identity))
    if lane is None:
        lane = lanes[api, identity] = Lane(options)
    lanes.move_to_end((api, identity))
    if len(lanes) > _LANES_MAX:
        lanes.popitem(last=False)
    return lane
