"""
Compares client programs fairly: interleaved, a fresh process each, on a core of their own.

A benchmark names its peers, and hands over to `main`:

    @asynccontextmanager
    async def plain(work: Work) -> AsyncIterator[Ask]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=work.at_once)) as session:

            async def ask(number: int) -> int:
                async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
                    await response.json()
                return 1

            yield ask

    if __name__ == "__main__":
        main("non-streaming", [Peer("plain aiohttp", plain), Peer("lastcall", ours)], Work(requests=3000))

The server (`_server.py`) keeps to one core, each client to another. In every round every peer runs once, in
turn: A B C, A B C. A peer opens what it needs and makes `Work.at_once` requests that do not count; then
CPU seconds (of the process, user and system) and wall seconds are taken over the rest. Tables show the
median of the rounds with the smallest and the largest, and the ratio of each median to the first peer's.

Peers of whole commands (`Command`) are measured from outside, imports and start-up included.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from _server import Plan, Server, loop_factory, pin, raise_file_limit, serving

Ask = Callable[[int], Awaitable[int]]
"""Makes the request of that number and returns how many chunks came: 1 for a plain answer."""

CLIENT_CORE = 1
_LONGEST = 600.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a peer has to do."""

    requests: int = 3000
    """How many are measured."""

    at_once: int = 500
    """How many are in flight."""

    stream: bool = False
    """Whether they are streams."""

    chunks: int = 1
    """What each has to return, or it counts as failed."""

    uvloop: bool = False
    """Whether they run on uvloop's loop."""

    base_url: str = ""
    """The server's, filled in when it runs."""

    ca: str | None = None
    """The file with the authority to trust, or None without TLS; filled in when the server runs."""

    @property
    def url(self) -> str:
        """The address to post to."""
        return f"{self.base_url}/chat/completions"

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs beside its body."""
        return {"Authorization": "Bearer key"}

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return a context that trusts the server; None without TLS."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    def messages(self, number: int) -> list[dict[str, str]]:
        """Return the messages of a request: about 2,100 bytes of JSON, no two alike."""
        return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": f"{number}: {_USER}"}]

    def body(self, number: int) -> dict[str, Any]:
        """Return the body of a request: about 2.2 KB of JSON."""
        body = {"model": "tiny", "messages": self.messages(number), **self.options}
        return {**body, "stream": True} if self.stream else body

    @property
    def options(self) -> dict[str, Any]:
        """What a body holds beside model, messages and stream."""
        return {"temperature": 0.7, "max_tokens": 256}


_SYSTEM = "You are an assistant that answers in one short paragraph. " * 9
_USER = "Here is a passage of a report, and a question about what it says and leaves out. " * 19


@dataclass(frozen=True, slots=True)
class Peer:
    """A client that is asked request by request."""

    name: str
    """In tables, and on the command line of its process."""

    open: Callable[[Work], AbstractAsyncContextManager[Ask]]
    """Opens what it needs, and closes it."""

    python: str = sys.executable
    """The interpreter that has it."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Work` that are different for this peer, for example `uvloop` or fewer `requests`."""


@dataclass(frozen=True, slots=True)
class Command:
    """A client that is a whole command."""

    name: str
    """In tables."""

    argv: Callable[[Work], Sequence[str]]
    """What to run; called anew for each round, so that it can clear away the output of the last."""

    check: Callable[[Work], int]
    """Called after each round; returns how many requests were answered."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Work` that are different for this one."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process did."""

    requests: int
    """Made, in the time that counts."""

    cpu: float
    """Seconds of CPU, user and system."""

    wall: float
    """Seconds."""

    failures: Mapping[str, int] = field(default_factory=dict)
    """How many failed, by the name of the error."""

    rss: int = 0
    """The most memory it had, in bytes."""

    server: Mapping[str, int] = field(default_factory=dict)
    """What the server counted meanwhile."""


def main(
    title: str,
    peers: Sequence[Peer | Command],
    work: Work,
    *,
    plan: Plan | None = None,
    rounds: int = 5,
) -> dict[str, list[Run]]:
    """
    Compare *peers* and print the table; in the process of one peer, be that peer.

    Args:
        title: What the table is headed with.

        peers: The first is what the others are compared to.

        work: What each has to do.

        plan: How the server answers.

        rounds: How often each runs.

    Returns:
        From the name of each peer to its runs; one whose process failed is told and left out.
    """
    if sys.argv[1:2] == ["client"]:
        be_client(peers, *sys.argv[2:4])
        sys.exit()
    runs = compare(peers, work, plan=plan, rounds=rounds)
    print(table(title, runs, chunks=work.chunks))
    return runs


def compare(
    peers: Sequence[Peer | Command], work: Work, *, plan: Plan | None = None, rounds: int = 5
) -> dict[str, list[Run]]:
    """Run every peer once a round, in turn; return the runs of each, of those that could run."""
    runs: dict[str, list[Run]] = {peer.name: [] for peer in peers}
    with serving(plan) as server:
        for _ in range(rounds):
            for peer in peers:
                if peer.name in runs and (done := run(peer, work, server)):
                    runs[peer.name].append(done)
                else:
                    runs.pop(peer.name, None)
    return runs


def run(peer: Peer | Command, work: Work, server: Server) -> Run | None:
    """Let one peer work; None if its process failed, which is told."""
    work = replace(work, base_url=server.base_url, ca=server.ca, **peer.changes)
    before = server.stats()
    done = _run_command(peer, work) if isinstance(peer, Command) else _run_client(peer, work)
    after = server.stats()
    return replace(done, server={key: after[key] - before[key] for key in after}) if done else None


def _run_client(peer: Peer, work: Work) -> Run | None:
    options = json.dumps(asdict(work))
    command = [peer.python, sys.argv[0], "client", peer.name, options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    if done.returncode:
        print(f"left out {peer.name}: {last_line(done.stderr)}", flush=True)
        return None
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def _run_command(peer: Command, work: Work) -> Run | None:
    command = [sys.executable, __file__, "measure", *peer.argv(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    told = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"status": done.returncode}
    if told.pop("status"):
        print(f"left out {peer.name}: {last_line(done.stderr)}", flush=True)
        return None
    answered = peer.check(work)
    failures = {"unanswered": work.requests - answered} if answered != work.requests else {}
    return Run(requests=work.requests, failures=failures, **told)


def measure_command(argv: Sequence[str]) -> None:
    """Run a command on the clients' core; print its status, seconds and memory as JSON."""
    import resource

    pin(CLIENT_CORE)
    raise_file_limit()
    started = time.perf_counter()
    status = subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"status": status, "cpu": cpu, "wall": wall, "rss": _bytes(used.ru_maxrss)}))


def be_client(peers: Sequence[Peer | Command], name: str, options: str) -> None:
    """Do the work of one peer in this process, and print what it took as JSON."""
    pin(CLIENT_CORE)
    raise_file_limit()
    work = Work(**json.loads(options))
    peer = next(peer for peer in peers if peer.name == name)
    assert isinstance(peer, Peer)
    with asyncio.Runner(loop_factory=loop_factory() if work.uvloop else asyncio.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(_work(peer, work)))), flush=True)


async def _work(peer: Peer, work: Work) -> Run:
    failures: Counter[str] = Counter()
    async with peer.open(work) as ask:
        await _many(ask, range(work.requests, work.requests + work.at_once), work, Counter())
        cpu, started = time.process_time(), time.perf_counter()
        await _many(ask, range(work.requests), work, failures)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - started
    return Run(work.requests, cpu, wall, dict(failures), _peak_memory())


async def _many(ask: Ask, numbers: range, work: Work, failures: Counter[str]) -> None:
    left = iter(numbers)
    await asyncio.gather(*(_worker(ask, left, work.chunks, failures) for _ in range(work.at_once)))


async def _worker(ask: Ask, left: Iterator[int], chunks: int, failures: Counter[str]) -> None:
    for number in left:
        try:
            came = await ask(number)
        except Exception as error:  # noqa: BLE001  (what goes wrong is part of what is measured)
            failures[type(error).__name__] += 1
        else:
            if came != chunks:
                failures[f"{came} chunks"] += 1


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:
        return 0
    return _bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _bytes(maxrss: int) -> int:
    return maxrss if sys.platform == "darwin" else maxrss * 1024


def table(title: str, runs: Mapping[str, Sequence[Run]], *, chunks: int = 1) -> str:
    """
    Return the runs as a table.

    Columns: milliseconds of CPU per request (median, smallest, largest), with *chunks* above 1 also
    microseconds per chunk, requests per wall second, the ratio of CPU to the first peer's, peak memory,
    connections made per 1,000 requests, and failures in all rounds.
    """
    width = max(map(len, runs), default=0)
    each = "us/chunk " if chunks > 1 else ""
    lines = [
        title,
        f"  {'':{width}}  ratio  ms CPU/request (min-max)   {each}requests/s    MiB  conns/1000  failed",
    ]
    first = _cpu(next(iter(runs.values()), ()))[0] * 1e3
    for name, done in runs.items():
        middle, low, high = (seconds * 1e3 for seconds in _cpu(done))
        rate = statistics.median(run.requests / run.wall for run in done)
        memory = max(run.rss for run in done) / 2**20
        requests = sum(run.requests for run in done)
        made = 1000 * _counted(done, "connections") / max(1, _counted(done, "requests"))
        each = f"{middle / chunks * 1e3:8.1f} " if chunks > 1 else ""
        lines.append(
            f"  {name:{width}}  {middle / first:5.2f}  {middle:8.3f} ({low:.3f}-{high:.3f})   "
            f"{each}{rate:10.0f}  {memory:5.0f}  {made:10.1f}  {_failed(done, requests)}"
        )
    return "\n".join(lines)


def _counted(runs: Sequence[Run], name: str) -> int:
    # Each look at the counts is a connection too.
    return sum(run.server.get(name, 0) - (name == "connections") for run in runs)


def _cpu(runs: Sequence[Run]) -> tuple[float, float, float]:
    each = [run.cpu / run.requests for run in runs] or [0.0]
    return statistics.median(each), min(each), max(each)


def _failed(runs: Sequence[Run], requests: int) -> str:
    failures: Counter[str] = Counter()
    for done in runs:
        failures.update(done.failures)
    if not failures:
        return "0"
    kinds = ", ".join(f"{name} {count}" for name, count in failures.most_common(3))
    return f"{failures.total() / requests:.1%} ({kinds})"


def last_line(text: str) -> str:
    """Return the last line of an error's text, shortened."""
    lines = text.strip().splitlines() or ["no reason given"]
    return lines[-1][:160].replace(str(Path.home()), "~")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


if __name__ == "__main__" and sys.argv[1:2] == ["measure"]:
    measure_command(sys.argv[2:])
