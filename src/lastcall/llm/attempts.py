"""One request with all its attempts: its turn, its server, its limits of time, and when to give up."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from .errors import LLMError, TimedOutError
from .lane import Lane, Turn
from .place import Place
from .retrying import cause_of, delay_after, is_worth_another
from .target import Target
from .timeouts import Timeouts

__all__ = ["Attempts", "OnRetry", "Options"]

_log = logging.getLogger("lastcall.llm")

_Result = TypeVar("_Result")

OnRetry = Callable[[str, float], None]
"""Called before the wait for another attempt, with its cause (as in `Outcome.retries`) and its seconds."""


@dataclass(slots=True)
class Options:
    """What a caller may say of one request."""

    timeouts: Timeouts
    """Its limits of time."""

    max_retries: int
    """How often it is sent again at most."""

    wait_max: float
    """Seconds that one wait a server asks for may take."""

    retry_truncated: bool = False
    """Whether an answer that had begun is asked for anew."""

    on_retry: OnRetry | None = None
    """Is told of each wait for another attempt."""

    on_attempt: Callable[[], None] | None = None
    """Is told of each attempt that begins: from then on a server may be at work on it."""


class Attempts(ABC, Generic[_Result]):
    """
    One request, over all its attempts; used once.

    Args:
        place: Where to send it.

        path: What is asked.

        targets: That path on each server, in the order of the handle's servers.

        body: What to send.

        options: The caller's.
    """

    __slots__ = (
        "_attempts",
        "_body",
        "_deadline",
        "_failed_at",
        "_first_error",
        "_is_shortened",
        "_options",
        "_path",
        "_place",
        "_retries",
        "_targets",
        "_turn",
        "_waited",
    )

    keeps_turn = False
    """Whether the turn goes on when an attempt has succeeded, as for a stream that is read later."""

    def __init__(
        self, place: Place, path: str, targets: tuple[Target, ...], body: bytes, options: Options
    ) -> None:
        self._place = place
        self._path = path
        self._targets = targets
        self._body = body
        self._options = options
        total = options.timeouts.total
        self._deadline = None if total is None else time.monotonic() + total
        self._attempts = 0
        self._waited = 0.0
        self._retries: tuple[str, ...] = ()
        self._turn: Turn | None = None
        self._failed_at: int | None = None
        self._is_shortened = False
        self._first_error: LLMError | None = None

    def after(self, error: LLMError, started: float) -> Self:
        """
        Take account of a first attempt that was made in a shorter way, to the place's only server.

        Args:
            error: What became of it.

            started: When it began, in seconds of the monotonic clock.
        """
        self._attempts = 1
        self._first_error = error
        total = self._options.timeouts.total
        self._deadline = None if total is None else started + total
        self._place.lanes[0].failed(None, error)
        return self

    async def run(self) -> _Result:
        """
        Send the request, wait and send it again where that is right, and return what came of it.

        Raises:
            LLMError: What became of the last attempt.
        """
        place = self._place
        first, self._first_error = self._first_error, None
        if first is not None:
            await self._wait_after(first, 0)
        while True:
            index = 0 if place.balance is None else place.balance.choose(self._failed_at)
            lane = place.lanes[index]
            made = self._attempts
            try:
                if lane.free:
                    return await self._attempt(index)
                return await self._attempt_in_turn(lane, index)
            except LLMError as error:
                if self._attempts > made:
                    lane.failed(self._turn, error)
                await self._wait_after(error, index)

    @abstractmethod
    async def _attempt(self, index: int) -> _Result:
        """Send it once, to the server of that index."""

    @abstractmethod
    def _learn(self, lane: Lane, turn: Turn, result: _Result) -> None:
        """Tell *lane* what it should know of an answer."""

    async def _attempt_in_turn(self, lane: Lane, index: int) -> _Result:
        """Send it when it is its turn."""
        turn = self._turn = Turn(len(self._body))
        if not lane.enter_at_once(turn):
            await self._enter(lane, turn)
        try:
            result = await self._attempt(index)
            if not self.keeps_turn:
                self._learn(lane, turn, result)
        except BaseException:
            lane.leave(turn)
            raise
        if not self.keeps_turn:
            lane.leave(turn)
        return result

    async def _enter(self, lane: Lane, turn: Turn) -> None:
        started = time.monotonic()
        try:
            if self._deadline is None:
                await lane.enter(turn, self._options.wait_max)
                return
            async with asyncio.timeout(self._deadline - started):
                await lane.enter(turn, self._options.wait_max)
        except TimeoutError:
            raise self._out_of_time() from None
        finally:
            self._waited += time.monotonic() - started

    def _begin_attempt(self) -> Timeouts:
        """Count an attempt and return its limits of time: none is longer than what is left of the total."""
        timeouts = self._options.timeouts
        # Before any wait the same object does for every request: what is made of it is kept.
        if self._deadline is not None and (self._attempts or self._turn is not None):
            timeouts = self._shortened(timeouts, self._deadline - time.monotonic())
        self._attempts += 1
        if self._options.on_attempt is not None:
            self._options.on_attempt()
        return timeouts

    def _shortened(self, timeouts: Timeouts, left: float) -> Timeouts:
        if left <= 0:
            raise self._out_of_time()
        self._is_shortened = timeouts.attempt is None or timeouts.attempt > left
        return replace(timeouts, total=None, attempt=left if self._is_shortened else timeouts.attempt)

    def _out_of_time(self) -> TimedOutError:
        total = self._options.timeouts.total or 0.0
        error = TimedOutError(f"no answer within the total of {total:g} s")
        error.limit, error.seconds = "total", total
        return error

    def _next_delay(self, error: LLMError, index: int) -> float | None:
        """Complete *error* and return how long to wait before another attempt; None to give it back."""
        place, options = self._place, self._options
        self._complete(error, index)
        if self._attempts > options.max_retries or not is_worth_another(
            error, truncated_too=options.retry_truncated
        ):
            return None
        delay = delay_after(error, self._attempts, options.wait_max)
        if place.balance is not None and self._attempts < len(place.lanes) and place.balance.has_other(index):
            delay = 0.0  # another server knows nothing of this one's trouble
        self._failed_at = index
        if delay is None or (self._deadline is not None and time.monotonic() + delay >= self._deadline):
            return None
        return delay

    def _complete(self, error: LLMError, index: int) -> None:
        error.attempt = self._attempts
        error.server = error.server or self._targets[index].server
        self._place.redactor.clean(error)
        if isinstance(error, TimedOutError) and error.limit == "attempt" and self._is_shortened:
            total = self._options.timeouts.total or 0.0
            error.limit, error.seconds = "total", total
            error.problem = f"no answer within the total of {total:g} s"

    async def _wait_after(self, error: LLMError, index: int) -> None:
        """Wait before another attempt, or raise *error* if there is to be none."""
        delay = self._next_delay(error, index)
        if delay is None:
            raise error
        cause = cause_of(error)
        self._retries += (cause,)
        self._waited += delay
        _log.info("%s: attempt %d failed (%s), another in %.2f s", error.server, error.attempt, cause, delay)
        if self._options.on_retry is not None:
            self._options.on_retry(cause, delay)
        await asyncio.sleep(delay)
