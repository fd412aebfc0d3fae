"""
When to ask again, how often, and how to ask once only: for every client of an API with limits.

The functions are pure and take what they need to know of time and chance; the two classes that wait belong
to one loop at a time.
"""

import asyncio
import email.utils
import math
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight", "Spacing", "TokenBucket", "backoff", "date_epoch", "reset_epoch", "retry_after"]

_Result = TypeVar("_Result")

_MILLISECONDS_FROM = 1e11
"""An epoch above it is in milliseconds: as seconds it would be the year 5138, as milliseconds it is 1973."""

_FAR = 366 * 86_400.0
"""Seconds from now beyond which a time is nonsense."""


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """
    Return for how many seconds a server asks to be left alone, or None if it does not say, or says nonsense.

    Args:
        headers: Of the answer; any case if the mapping ignores case, as aiohttp's does, else in lower case.

        now: Wall clock, seconds since the epoch; against it a date counts if the answer has no `Date` of its
            own, so that a client's wrong clock does no harm.

    Returns:
        Seconds, at least 0. `retry-after-ms` comes before `Retry-After`, which may be seconds (a fraction
        too, as some servers write) or a date in any form of HTTP.

    Source: RFC 9110, section 10.2.3; retry-after-ms as OpenAI and Azure send it.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _sane(milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return _sane(seconds)
    date = date_epoch(text)
    if date is None:
        return None
    told = date_epoch(headers.get("date"))
    return _sane(max(0.0, date - (now if told is None else told)))


def reset_epoch(text: str | None, *, now: float) -> float | None:
    """
    Return the time at which a limit is reset, in seconds since the epoch, or None for nonsense.

    Args:
        text: Seconds since the epoch, as GitHub writes it; milliseconds, as proxies and recordings do.

        now: Wall clock; a time over a year away from it, or before the epoch, is nonsense.
    """
    number = _number(text)
    if number is None:
        return None
    if number >= _MILLISECONDS_FROM:
        number /= 1000
    return number if 0 <= number <= now + _FAR else None


def date_epoch(text: str | None) -> float | None:
    """Return an HTTP date as seconds since the epoch, or None if it is none."""
    if not text:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def backoff(
    attempt: int, *, base: float = 0.5, longest: float = 30.0, chance: Callable[[], float] = random.random
) -> float:
    """
    Return how many seconds to wait after a failure: full jitter over a limit that doubles.

    Args:
        attempt: How many failed so far, counted from one.

        base: Seconds that the first wait may take at most.

        longest: Seconds that any wait may take at most.

        chance: Gives a number from 0 to 1.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter finishes first and
    asks least often.
    """
    # An exponent of a thousand is infinity, and of ten thousand an error.
    return chance() * min(longest, base * 2.0 ** min(attempt - 1, 64))


class Spacing:
    """
    Keeps a distance between starts: each `reserve()` takes the next free moment.

    Args:
        interval: Seconds from one start to the next; 0 for none.

        clock: Monotonic seconds.
    """

    def __init__(self, interval: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval = interval
        self._clock = clock
        self._next = -math.inf

    def reserve(self) -> float:
        """Take the next free moment and return in how many seconds it is; a caller must wait so long."""
        now = self._clock()
        start = max(now, self._next)
        self._next = start + self.interval
        return start - now


class TokenBucket:
    """
    Lets through so many in a burst, and then so many a second; waiting is the caller's.

    Args:
        rate: Tokens a second that flow in.

        size: Tokens it holds, and holds at first; at least 1.

        clock: Monotonic seconds.
    """

    def __init__(
        self, rate: float, size: float = 1.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if rate <= 0 or size < 1:
            raise ValueError(f"rate must be above 0 and size at least 1, not {rate} and {size}")
        self.rate = rate
        self.size = size
        self._clock = clock
        self._level = size
        self._at = clock()

    def reserve(self, tokens: float = 1.0) -> float:
        """Take *tokens*, which may leave a debt, and return in how many seconds they will be there."""
        now = self._clock()
        self._level = min(self.size, self._level + (now - self._at) * self.rate)
        self._at = now
        self._level -= tokens
        return max(0.0, -self._level / self.rate)


class SingleFlight(Generic[_Result]):
    """
    Lets many who want the same thing at the same time have it made once.

    What was made is given to all who waited and then forgotten: keeping it is the caller's. A caller that
    is cancelled does not cancel the making, which others may wait for; an error goes to all who waited.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Task[_Result]] = {}

    async def run(self, key: Hashable, make: Callable[[], Awaitable[_Result]]) -> _Result:
        """
        Return what *make* makes, or what one that is under way for the same *key* makes.

        Those on different loops do not share.
        """
        loop = asyncio.get_running_loop()
        task = self._flights.get((loop, key))
        if task is None:
            task = loop.create_task(_awaited(make))
            self._flights[loop, key] = task
            task.add_done_callback(lambda done: self._landed((loop, key), done))
        return await asyncio.shield(task)

    def _landed(self, key: Hashable, task: asyncio.Task[_Result]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # all who waited may be gone; an error nobody waits for is no news


async def _awaited(make: Callable[[], Awaitable[Any]]) -> Any:
    return await make()


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _sane(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= _FAR else None
