"""What came back from a model server: the answer's bytes, and what it took to get them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Outcome"]


@dataclass(slots=True)
class Outcome:
    """
    An answer, whole, with what it took. Times are seconds; those that were not measured are None.

    Not frozen: a frozen one takes three times as long to make, and one is made for each request.
    """

    status: int
    """HTTP status, 200 to 299."""

    body: bytes
    """The body as it came, JSON; of a stream, the completion put together from its chunks."""

    headers: Mapping[str, str]
    """The answer's headers, names in any case."""

    attempts: int = 1
    """How many were made, this one included; a connection found dead before any answer does not count."""

    waited: float = 0.0
    """Spent waiting for limits of rate and concurrency, and between attempts."""

    seconds: float = 0.0
    """The last attempt's, from sending to the last byte."""

    first_chunk: float | None = None
    """Of a stream, from sending to the first event with content."""

    gaps: tuple[float, ...] = ()
    """Of a stream, the times between its events with content."""

    retries: tuple[str, ...] = field(default=())
    """Why each earlier attempt was given up: a status as text, or "connection", "timeout", "truncated"."""

    @property
    def request_id(self) -> str | None:
        """What the server calls the request (`x-request-id`), or None."""
        return self.headers.get("x-request-id")
