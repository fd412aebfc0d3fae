"""Sending a reply in the way its script says: late, in pieces, compressed, or cut off."""

from __future__ import annotations

import array
import asyncio
import contextlib
import math
import socket
import struct
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from aiohttp import web
from multidict import CIMultiDict

from .openai_shapes import reason
from .script import Answer

if sys.platform != "win32":
    import fcntl
    import termios

_BODILESS = {204, 304}
_GZIP_WINDOW_BITS = 31
_LOOKS, _LOOK_AGAIN = 200, 0.002
_LINGER_NOT_AT_ALL = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send if nothing is to go wrong."""

    status: int
    """The final status."""

    content_type: str
    """With its charset, if it has one."""

    parts: Sequence[bytes]
    """The body, in the pieces in which it is written; may be empty."""

    stream: bool = False
    """Whether the length is not said beforehand."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """The others."""


async def send(request: web.Request, reply: Reply, answer: Answer) -> web.StreamResponse:
    """Send *reply* as *answer* says; where the connection is cut, the handler ends with it, cancelled."""
    await asyncio.sleep(answer.delay)
    if answer.cut == "before":
        await _cut(request, answer)
    for status in answer.informational:
        _write(request, _head_as_text(f"HTTP/1.1 {status} {reason(status)}", {}))
    if answer.raw is not None or answer.http10:
        await _send_bare(request, reply, answer)
    return await _send(request, reply, answer)


async def _send(request: web.Request, reply: Reply, answer: Answer) -> web.StreamResponse:
    """Send what aiohttp knows how to send."""
    parts = [] if reply.status in _BODILESS else encode(reply.parts, answer)
    response = web.StreamResponse(status=reply.status, headers=head(reply, answer))
    if (told := response.headers.get("Content-Length")) is not None:
        response.content_length = int(told)
    elif not reply.stream:
        response.content_length = sum(map(len, parts))
    if answer.close:
        response.force_close()
    if answer.cut == "head":
        line = f"HTTP/1.1 {response.status} {response.reason}"
        await _cut(request, answer, _half(_head_as_text(line, response.headers), answer.cut_after))
    await response.prepare(request)
    for number, part in enumerate(truncate(parts, answer.cut_after) if answer.cut == "body" else parts):
        if number:
            await asyncio.sleep(answer.event_delay)
        await response.write(part)
    if answer.cut == "body":
        await _cut(request, answer)
    await response.write_eof()
    if answer.cut == "after":
        if answer.reset:
            await _delivered(request)
        await _cut(request, answer)
    return response


async def _send_bare(request: web.Request, reply: Reply, answer: Answer) -> None:
    """Send bytes that no server of this century would, and end the connection, and the handler with it."""
    if answer.raw is not None:
        start, parts = b"", encode([answer.raw], replace(answer, gzip=False))
    else:
        line = f"HTTP/1.0 {reply.status} {reason(reply.status)}"
        start, parts = _head_as_text(line, head(reply, answer)), encode(reply.parts, answer)
    if answer.cut == "head":
        await _cut(request, answer, _half(start, answer.cut_after))
    _write(request, start)
    for number, part in enumerate(truncate(parts, answer.cut_after) if answer.cut == "body" else parts):
        if number:
            await asyncio.sleep(answer.event_delay)
        _write(request, part)
    await _cut(request, answer)


def encode(parts: Sequence[bytes], answer: Answer) -> list[bytes]:
    """Return the body as it goes over the wire: compressed and split as *answer* says."""
    if answer.gzip:
        packer = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
        packed = [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts]
        parts = [*packed, packer.flush()]
    if answer.split is None:
        return list(parts)
    whole = b"".join(parts)
    return [whole[start : start + answer.split] for start in range(0, len(whole), answer.split)]


def truncate(parts: Sequence[bytes], length: int | None) -> list[bytes]:
    """Return the first *length* bytes of the body, half of it for None, as one part or more."""
    left = sum(map(len, parts)) // 2 if length is None else length
    kept = []
    for part in parts:
        kept.append(part[:left])
        left -= len(kept[-1])
    # An empty part sends the head, and only the head.
    return [part for part in kept if part] or [b""]


def head(reply: Reply, answer: Answer) -> CIMultiDict[str]:
    """Return the headers of the reply, those that *answer* adds or replaces included."""
    headers = CIMultiDict({"Content-Type": answer.content_type or reply.content_type, **reply.headers})
    if answer.gzip:
        headers["Content-Encoding"] = "gzip"
    if answer.retry_after is not None:
        headers.update([retry_after(answer.retry_after, answer.retry_after_form, now=time.time())])
    headers.update(answer.headers)
    return headers


def retry_after(seconds: float, form: str, *, now: float) -> tuple[str, str]:
    """Return the name and the value of the header that says when to come back; *now* is wall time."""
    if form == "ms":
        return "retry-after-ms", str(math.ceil(seconds * 1000))
    if form == "date":
        return "Retry-After", formatdate(math.ceil(now + seconds), usegmt=True)
    return "Retry-After", str(math.ceil(seconds))


def _head_as_text(line: str, headers: Mapping[str, str]) -> bytes:
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def _half(data: bytes, length: int | None) -> bytes:
    return data[: len(data) // 2 if length is None else length]


def _write(request: web.Request, data: bytes) -> None:
    if request.transport is not None:
        request.transport.write(data)


async def _delivered(request: web.Request) -> None:
    """Return once the client's system has everything, as far as can be told: a reset overtakes the rest."""
    for _ in range(_LOOKS):
        transport = request.transport
        if transport is None or (not transport.get_write_buffer_size() and not _bytes_on_the_way(transport)):
            return
        await asyncio.sleep(_LOOK_AGAIN)


def _bytes_on_the_way(transport: asyncio.Transport) -> int:
    if sys.platform == "win32":
        return 0
    count = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, count)
    return count[0]


async def _cut(request: web.Request, answer: Answer, last_words: bytes = b"") -> None:
    transport = request.transport
    if transport is not None:
        transport.write(last_words)
        if answer.reset:
            sock: socket.socket = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
            transport.abort()
        else:
            transport.close()
    # The end of the connection cancels the handler; nothing may be sent until then.
    await asyncio.get_running_loop().create_future()
