"""
What becomes of streams if the server closes the connection after each without saying so, as llama.cpp's does.

    python benchmarks/llm/stale.py [--uvloop]

1,500 streams, 32 at once. The server answers whatever reaches it: more than was asked for would be an answer
paid for twice.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from _compare import Ask, Peer, Work, main
from _server import Plan
from streaming import collected, iterated, lines

from lastcall.sessions import SessionManager, SessionProfile


@asynccontextmanager
async def looked(work: Work) -> AsyncIterator[Ask]:
    """Read line by line on a session that looks at a connection before it is used again."""
    manager = SessionManager(SessionProfile("bench", timeout=aiohttp.ClientTimeout(total=None)))
    session = await manager.get("bench")

    async def ask(number: int) -> int:
        chunks = 0
        async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
            async for line in response.content:
                chunks += line.startswith(b"data: {")
        return chunks

    yield ask
    await manager.close()


PEERS = [
    Peer("plain shared session", lines),
    Peer("lastcall's session", looked),
    Peer("lastcall's handle, iterated", iterated),
    Peer("lastcall's handle, put together", collected),
]

if __name__ == "__main__":
    fast = "--uvloop" in sys.argv
    work = Work(requests=1500, at_once=32, stream=True, chunks=20, uvloop=fast)
    plan = Plan(chunks=20, close_after_stream=True)
    for name, runs in main(f"stale{', uvloop' if fast else ''}", PEERS, work, plan=plan, rounds=3).items():
        asked = len(runs) * (work.requests + work.at_once)
        reached = sum(run.server["requests"] for run in runs)
        print(f"  {name}: of {asked} requests {reached} reached the server, which began to answer each")
