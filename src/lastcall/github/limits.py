"""What an answer or a failure means for the next attempt: decided here, waited for in `transport`."""

import json
import time
from dataclasses import dataclass

import aiohttp

from lastcall.errors import SessionClosedError
from lastcall.pacing import backoff, date_epoch, reset_epoch, retry_after

from .messages import Request, Response
from .options import Options

__all__ = ["PRIMARY", "SECONDARY", "Again", "after_answer", "after_failure", "limit_of", "spent"]

PRIMARY = "primary limit"
SECONDARY = "secondary limit"

_FORBIDDEN, _TOO_MANY, _OK = 403, 429, 200
_TRANSIENT = {500, 502, 503, 504}
_LONGEST_RESET = 3600.0
_LONGEST_SECONDARY = 900.0
_UNKNOWN_RESET = 60.0
_MARGIN = 1.0
"""Seconds after a reset, which is a whole second that may have only begun."""


@dataclass(frozen=True, slots=True)
class Again:
    """That a request should be sent again."""

    delay: float
    """Seconds from now."""

    reason: str
    """As in `Wait.reason`."""

    limit: bool = False
    """Whether GitHub asked to wait; then every request of the token waits."""


def after_answer(request: Request, response: Response, attempt: int, options: Options) -> Again | None:
    """Return whether to send *request* again after *response*, its *attempt*-th (from one); None for no."""
    limit = limit_of(response, attempt, options, now=time.time())
    if limit is not None:
        return limit
    if response.status not in _TRANSIENT or not (request.repeatable or options.retry_unsafe):
        return None
    asked = retry_after(response.headers, now=time.time()) or 0.0
    return Again(max(asked, backoff(attempt)), f"status {response.status}")


def after_failure(request: Request, error: Exception, attempt: int, options: Options) -> Again | None:
    """Return whether to send *request* again after *error*; None for no."""
    if isinstance(error, (SessionClosedError, aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL)):
        return None
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        sendable = True  # no connection: nothing was sent
    elif isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)):
        sendable = request.repeatable or options.retry_unsafe
    else:
        sendable = False
    return Again(backoff(attempt), type(error).__name__) if sendable else None


def limit_of(response: Response, attempt: int, options: Options, *, now: float) -> Again | None:
    """
    Return how long a limit asks to wait, or None if *response* is no limit.

    Args:
        response: Its headers as GitHub sent them or sanitised.

        attempt: How often the request was sent, from one: a secondary limit that says nothing doubles.

        options: For the first such wait.

        now: Wall clock; the answer's own `Date` comes first, so that a wrong clock here does no harm.

    Source: GitHub docs, "Rate limits for the REST API", "Exceeding the rate limit".
    """
    if response.status not in (_FORBIDDEN, _TOO_MANY) and not _is_graphql_limit(response):
        return None
    asked = retry_after(response.headers, now=now)
    exhausted = response.headers.get("x-ratelimit-remaining") == "0"
    if exhausted and asked is None:
        return Again(_until_reset(response, now), PRIMARY, limit=True)
    secondary = asked is not None or response.status == _TOO_MANY or _speaks_of_limit(response)
    if not secondary and response.status == _FORBIDDEN:
        return None
    if asked is None:
        asked = min(options.secondary_wait * 2.0 ** (attempt - 1), _LONGEST_SECONDARY)
    return Again(asked, PRIMARY if exhausted else SECONDARY, limit=True)


def spent(response: Response, *, now: float) -> float:
    """Return for how many seconds a good answer says that nothing is left; 0 if there is, or it says not."""
    left, limit = (
        response.headers.get("x-ratelimit-remaining"),
        response.headers.get("x-ratelimit-limit", "0"),
    )
    if left != "0" or limit == "0" or reset_epoch(response.headers.get("x-ratelimit-reset"), now=now) is None:
        return 0.0
    seconds = _until_reset(response, now)
    return seconds if seconds > _MARGIN else 0.0


def _until_reset(response: Response, now: float) -> float:
    reset = reset_epoch(response.headers.get("x-ratelimit-reset"), now=now)
    if reset is None:
        return _UNKNOWN_RESET
    told = date_epoch(response.headers.get("date"))
    seconds = reset - (now if told is None else told)
    return min(max(seconds, 0.0) + _MARGIN, _LONGEST_RESET)


def _speaks_of_limit(response: Response) -> bool:
    text = response.body[:4096].lower()
    return b"rate limit" in text or b"abuse detection" in text


def _is_graphql_limit(response: Response) -> bool:
    """Tell whether a GraphQL answer, which is a 200, is a limit."""
    if response.status != _OK or b"RATE_LIMITED" not in response.body:
        return False
    if not response.url.path.endswith("/graphql"):
        return False
    try:
        errors = json.loads(response.body).get("errors") or []
    except (ValueError, AttributeError):
        return False
    return any(isinstance(error, dict) and error.get("type") == "RATE_LIMITED" for error in errors)
