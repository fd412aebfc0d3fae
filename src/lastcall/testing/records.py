"""What a loopback server remembers: plain frozen data about connections and requests."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class ConnectionEnd(enum.Enum):
    """How a connection ended, as the server saw it."""

    OPEN = "open"
    """It has not ended."""

    PEER = "peer"
    """The peer closed it (FIN). A process that dies says the same, through its kernel."""

    RESET = "reset"
    """The peer reset it, or it broke while the server was sending."""

    SERVER = "server"
    """The server closed it: idle for too long, cut by a script, or stopped."""


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One connection a server accepted; over TLS, one whose handshake succeeded."""

    number: int
    """Counted from 1, in the order of opening."""

    opened_at: float
    """Seconds, monotonic clock."""

    end: ConnectionEnd = ConnectionEnd.OPEN
    """How it ended, or `ConnectionEnd.OPEN`."""

    ended_at: float | None = None
    """Seconds, monotonic clock; None while it is open."""

    requests: int = 0
    """Requests that began on it so far."""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request a server began to answer; its repr shows no secret."""

    method: str
    """In upper case, for example "GET"."""

    path: str
    """Decoded, without the query."""

    connection: int
    """The number of the connection it came on, see `ConnectionRecord.number`."""

    at: float
    """Seconds, monotonic clock: when its head had been read."""

    query: Mapping[str, str] = field(repr=False, default_factory=dict)
    """The query, decoded; of a repeated name the last value. May be empty, read only."""

    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    """The headers, found in any case; read only."""
