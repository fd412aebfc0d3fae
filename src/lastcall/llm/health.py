"""Whether a server answers, as its requests find out, and when to try one again that did not."""

import math
import time
from collections.abc import Callable

from .errors import ConnectionFailedError, LLMError, StatusError, TimedOutError

__all__ = ["Health"]

_AWAY_BASE = 0.5
_AWAY_LONGEST = 30.0
"""Seconds for which a server is left alone; doubled each time it fails again."""

_AWAY_STATUSES = {502, 503, 504, 529}
"""A gateway without a server behind it, or one that is too busy. A 500 may be due to the request alone."""


class Health:
    """
    Whether a server answers.

    A server that fails is left alone for a while, then one request at a time tries it, until one is answered.

    Args:
        clock: Monotonic seconds.

    Attributes:
        failures: How often it was left alone since its last answer.

        away_until: Until when it is left alone, by the clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.failures = 0
        self.away_until = -math.inf

    def takes(self, in_flight: int) -> bool:
        """Return whether it may be asked, with so many requests under way."""
        return not self.failures or (self._clock() >= self.away_until and not in_flight)

    def answered(self) -> None:
        """Count an answer, of whatever status."""
        self.failures = 0
        self.away_until = -math.inf

    def failed(self, error: LLMError) -> None:
        """Count a failure; several at one time count as one."""
        if not _is_away(error):
            if isinstance(error, StatusError):
                self.answered()
            return
        now = self._clock()
        if now >= self.away_until:
            self.failures += 1
            self.away_until = now + min(_AWAY_LONGEST, _AWAY_BASE * 2.0 ** min(self.failures - 1, 16))


def _is_away(error: LLMError) -> bool:
    if isinstance(error, StatusError):
        return error.status in _AWAY_STATUSES
    return isinstance(error, ConnectionFailedError | TimedOutError)
