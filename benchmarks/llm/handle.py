"""
What one plain answer costs: 500 requests at once, 1 KB replies, CPU of the client.

    python benchmarks/llm/handle.py [--tls] [--uvloop]

The handle has its deadline, its retries and its limits of time in place, on the shared session as it comes.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from _compare import Ask, Peer, Work, main
from _peers import plain
from _server import Plan

from lastcall.llm import Timeouts, create_openai_api_handle_async
from lastcall.llm.target import Target
from lastcall.llm.wire import Wire


@asynccontextmanager
async def tuned(work: Work) -> AsyncIterator[Ask]:
    """Ask with aiohttp and what helps in its public settings."""
    connector = aiohttp.TCPConnector(limit=0, ssl=work.ssl_context() or True)
    headers = {**work.headers, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:

        async def ask(number: int) -> int:
            body = msgspec.json.encode(work.body(number))
            async with session.post(work.url, data=body, allow_redirects=False) as response:
                msgspec.json.decode(await response.read())
            return 1

        yield ask


@asynccontextmanager
async def wire(work: Work) -> AsyncIterator[Ask]:
    """Ask beneath the handle, on a session of its own."""
    connector = aiohttp.TCPConnector(limit=0, ssl=work.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:
        below, timeouts = Wire(session), Timeouts()
        assert below.reason is None, below.reason
        target = Target.make(work.base_url, "/chat/completions", headers=work.headers)

        async def ask(number: int) -> int:
            answer = await below.post(target, msgspec.json.encode(work.body(number)), timeouts)
            msgspec.json.decode(answer.body)
            return 1

        yield ask


@asynccontextmanager
async def handle(work: Work) -> AsyncIterator[Ask]:
    """Ask with the handle."""
    made = create_openai_api_handle_async(work.base_url, "key", "tiny", ssl=work.ssl_context() or True)
    async with made as chat:

        async def ask(number: int) -> int:
            answer = await chat(work.messages(number), **work.options)
            return len(answer["choices"])

        yield ask


@asynccontextmanager
async def deadline(work: Work) -> AsyncIterator[Ask]:
    """Ask with the handle, with every limit of time and a number of retries given with each call."""
    made = create_openai_api_handle_async(work.base_url, "key", "tiny", ssl=work.ssl_context() or True)
    limits = Timeouts(total=120, attempt=60, connect=10, first_byte=30, between_chunks=20)
    async with made as chat:

        async def ask(number: int) -> int:
            answer = await chat(work.messages(number), timeout=limits, max_retries=5, **work.options)
            return len(answer["choices"])

        yield ask


PEERS = [
    Peer("plain aiohttp", plain),
    Peer("aiohttp, its settings tuned", tuned),
    Peer("lastcall's wire", wire),
    Peer("lastcall's handle", handle),
    Peer("lastcall's handle, all limits given", deadline),
]

if __name__ == "__main__":
    fast = "--uvloop" in sys.argv
    tls = "--tls" in sys.argv
    title = f"plain answers{', TLS' if tls else ''}{', uvloop' if fast else ''}"
    main(title, PEERS, Work(requests=6000, uvloop=fast), plan=Plan(tls=tls))
