"""Whether a request that failed is sent again, and when: decided here, waited for in `attempts`."""

import random
from collections.abc import Callable

import aiohttp

from lastcall.errors import SessionClosedError
from lastcall.pacing import backoff

from .errors import (
    ConnectionFailedError,
    LLMError,
    StatusError,
    TimedOutError,
    TruncatedError,
)

__all__ = ["cause_of", "delay_after", "is_worth_another"]

_FINAL_CAUSES = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.InvalidURL,
    SessionClosedError,
)
"""Behind a failed connection: what will not be otherwise a second later."""

_WORTH = {408, 409, 429}
_SERVER_ERRORS = 500
_NO_CREDIT = "insufficient_quota"

_BASE = 0.5
_LONGEST = 8.0
"""Seconds. Both are those of OpenAI's client."""

_SPREAD = 0.25
"""Of a wait a server asks for, at most a second: or all it sent away come back at one moment."""


def is_worth_another(error: LLMError, *, truncated_too: bool = False) -> bool:
    """
    Return whether the request may be sent again after *error*.

    Args:
        error: What became of it.

        truncated_too: Whether an answer that had begun may be asked for anew; only where nobody has seen the
            part that came.

    Source: the rules of OpenAI's client (408, 409, 429, 5xx, `x-should-retry`), less `insufficient_quota`,
    which waiting does not mend.
    """
    if isinstance(error, StatusError):
        if error.should_retry is not None:
            return error.should_retry
        worth = error.status in _WORTH or (error.status or 0) >= _SERVER_ERRORS
        return worth and _NO_CREDIT not in (error.code, error.kind)
    if isinstance(error, ConnectionFailedError):
        return not isinstance(error.__cause__, _FINAL_CAUSES)
    if isinstance(error, TimedOutError):
        return error.limit != "total" and (truncated_too or not _has_begun(error))
    return truncated_too and isinstance(error, TruncatedError)


def delay_after(
    error: LLMError, attempt: int, wait_max: float, *, chance: Callable[[], float] = random.random
) -> float | None:
    """
    Return how many seconds to wait after the *attempt*-th failed, counted from one; None for too long.

    Args:
        error: What became of the attempt; what it asks for is kept to.

        attempt: How many were made.

        wait_max: Seconds; a server that asks for more is not waited for.

        chance: Gives a number from 0 to 1.
    """
    asked = error.retry_after
    if asked is None:
        return backoff(attempt, base=_BASE, longest=_LONGEST, chance=chance)
    return asked + chance() * min(1.0, asked * _SPREAD) if asked <= wait_max else None


def cause_of(error: LLMError) -> str:
    """Return why an attempt was given up, in a word: a status, "connection", "timeout" or "truncated"."""
    if isinstance(error, StatusError):
        return str(error.status)
    if isinstance(error, TimedOutError):
        return "timeout"
    return "connection" if isinstance(error, ConnectionFailedError) else "truncated"


def _has_begun(error: TimedOutError) -> bool:
    return error.status is not None or bool(error.body or error.chunks)
