"""How long a request to a model server may take, in all and in each of its parts."""

import math
from dataclasses import dataclass

__all__ = ["Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    Limits of time, each in seconds, None for none.

    Raises:
        ValueError: For a limit that is not above zero, or not a number.
    """

    total: float | None = None
    """For a request with all its attempts and the waiting between them: its deadline."""

    attempt: float | None = 600.0
    """For one attempt, from the wait for a connection to the last byte. Default: that of OpenAI's client."""

    connect: float | None = 30.0
    """To open a connection, its TLS handshake included."""

    first_byte: float | None = None
    """From the moment a request is sent until its answer begins: the server's queue and the prompt."""

    between_chunks: float | None = 120.0
    """Between two pieces of an answer that has begun: longer is a stalled stream."""

    def __post_init__(self) -> None:
        """Check each limit."""
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ValueError(f"timeout {name}={value!r} must be seconds above 0, or None for no limit")
