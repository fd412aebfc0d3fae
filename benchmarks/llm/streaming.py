"""
What a streamed answer costs: CPU of the client, per stream and per chunk.

    python benchmarks/llm/streaming.py [burst] [paced] [--uvloop]

In bursts 16 chunks come in one packet, as from a fast server or through a proxy; paced, each chunk is a
packet of its own, 30 ms after the last, as from a model that speaks to many.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from _compare import Ask, Peer, Work, main
from _server import Plan

from lastcall.llm import create_openai_api_handle_async


@asynccontextmanager
async def lines(work: Work) -> AsyncIterator[Ask]:
    """Read line by line, as most programs do."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=work.at_once)) as session:

        async def ask(number: int) -> int:
            chunks = 0
            async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
                async for line in response.content:
                    text = line.strip()
                    if text.startswith(b"data: ") and text != b"data: [DONE]":
                        json.loads(text[6:])
                        chunks += 1
            return chunks

        yield ask


@asynccontextmanager
async def iterated(work: Work) -> AsyncIterator[Ask]:
    """Iterate over the chunks as dicts."""
    async with create_openai_api_handle_async(work.base_url, "key", "tiny") as chat:

        async def ask(number: int) -> int:
            chunks = 0
            async with chat.stream(work.messages(number), **work.options) as stream:
                async for _ in stream:
                    chunks += 1
            return chunks

        yield ask


@asynccontextmanager
async def collected(work: Work) -> AsyncIterator[Ask]:
    """Have the completion put together, with the time of each chunk."""
    async with create_openai_api_handle_async(work.base_url, "key", "tiny") as chat:

        async def ask(number: int) -> int:
            body = {"messages": work.messages(number), **work.options}
            outcome = await chat.request("/v1/chat/completions", body, stream=True)
            choice = msgspec.json.decode(outcome.body)["choices"][0]
            # A role, the contents and a reason: the times are those of the contents.
            return len(outcome.gaps) + 3 if choice["finish_reason"] == "stop" else 0

        yield ask


PEERS = [
    Peer("async for line in r.content", lines),
    Peer("lastcall, iterated", iterated),
    Peer("lastcall, put together", collected),
]

if __name__ == "__main__":
    fast = "--uvloop" in sys.argv
    told = ", uvloop" if fast else ""
    both = not {"burst", "paced"} & set(sys.argv)
    # In the process of one peer, which kind it is does not matter: the server decides.
    if both or "burst" in sys.argv or "client" in sys.argv:
        work = Work(requests=1000, at_once=100, stream=True, chunks=200, uvloop=fast)
        main(f"streams in bursts{told}", PEERS, work, plan=Plan(chunks=200))
    if both or "paced" in sys.argv:
        work = Work(requests=300, at_once=300, stream=True, chunks=100, uvloop=fast)
        plan = Plan(chunks=100, per_packet=1, interval=0.03)
        main(f"streams, a packet per chunk{told}", PEERS, work, plan=plan, rounds=3)
