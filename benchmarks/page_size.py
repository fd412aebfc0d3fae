"""The page with 100,000 sessions in the ledger: bytes, time to answer, and how long the loop stalls."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from time import perf_counter

import aiohttp
import httpx
from fastapi import FastAPI

from lastcall import ledger
from lastcall.fastapi import sessions_page
from lastcall.ledger.live import sessions_html
from lastcall.testing import LoopbackServer

MANY = 100_000
IN_A_ROW = 100
USED = 200
ASKED = 3
TICK_S = 0.001

Kept = list[aiohttp.ClientSession]


async def open_alike(kept: Kept) -> None:
    """Open them all in one task: the ledger keeps them in few entries."""
    kept.extend(aiohttp.ClientSession() for _ in range(MANY))


async def open_in_tasks(kept: Kept) -> None:
    """Open each in a task of its own: the ledger keeps an entry for each."""

    async def open_one() -> None:
        kept.append(aiohttp.ClientSession())

    for _ in range(MANY // IN_A_ROW):
        await asyncio.gather(*(open_one() for _ in range(IN_A_ROW)))


async def open_guests(kept: Kept) -> None:
    """Open them on one connector: each is asked whether it is still open."""
    connector = aiohttp.TCPConnector()
    kept.extend(aiohttp.ClientSession(connector=connector, connector_owner=False) for _ in range(MANY - 1))
    kept.append(aiohttp.ClientSession(connector=connector))


WAYS: dict[str, Callable[[Kept], Awaitable[None]]] = {
    "in one task": open_alike,
    "in a task each": open_in_tasks,
    "on one connector": open_guests,
}


async def longest_stall(stop: asyncio.Event) -> float:
    """Return the longest time for which the loop did not come round, in seconds, until *stop* is set."""
    longest = 0.0
    while not stop.is_set():
        began = perf_counter()
        await asyncio.sleep(TICK_S)
        longest = max(longest, perf_counter() - began - TICK_S)
    return longest


async def ask(client: httpx.AsyncClient, path: str) -> tuple[int, float, float]:
    """Return the bytes of an answer, the seconds it took, and the longest stall, the worst of a few."""
    sizes, seconds, stalls = [], [], []
    for _ in range(ASKED):
        stop = asyncio.Event()
        watching = asyncio.ensure_future(longest_stall(stop))
        began = perf_counter()
        answer = await client.get(path)
        seconds.append(perf_counter() - began)
        stop.set()
        stalls.append(await watching)
        assert answer.status_code == 200, answer.text
        sizes.append(len(answer.content))
        # The next is made anew.
        await asyncio.sleep(0.6)
    return max(sizes), max(seconds), max(stalls)


async def measure_page(name: str, url: str) -> str:
    """Return the figures of one way to open the sessions, a few of which are used."""
    app = FastAPI()
    app.include_router(sessions_page())
    kept: Kept = []
    await WAYS[name](kept)
    for session in kept[:USED]:
        async with session.get(url) as response:
            await response.read()
    rows = []
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
        for path in ("/lastcall/sessions.json", "/lastcall/metrics"):
            size, seconds, stall = await ask(client, path)
            rows.append(f"  {name:17} {path:24} {size:7,} B {seconds * 1e3:8.0f} ms {stall * 1e3:8.1f} ms")
    for session in kept:
        await session.close()
    return "\n".join(rows)


def main() -> None:
    """Print one line for each way and path."""
    # The collector walks the sessions again and again; that is theirs, and not the page's.
    gc.disable()
    print(f"the page itself: {len(sessions_html().html):,} B\n")
    print(f"{MANY:,} open sessions            {'':16} {'bytes':>9} {'answer':>11} {'stall':>11}")
    with LoopbackServer() as server:
        for name in WAYS:
            with ledger.watch():
                print(asyncio.run(measure_page(name, str(server.url))), flush=True)


if __name__ == "__main__":
    main()
