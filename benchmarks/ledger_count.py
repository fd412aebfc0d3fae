"""Counting open sessions next to searching the heap, and the memory a record takes."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from time import perf_counter

import aiohttp
from _measure import measure, table

from lastcall import ledger

# The package has a function of the same name.
watch_module = sys.modules["lastcall.ledger.watch"]

HEAP = 1_000_000
OPEN = 100
MANY = 100_000


def search() -> int:
    """Count open sessions as one does without a ledger."""
    return sum(isinstance(each, aiohttp.ClientSession) and not each.closed for each in gc.get_objects())


def timed(count: Callable[[], int], times: int) -> Callable[[], float]:
    """Return a function that returns the seconds of one *count*."""

    def run() -> float:
        began = perf_counter()
        for _ in range(times):
            assert count() == OPEN
        return (perf_counter() - began) / times

    return run


async def compare() -> str:
    """Return the table of both ways to count, in a heap of a million objects."""
    heap = [[] for _ in range(HEAP)]  # type: list[list[object]]
    sessions = [aiohttp.ClientSession() for _ in range(OPEN)]
    peers = {
        "searching the heap": timed(search, 1),
        "count_unclosed_sessions()": timed(ledger.count_unclosed_sessions, 1000),
    }
    results = measure(peers, rounds=3)
    for session in sessions:
        await session.close()
    return table(f"{OPEN} open sessions, {len(heap):,} other objects", results)


async def memory(*, a_task_each: bool) -> str:
    """Return what the ledger keeps for many open sessions, and what is left once they are closed."""
    sessions: list[aiohttp.ClientSession] = []

    async def open_one() -> None:
        sessions.append(aiohttp.ClientSession())

    for _ in range(MANY // 100):
        if a_task_each:
            await asyncio.gather(*(open_one() for _ in range(100)))
        else:
            for _ in range(100):
                await open_one()
    assert ledger.count_unclosed_sessions() == MANY
    alive = book_bytes()
    while sessions:
        await sessions.pop().close()
    assert ledger.count_unclosed_sessions() == 0
    how = "in a task each" if a_task_each else "in one task"
    gone = f"{book_bytes() / 1e3:.1f} kB"
    return f"  {how:15}  {alive / 1e6:5.1f} MB open, {alive / MANY:4.0f} bytes each;  {gone} once closed"


def book_bytes() -> int:
    """Return the bytes of all the book holds for its open sessions, each object once."""
    book = watch_module._book
    assert book is not None
    entries = set(book.entries.values())
    parts: list[object] = [book.entries, *book.entries, *entries]
    parts += {id(entry.opened): entry.opened for entry in entries}.values()
    parts += {id(entry.task): entry.task for entry in entries}.values()
    return sum(sys.getsizeof(part) for part in parts)


def main() -> None:
    """Print the table, and the memory."""
    with ledger.watch():
        print(asyncio.run(compare()))
    print(f"\nmemory of the ledger, {MANY:,} sessions of one line")
    # A hundred thousand sessions make the collector walk them again and again; that is not measured.
    gc.disable()
    for a_task_each in (False, True):
        with ledger.watch():
            print(asyncio.run(memory(a_task_each=a_task_each)))


if __name__ == "__main__":
    main()
