"""Counting connections from the server's side, between asyncio's transports and aiohttp's protocol."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from .records import ConnectionEnd, ConnectionRecord


class ConnectionBook:
    """
    Which connections a server has and had; written on the server's loop, read from any thread.

    Args:
        changed: Called after each change, on the server's loop.

        records_max: How many ended connections are remembered, the newest ones.
    """

    def __init__(self, changed: Callable[[], None], *, records_max: int) -> None:
        self.opened = 0
        self.peak = 0
        self._changed = changed
        self._open: dict[asyncio.BaseTransport, ConnectionRecord] = {}
        self._ended: deque[ConnectionRecord] = deque(maxlen=records_max)

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._open)

    def records(self) -> list[ConnectionRecord]:
        """Return a copy of all records: those that ended, in that order, then the open ones."""
        return [*self._ended.copy(), *self._open.copy().values()]

    def transports(self) -> list[asyncio.Transport]:
        """Return the transports of the open connections, oldest first."""
        return [cast("asyncio.Transport", transport) for transport in self._open]

    def number(self, transport: asyncio.BaseTransport | None) -> int:
        """Return the number of a connection, 0 if it has ended."""
        record = self._open.get(transport) if transport else None
        return record.number if record else 0

    def count_request(self, transport: asyncio.BaseTransport | None) -> None:
        """Count one more request on a connection, if it has not ended."""
        if transport and (record := self._open.get(transport)):
            self._open[transport] = replace(record, requests=record.requests + 1)

    def begin(self, transport: asyncio.BaseTransport) -> None:
        """Enter a connection that was accepted."""
        self.opened += 1
        self._open[transport] = ConnectionRecord(number=self.opened, opened_at=time.monotonic())
        self.peak = max(self.peak, len(self._open))
        self._changed()

    def finish(self, transport: asyncio.BaseTransport, end: ConnectionEnd) -> None:
        """Enter how a connection ended."""
        record = self._open.pop(transport)
        self._ended.append(replace(record, end=end, ended_at=time.monotonic()))
        self._changed()


class WatchedProtocol(asyncio.Protocol):
    """Passes everything on to another protocol, and tells the book when its connection begins and ends."""

    def __init__(self, inner: asyncio.Protocol, book: ConnectionBook) -> None:
        self._inner = inner
        self._book = book
        self._transport: asyncio.BaseTransport | None = None
        self._peer_finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the connection."""
        self._transport = transport
        self._book.begin(transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Note that the peer has finished."""
        self._peer_finished = True
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Enter how the connection ended."""
        end = ConnectionEnd.PEER if self._peer_finished else ConnectionEnd.SERVER
        self._inner.connection_lost(exc)
        assert self._transport is not None
        self._book.finish(self._transport, ConnectionEnd.RESET if exc else end)

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()
