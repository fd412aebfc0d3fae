"""
A model server that costs next to nothing, so that what is measured is the client.

It answers every POST with the same bytes, made beforehand: a completion of 1,055 bytes, or a stream of
events of about 200 bytes when the body has `"stream":true`. It knows HTTP only as far as clients need it:
requests with a Content-Length, one at a time on a connection. `GET /stats` says what it counted.

    with serving(Plan(per_packet=1, interval=0.02)) as server:
        ...  # server.base_url, server.ca, server.stats()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

REPLY_BYTES = 1055
EVENT_BYTES = 200
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')


@dataclass(frozen=True, slots=True)
class Plan:
    """How the server answers."""

    chunks: int = 200
    """Events of a stream that carry a chunk: a role, contents and a finish reason; `[DONE]` comes after."""

    per_packet: int = 16
    """Events written at once."""

    interval: float = 0.0
    """Seconds between the packets of a stream; 0 is the next turn of the server's loop."""

    think: float = 0.0
    """Seconds before an answer begins."""

    close_after_stream: bool = False
    """Whether the connection is closed after each stream, which no header says."""

    tls: bool = False
    """Whether to serve HTTPS, with a certificate for 127.0.0.1 and localhost made for the run."""

    bodies: bool = False
    """Whether to count requests whose body had been answered before, as `answered_again`."""

    core: int | None = 0
    """Which of the cores the process may use it keeps to; None is all."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    url: str
    """Scheme, host and port."""

    ca: str | None
    """The file with the certificate authority to trust; None without TLS."""

    @property
    def base_url(self) -> str:
        """What clients call the base URL."""
        return f"{self.url}/v1"

    def stats(self) -> dict[str, int]:
        """Return what was counted: connections, requests, streams (begun), answered_again."""
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        with urllib.request.urlopen(f"{self.url}/stats", context=context) as response:
            return cast("dict[str, int]", json.load(response))


@contextlib.contextmanager
def serving(plan: Plan | None = None) -> Iterator[Server]:
    """Run the server in a process of its own for as long as the block lasts."""
    options = json.dumps(asdict(plan or Plan()))
    command = [sys.executable, __file__, options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Server(**json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()  # what it ends at


def reply_body() -> bytes:
    """Return a chat completion of `REPLY_BYTES` bytes."""
    reply: dict[str, Any] = {
        "id": "chatcmpl-00000001",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "tiny",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "", "refusal": None}}],
        "usage": {"prompt_tokens": 420, "completion_tokens": 130, "total_tokens": 550},
    }
    reply["choices"][0] |= {"logprobs": None, "finish_reason": "stop"}
    message = reply["choices"][0]["message"]
    message["content"] = _words(REPLY_BYTES - len(_compact(reply)))
    return _compact(reply)


def events(count: int) -> list[bytes]:
    """Return the events of a stream of *count* chunks, of about `EVENT_BYTES` each, without `[DONE]`."""
    # No two alike: litellm breaks a stream off that repeats itself.
    deltas: list[dict[str, Any]] = [{"content": f" word{number:04d}"} for number in range(count)]
    deltas[0], deltas[-1] = {"role": "assistant", "content": ""}, {}
    return [_event(delta, "stop" if delta == {} else None) for delta in deltas]


def _event(delta: dict[str, Any], finish_reason: str | None) -> bytes:
    chunk = {
        "id": "chatcmpl-00000001",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "tiny",
        "system_fingerprint": "fp_00000000",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
    }
    return b"data: " + _compact(chunk) + b"\n\n"


def _words(length: int) -> str:
    return ("Some words of an answer. " * (length // 25 + 1))[:length]


def _compact(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _head(*headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", *headers, "x-request-id: req_00000001", "", ""]
    return "\r\n".join(lines).encode()


def whole(body: bytes) -> bytes:
    """Return a response with that JSON body."""
    return _head("Content-Type: application/json", f"Content-Length: {len(body)}") + body


def packets(plan: Plan) -> list[bytes]:
    """Return a streamed response in the packets it is sent in; each event is an HTTP chunk of its own."""
    chunked = [b"%x\r\n%b\r\n" % (len(event), event) for event in [*events(plan.chunks), b"data: [DONE]\n\n"]]
    sent = [b"".join(chunked[at : at + plan.per_packet]) for at in range(0, len(chunked), plan.per_packet)]
    sent[0] = _head("Content-Type: text/event-stream; charset=utf-8", "Transfer-Encoding: chunked") + sent[0]
    sent[-1] += b"0\r\n\r\n"
    return sent


@dataclass(frozen=True, slots=True)
class Said:
    """What every connection says, made once, and what was asked."""

    whole: bytes
    """A response with the completion."""

    packets: list[bytes]
    """A streamed response, in packets."""

    bodies: set[int]
    """Hashes of the requests' bodies, see `Plan.bodies`."""


class Connection(asyncio.Protocol):
    """One connection; what is said does not depend on what is asked."""

    def __init__(self, plan: Plan, said: Said, stats: Counter[str]) -> None:
        self.plan = plan
        self.said = said
        self.stats = stats
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.later = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self.transport = cast("asyncio.Transport", transport)
        self.stats["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Let go of the transport, so that a stream ends."""
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is there wholly."""
        data = self.buffer + data if self.buffer else data
        head_end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head_end) if head_end > 0 else None
        if head_end < 0 or len(data) < head_end + 4 + (int(length[1]) if length else 0):
            self.buffer = data
            return
        self.buffer = b""
        if data.startswith(b"GET /stats"):
            self.write(whole(_compact(self.stats)))
            return
        self.stats["requests"] += 1
        if self.plan.bodies:
            self.remember(hash(data[head_end:]))
        answer = self.stream if _STREAM.search(data, head_end) else self.answer
        if self.plan.think:
            self.later(self.plan.think, answer)
        else:
            answer()

    def remember(self, body: int) -> None:
        """Count a request that was answered before."""
        self.stats["answered_again"] += body in self.said.bodies
        self.said.bodies.add(body)

    def answer(self) -> None:
        """Write the completion."""
        self.write(self.said.whole)

    def stream(self) -> None:
        """Begin a stream."""
        self.stats["streams"] += 1
        # Streams that began together must not stay in step: that would join their packets at the client.
        self.later(random.random() * self.plan.interval, self.packet, 0)

    def packet(self, number: int) -> None:
        """Write a packet of a stream, and see to the next."""
        self.write(self.said.packets[number])
        if number + 1 < len(self.said.packets):
            self.later(self.plan.interval, self.packet, number + 1)
        elif self.plan.close_after_stream and self.transport is not None:
            self.transport.close()

    def write(self, data: bytes) -> None:
        """Write, if the client is still there."""
        if self.transport is not None:
            self.transport.write(data)


def connections(plan: Plan) -> Callable[[], Connection]:
    """Return what makes the connections of a server."""
    stats = Counter({"connections": 0, "requests": 0, "streams": 0, "answered_again": 0})
    said = Said(whole(reply_body()), packets(plan), set())
    return lambda: Connection(plan, said, stats)


async def serve(plan: Plan) -> None:
    """Serve until standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        context, ca = certificate(Path(folder)) if plan.tls else (None, None)
        loop = asyncio.get_running_loop()
        made = await loop.create_server(connections(plan), "127.0.0.1", 0, ssl=context, backlog=8192)
        port = made.sockets[0].getsockname()[1]
        print(json.dumps({"url": f"http{'s' if plan.tls else ''}://127.0.0.1:{port}", "ca": ca}), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        made.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return the server's context, and the file in *folder* with the authority to trust."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return context, str(file)


def pin(core: int | None) -> None:
    """Keep this process to one of its cores, counted from 0, where the system can do that."""
    if core is not None and sys.platform == "linux":
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[core % len(allowed)]})


def raise_file_limit() -> None:
    """Let this process have as many connections as the system allows."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop, or asyncio's where there is no uvloop."""
    with contextlib.suppress(ImportError):
        import uvloop

        return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
    return asyncio.new_event_loop


def main(options: str) -> None:
    """Serve as *options* say."""
    plan = Plan(**json.loads(options))
    pin(plan.core)
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(plan))


if __name__ == "__main__":
    main(sys.argv[1])
