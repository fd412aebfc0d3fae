"""How a GitHub service paces, waits and tries again: plain data."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import ClientTimeout

__all__ = ["Options", "Wait"]


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that begins, for `Options.on_wait`."""

    reason: str
    """Why: "primary limit", "secondary limit", "write spacing", "new token" or what failed."""

    seconds: float
    """How long."""

    method: str
    """In upper case."""

    path: str
    """Of the URL, without the query."""

    attempt: int
    """How often the request was sent so far; 0 before the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    How a service paces, waits and tries again; services of one token should have the same.

    Source: GitHub docs, "Best practices for using the REST API" and "Rate limits for the REST API": requests
    in series, a second between writes, `Retry-After`, then the reset, then at least a minute and more.
    """

    wait_max: float = 120.0
    """Seconds that one call waits in all for GitHub's limits and for new attempts; a limit that asks for more
    is a `RateLimitError` at once. Waiting for one's own turn to write does not count."""

    attempts_max: int = 4
    """How often one request is sent at most."""

    concurrent_max: int = 10
    """Requests of one token that are under way at one time."""

    write_interval: float = 1.0
    """Seconds from one write of a token to the next, each sent after the last was answered."""

    retry_unsafe: bool = False
    """Whether POST and PATCH are sent again though the first may have arrived: comments may appear twice."""

    timeout: ClientTimeout = field(
        default_factory=lambda: ClientTimeout(total=60.0, sock_connect=10.0, sock_read=30.0)
    )
    """Of each attempt, whatever the session's own is."""

    secondary_wait: float = 60.0
    """Seconds to wait at a secondary limit that does not say how long; doubled each time."""

    new_token_age: float = 10.0
    """Seconds for which a new installation token that is refused is tried again: GitHub takes a moment to
    know it everywhere."""

    cache_bytes_max: int = 16 * 2**20
    """Bytes of answers that are kept for conditional requests, for each token; 0 keeps none."""

    on_wait: Callable[[Wait], None] | None = None
    """Called on the loop when a wait begins. What it raises is raised by the call that waits."""
