"""A server that sends the bytes it is told to, and knows how each connection ended."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

__all__ = ["PATIENCE", "Peer", "RawServer", "until"]

PATIENCE = 10.0
"""Seconds for which a test waits for what must come."""

Handler = Callable[["Peer"], Awaitable[None]]
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.001)


@dataclass
class Peer:
    """One connection, as the server has it."""

    number: int
    """Counted from 1."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]
    """Of all connections."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has let go of the connection."""

    async def request(self) -> bytes:
        """Read a request, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        request = head + await self.reader.readexactly(int(found[1]) if found else 0)
        self.requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each in a packet of its own as far as one can tell."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        """Send a whole answer."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    async def stream(self, *events: bytes, end: bool = True) -> None:
        """Send a stream, each event an HTTP chunk, with the last chunk if it has an *end*."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        await self.send(head, *(b"%x\r\n%b\r\n" % (len(event), event) for event in events))
        if end:
            await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """End the connection by a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        while await self.reader.read(2**16):
            pass
        self.ended.set()


class RawServer:
    """Serves each connection with *handler*, on the running loop; closes those that are open in the end."""

    def __init__(self, handler: Handler, *, context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._context = context
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[Peer] = []
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        assert self._server is not None
        return f"http{'s' if self._context else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(len(self.peers) + 1, reader, writer, self.requests)
        self.peers.append(peer)
        try:
            await self._handler(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            peer.ended.set()
            writer.close()
            self._tasks.discard(task)

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close what is open."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)
