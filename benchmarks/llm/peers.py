"""
What people use today, beside `lastcall.llm`: plain requests, streams, and whole batch commands.

Requests of 2.2 KB, replies of 1,055 bytes, in rounds that take every client in turn; see `_compare.py`. The
peers live in environments of their own under `.cache/llm-peers`, kept between runs; what cannot be installed
is skipped with a reason.

    python benchmarks/llm/peers.py                        all three tables
    python benchmarks/llm/peers.py requests | streams | batch
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import _peers
import _peers_streams
from _compare import Command, Peer, Work, main

HERE = Path(__file__).resolve().parent
ROUNDS = 3
AIOHTTP = "DefaultAioHttpClient"
SLOW = {"requests": 1000}
STREAMS = 500
LINES = 20_000
LINES_SLOW = 4000


def clients() -> list[Peer]:
    """Return the clients to compare with plain requests, those that can be had."""
    uvloop = {"uvloop": True}
    return [
        Peer("plain aiohttp", _peers.plain),
        Peer("aiohttp and msgspec", _peers.with_msgspec),
        Peer("lastcall", _peers.lastcall),
        Peer("lastcall, uvloop", _peers.lastcall, changes=uvloop),
        *those("pyreqwest", _peers.pyreqwest, "clients"),
        *those("AsyncOpenAI", _peers.openai(), "clients", SLOW),
        *those("AsyncOpenAI, aiohttp", _peers.openai(AIOHTTP), "clients", SLOW),
        *those("litellm", _peers.litellm, "litellm", SLOW),
    ]


def streaming_clients() -> list[Peer]:
    """Return the clients to compare with streams, those that can be had."""
    slow = {"requests": STREAMS // 5}
    return [
        Peer("plain aiohttp, streams", _peers_streams.plain),
        Peer("lastcall, chunk by chunk", _peers_streams.lastcall),
        Peer("lastcall, put together", _peers_streams.collected),
        *those("pyreqwest, streams", _peers_streams.pyreqwest, "clients"),
        *those("AsyncOpenAI, streams", _peers_streams.openai(), "clients", slow),
        *those("AsyncOpenAI, aiohttp, streams", _peers_streams.openai(AIOHTTP), "clients", slow),
        *those("litellm, streams", _peers_streams.litellm, "litellm", slow),
    ]


def those(
    name: str, opened: Callable[[Work], Any], environment: str, changes: Mapping[str, int] | None = None
) -> list[Peer]:
    """Return a peer of another environment, or nothing if there is no such environment here."""
    # A client is told its environment by whoever started it.
    python = sys.executable if is_client() else _peers.environment(environment)
    return [Peer(name, opened, python, changes or {})] if python else []


def is_client() -> bool:
    """Return whether this process is one of the clients."""
    return sys.argv[1:2] == ["client"]


def commands(folder: Path) -> list[Command]:
    """Return the commands to compare, those that can be had; they answer the lines of files in *folder*."""
    for lines in (LINES, LINES_SLOW):
        write_input(input_of(folder, Work(requests=lines)), lines)
    found = [gather(folder), ours(folder)]
    if (python := _peers.environment("drivers")) is not None:
        slow = {"requests": LINES_SLOW}
        found += [driver("lm-deluge", python, folder), driver("async-batch-llm", python, folder, slow)]
    return found


def input_of(folder: Path, work: Work) -> Path:
    """Return the file with so many requests as *work* has."""
    return folder / f"asked-{work.requests}.jsonl"


def write_input(asked: Path, lines: int) -> None:
    """Write a file of requests in OpenAI's Batch format."""
    work = Work()
    with asked.open("w") as file:
        for number in range(lines):
            line = {"custom_id": f"n{number}", "method": "POST", "url": "/v1/chat/completions"}
            file.write(json.dumps({**line, "body": work.body(number)}) + "\n")


def driver(name: str, python: str, folder: Path, changes: Mapping[str, int] | None = None) -> Command:
    """Return a command that runs one of `_peers.DRIVERS` in a process of its own."""
    told = folder / f"{name}.jsonl"

    def argv(work: Work) -> Sequence[str]:
        files = [str(input_of(folder, work)), str(told)]
        return [python, __file__, "drive", name, *files, work.base_url]

    return Command(name, fresh(told, argv), lambda _: count(told), changes or {})


def gather(folder: Path) -> Command:
    """Return the short script that people write: all at once behind a semaphore, all written at the end."""
    told = folder / "gather.jsonl"

    def argv(work: Work) -> Sequence[str]:
        files = [str(input_of(folder, work)), str(told)]
        return [sys.executable, str(HERE / "_gather.py"), *files, work.base_url, str(work.at_once)]

    return Command("gather and json", fresh(told, argv), lambda _: count(told))


def ours(folder: Path) -> Command:
    """Return `lastcall llm batch`, with its defaults: retries, resume and progress on."""
    told = folder / "lastcall.jsonl"

    def argv(work: Work) -> Sequence[str]:
        files = [str(input_of(folder, work)), str(told)]
        server = ["--base-url", work.base_url, "--concurrency", str(work.at_once)]
        return [sys.executable, "-m", "lastcall", "llm", "batch", *files, *server]

    return Command("lastcall llm batch", fresh(told, argv), lambda _: count(told))


def fresh(told: Path, argv: Callable[[Work], Sequence[str]]) -> Callable[[Work], Sequence[str]]:
    """Return *argv* that clears the last round's answers away first."""

    def cleared(work: Work) -> Sequence[str]:
        for left in told.parent.glob(f"{told.name}*"):
            left.unlink()
        return argv(work)

    return cleared


def count(told: Path) -> int:
    """Return how many answers there are in a file."""
    with told.open("rb") as file:
        return sum(b'"record_type":"manifest"' not in line for line in file)


def drive(name: str, asked: str, told: str, base_url: str) -> None:
    """Answer a file of requests as one of the drivers does."""
    asyncio.run(_peers.DRIVERS[name](Path(asked), Path(told), Work(base_url=base_url)))  # type: ignore[arg-type]


def compare_all(tables: Sequence[str]) -> None:
    """Print the tables asked for."""
    if "requests" in tables:
        work = Work(requests=3000, at_once=500)
        main("non-streaming, 500 in flight, CPU per request", clients(), work, rounds=ROUNDS)
    if "streams" in tables:
        work = Work(requests=STREAMS, at_once=100, stream=True, chunks=200)
        main("streams of 200 chunks, 16 a packet, 100 in flight", streaming_clients(), work, rounds=ROUNDS)
    if "batch" in tables:
        if importlib.util.find_spec("lastcall.llm.batch") is None:
            print("skipped the batch commands: there is no lastcall.llm.batch")
            return
        with tempfile.TemporaryDirectory() as folder:
            title = f"JSONL to JSONL, whole commands, {LINES} lines (async-batch-llm {LINES_SLOW})"
            main(title, commands(Path(folder)), Work(requests=LINES), rounds=ROUNDS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["drive"]:
        drive(*sys.argv[2:6])
    elif is_client():
        main("", [*clients(), *streaming_clients()], Work())
    else:
        compare_all(sys.argv[1:] or ["requests", "streams", "batch"])
