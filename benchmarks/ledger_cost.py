"""What the ledger costs: a session opened and closed, and a kept-alive request, next to its peers."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import thread_time

import aiohttp
from _measure import measure, table

from lastcall import ledger
from lastcall.testing import LoopbackServer

SESSIONS = 400
REQUESTS = 250
FRAMES = 25

Work = Callable[[], Awaitable[float]]


async def open_and_close() -> float:
    """Return the CPU seconds of opening and closing one session, a few calls below the task."""
    return await _session_layer()


async def _session_layer() -> float:
    began = thread_time()
    for _ in range(SESSIONS):
        session = aiohttp.ClientSession()
        await session.close()
    return (thread_time() - began) / SESSIONS


async def request(url: str) -> float:
    """Return the CPU seconds of one kept-alive request; the server is in another thread, and not counted."""
    async with aiohttp.ClientSession() as session:
        await _get(session, url)
        began = thread_time()
        for _ in range(REQUESTS):
            await _get(session, url)
        return (thread_time() - began) / REQUESTS


async def _get(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as response:
        await response.read()


@contextmanager
def traced() -> Iterator[None]:
    """Have tracemalloc keep the stack of every allocation."""
    tracemalloc.start(FRAMES)
    try:
        yield
    finally:
        tracemalloc.stop()


PEERS: dict[str, tuple[Callable[[], AbstractContextManager[object]], bool]] = {
    "bare": (nullcontext, False),
    "bare again (noise)": (nullcontext, False),
    "ledger, sessions": (lambda: ledger.watch("sessions"), False),
    "ledger, responses": (lambda: ledger.watch("responses"), False),
    "ledger, with history": (lambda: ledger.watch(history=True), False),
    "loop in debug mode": (nullcontext, True),
    f"tracemalloc, {FRAMES} frames": (traced, False),
}


def peers(work: Work) -> dict[str, Callable[[], float]]:
    """Return *work* under each peer, by name."""

    def under(peer: tuple[Callable[[], AbstractContextManager[object]], bool]) -> Callable[[], float]:
        def run() -> float:
            make, debug = peer
            gc.collect()
            with make():
                return asyncio.run(_call(work), debug=debug)

        return run

    return {name: under(peer) for name, peer in PEERS.items()}


async def _call(work: Work) -> float:
    return await work()


def main() -> None:
    """Print both tables."""
    # The slow callbacks that debug mode would log are its measured cost, not news.
    import logging

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    print(table("session, opened and closed (CPU)", measure(peers(open_and_close), rounds=9)))
    print()
    with LoopbackServer() as server:
        results = measure(peers(lambda: request(str(server.url))))
    print(table("request, kept alive (CPU)", results))


if __name__ == "__main__":
    main()
