"""What the handles of one server and key share on a loop: limits, cool-down, and how the server is."""

import asyncio
import math
import random
import sys
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lastcall.pacing import Spacing, TokenBucket, backoff

from .adaptive import AdaptiveLimit
from .announced import announced_interval, announces
from .errors import LLMError, RateLimitedError, StatusError, TimedOutError
from .gate import Gate
from .health import Health
from .settings import Settings

__all__ = ["Lane", "Turn", "lane_for"]

_LANES_MAX = 1000
_MINUTE = 60.0
_COOL_BASE = 1.0
_COOL_LONGEST = 30.0
"""Seconds of the cool-down at a 429 that does not say how long; doubled while no answer comes between."""

_SPREAD = 0.25
"""Part of a cool-down, a second at most, over which those who wait for its end come back."""

_COOLING_STATUSES = {429, 503}
_BYTES_PER_TOKEN = 4
_FIRST_TOKENS = 256.0
"""How long an answer is taken to be before the first one came."""

_MEMORY = 0.1
"""Weight of the newest answer in the average of their lengths."""

_NO_CREDIT = "insufficient_quota"

_lanes: dict[asyncio.AbstractEventLoop, OrderedDict[tuple[str, str], "Lane"]] = {}
"""By loop, then by base URL and a hash of the key: handles are made for each task, servers count by key."""


class _Limits(NamedTuple):
    """What a handle asks of a lane; None for no limit."""

    concurrency: int | None = None
    rpm: float | None = None
    tpm: float | None = None
    adaptive: bool = False


@dataclass(slots=True)
class Turn:
    """A request's turn: what it took of the limits, to be given back or settled."""

    size: int
    """Bytes of the request's body."""

    tokens: float = 0.0
    """Taken of the tokens a minute, before it is known what it needs."""

    wait: float = 0.0
    """Seconds for which it has to wait for what it took."""

    held: bool = False
    """Whether it is under way, so that it has to leave."""

    gate: Gate | None = None
    """The gate it came through."""


class Lane:
    """
    The limits of one server and key on one loop, and whether the server is well.

    Attributes:
        free: Whether there is nothing to wait for and nothing to learn: the common case, in which a request
            looks at this and at nothing else.

        in_flight: Requests under way that did not find it free.

        health: Whether the server answers.

        held_until: The end of a cool-down, in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.free = False
        self.in_flight = 0
        self.health = Health()
        self.held_until = -math.inf
        self._is_new = True
        self._announces = False
        self._is_counted = False
        self._gate: Gate | None = None
        self._adaptive: AdaptiveLimit | None = None
        self._requests: TokenBucket | None = None
        self._tokens: TokenBucket | None = None
        self._spacing = Spacing(0.0)
        self._wishes: dict[_Limits, weakref.WeakSet[object]] = {}
        self._lowest = _Limits()
        self._cool_downs = 0
        self._answer_tokens = _FIRST_TOKENS

    @property
    def limit(self) -> int | None:
        """How many requests may be under way at this moment; None for any number."""
        return self._gate.limit if self._gate else None

    @property
    def counts_tokens(self) -> bool:
        """Whether it has to be told what each answer took."""
        return self._tokens is not None

    def join(self, user: object, settings: Settings) -> None:
        """Take on the limits of one more handle, *user*: the lowest of each in use counts."""
        limits = _Limits(settings.concurrency, settings.rpm, settings.tpm, settings.adaptive)
        self._wishes.setdefault(limits, weakref.WeakSet()).add(user)
        self._is_counted = self._is_counted or len(settings.servers) > 1
        self._apply()

    def part(self, user: object) -> None:
        """Forget the limits of a handle that is closed; of one that is collected they go by themselves."""
        for users in self._wishes.values():
            users.discard(user)
        self._apply()

    def enter_at_once(self, turn: Turn) -> bool:
        """
        Take a request's turn if nothing has to be waited for; return whether it did.

        After it `leave` has to be called; else `enter`, with the same turn.
        """
        if time.monotonic() < self.held_until:
            return False
        gate = self._gate
        if gate is not None:
            if not gate.enter_at_once():
                return False
            turn.gate = gate
        turn.wait = self._reserve(turn)
        if turn.wait > 0:
            return False
        self.in_flight += 1
        turn.held = True
        return True

    async def enter(self, turn: Turn, wait_max: float) -> None:
        """
        Wait for a request's turn, which `enter_at_once` could not give; after it `leave` has to be called.

        Args:
            turn: Of the request; what is taken is noted in it.

            wait_max: Seconds; the error of a cool-down that is longer is raised at once.

        Raises:
            RateLimitedError: If a cool-down is longer.
        """
        try:
            if turn.gate is None and (gate := self._gate) is not None:
                await gate.enter()
                turn.gate = gate
            await self._cool(wait_max)
            wait = turn.wait or self._reserve(turn)
            if wait > 0:
                await asyncio.sleep(wait)
                await self._cool(wait_max)
        except BaseException:
            self._leave_gate(turn)
            self._give_back(turn)
            raise
        self.in_flight += 1
        turn.held = True

    def answered(self, turn: Turn, headers: Mapping[str, str], seconds: float, tokens: int | None) -> None:
        """
        Learn from an answer.

        Args:
            turn: The request's.

            headers: Of the answer, in any case.

            seconds: From sending to the last byte, or of a stream to the first event.

            tokens: What it took in all, as its usage says; None if that is not known.
        """
        self._cool_downs = 0
        self.health.answered()
        if tokens is not None and self._tokens is not None:
            self._tokens.reserve(tokens - turn.tokens)
            answer = max(0.0, tokens - turn.size / _BYTES_PER_TOKEN)
            self._answer_tokens += _MEMORY * (answer - self._answer_tokens)
        if self._is_new:
            self._is_new = False
            self._announces = announces(headers)
        if self._announces:
            self._spacing.interval = announced_interval(headers, self._expected(turn.size))
        if self._adaptive is not None and self._adaptive.succeeded(seconds, self.in_flight):
            self._resize()

    def failed(self, turn: Turn | None, error: LLMError) -> None:
        """Learn from a failure: of a request that had its turn, or, with None, found the lane free."""
        if turn is not None:
            self._give_back(turn)
        self.health.failed(error)
        limited = isinstance(error, RateLimitedError)
        if isinstance(error, StatusError) and error.status in _COOLING_STATUSES:
            self._begin_cooling(error)
        if self._adaptive is None:
            return
        if limited or isinstance(error, TimedOutError):
            if self._adaptive.overloaded(error.retry_after):
                self._resize()
        else:
            self._adaptive.failed()

    def leave(self, turn: Turn) -> None:
        """End a request's turn, however it ended; a second time does nothing."""
        if not turn.held:
            return
        turn.held = False
        self.in_flight -= 1
        self._leave_gate(turn)
        self._settle()

    def _apply(self) -> None:
        """Make the limits those that are wished for now."""
        self._wishes = {limits: users for limits, users in self._wishes.items() if users}
        lowest = _Limits(
            concurrency=_lowest(limits.concurrency for limits in self._wishes),
            rpm=_lowest(limits.rpm for limits in self._wishes),
            tpm=_lowest(limits.tpm for limits in self._wishes),
            adaptive=any(limits.adaptive for limits in self._wishes),
        )
        if lowest.rpm != self._lowest.rpm:
            self._requests = _bucket(lowest.rpm)
        if lowest.tpm != self._lowest.tpm:
            self._tokens = _bucket(lowest.tpm)
        ceiling, known = (lowest.concurrency, lowest.adaptive), self._lowest
        if ceiling != (known.concurrency, known.adaptive):
            self._adaptive = AdaptiveLimit(lowest.concurrency) if lowest.adaptive else None
        self._lowest = lowest
        self._resize()
        self._settle()

    def _resize(self) -> None:
        limit = self._adaptive.limit if self._adaptive is not None else self._lowest.concurrency
        if self._gate is not None:
            self._gate.resize(sys.maxsize if limit is None else limit)
        if limit is None or self._gate is None:
            self._gate = None if limit is None else Gate(limit)

    def _settle(self) -> None:
        """Become free, or not any more."""
        limits = (self._gate, self._requests, self._tokens)
        self.free = (
            not (self._is_new or self._announces or self._is_counted)
            and limits == (None, None, None)
            and time.monotonic() >= self.held_until
        )

    async def _cool(self, wait_max: float) -> None:
        """Wait for the end of a cool-down."""
        while (left := self.held_until - time.monotonic()) > 0:
            if left > wait_max:
                raise RateLimitedError(
                    f"it asked to be left alone, for {left:.0f} s more, and wait_max is {wait_max:g} s",
                    retry_after=left,
                )
            await asyncio.sleep(left + random.random() * min(1.0, left * _SPREAD))  # noqa: S311

    def _reserve(self, turn: Turn) -> float:
        """Take what the request needs of the limits by the minute; return how long it has to wait for it."""
        wait = self._spacing.reserve()
        if self._requests is not None:
            wait = max(wait, self._requests.reserve())
        if self._tokens is not None:
            # It may begin when those before it are paid for: one answer can be more than a minute's worth.
            wait = max(wait, self._tokens.reserve(0.0))
            turn.tokens = self._expected(turn.size)
            self._tokens.reserve(turn.tokens)
        return wait

    def _leave_gate(self, turn: Turn) -> None:
        if turn.gate is not None:
            turn.gate.leave()
            turn.gate = None

    def _give_back(self, turn: Turn) -> None:
        if self._tokens is not None and turn.tokens:
            self._tokens.reserve(-turn.tokens)
        turn.tokens = 0.0

    def _expected(self, size: int) -> float:
        return size / _BYTES_PER_TOKEN + self._answer_tokens

    def _begin_cooling(self, error: StatusError) -> None:
        """Hold everybody back; many answers of one overload are one cool-down."""
        now = time.monotonic()
        if _NO_CREDIT in (error.code, error.kind):
            return  # waiting mends nothing, and each may be told
        if error.retry_after is not None:
            self.held_until = max(self.held_until, now + error.retry_after)
        elif isinstance(error, RateLimitedError) and now >= self.held_until:
            self._cool_downs += 1
            self.held_until = now + backoff(self._cool_downs, base=_COOL_BASE, longest=_COOL_LONGEST)
        self._settle()


def lane_for(server: str, key: str, user: object, settings: Settings) -> Lane:
    """
    Return the lane of a server and key on the running loop, made if need be; the least used go first.

    Args:
        server: Base URL.

        key: A hash of the key; never the key itself.

        user: The handle that asks; it is not kept alive.

        settings: Its own, whose limits the lane takes on.
    """
    loop = asyncio.get_running_loop()
    if loop not in _lanes:
        for closed in [known for known in tuple(_lanes) if known.is_closed()]:
            _lanes.pop(closed, None)
    lanes = _lanes.setdefault(loop, OrderedDict())
    lane = lanes.setdefault((server, key), Lane())
    lanes.move_to_end((server, key))
    if len(lanes) > _LANES_MAX:
        lanes.popitem(last=False)
    lane.join(user, settings)
    return lane


def _lowest(values: Iterable[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)


def _bucket(per_minute: float | None) -> TokenBucket | None:
    """Return a bucket that holds a second's worth, so that no burst goes over what a server counts."""
    if per_minute is None:
        return None
    rate = per_minute / _MINUTE
    return TokenBucket(rate, max(1.0, rate))
