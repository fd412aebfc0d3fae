"""Applications under real servers, ended by signals: the upstream sees no connection before they die."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from .conftest import Upstream

APPS = Path(__file__).parent / "apps"
LIMIT = 30.0
REQUESTS = 40

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets as POSIX has them")

SERVERS = {
    "uvicorn": ("uvicorn", "--uds={socket}", "--log-level=warning", "--loop=asyncio"),
    "uvicorn on uvloop": ("uvicorn", "--uds={socket}", "--log-level=warning", "--loop=uvloop"),
    "hypercorn": ("hypercorn", "--bind=unix:{socket}"),
    "granian": ("granian", "--interface=asgi", "--uds={socket}", "--log-level=warning"),
}
"""Command lines; a unix socket has no port that another test could take."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder whose name is short enough for a unix socket."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


class Served:
    """A server process and what it says."""

    def __init__(self, process: asyncio.subprocess.Process, socket: Path) -> None:
        self.process = process
        self.socket = socket
        self.said: list[str] = []

    async def listen(self, *words: str) -> str:
        """Read on to a line that has all *words*, and return it."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.said.append(line.rstrip())
            if all(word in line for word in words):
                return self.said[-1]
        raise AssertionError(f"never said {words}: {self.said}")

    async def load(self, requests: int = REQUESTS) -> None:
        """Make requests, many at once; the first waits until the server listens."""
        connector = aiohttp.UnixConnector(str(self.socket), limit=10)
        async with aiohttp.ClientSession("http://served", connector=connector) as session:
            await self._answer(session)
            async with asyncio.TaskGroup() as group:
                for _ in range(requests - 1):
                    group.create_task(self._answer(session))

    async def end(self, number: signal.Signals) -> int:
        """Send the signal; return the exit code once everything was said."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.said += (await self.process.stdout.read()).decode().splitlines()
        return await self.process.wait()

    def last_words(self) -> dict[str, str]:
        """Return what each process said at its end, by its pid."""
        found = (re.fullmatch(r"(\d+) open: (\d+)", line) for line in self.said)
        return {match[1]: match[2] for match in found if match}

    def ready(self) -> list[str]:
        """Return the pids of the processes that started."""
        return [line.split()[1] for line in self.said if line.startswith("ready")]

    async def _answer(self, session: aiohttp.ClientSession) -> None:
        while True:  # bounded by the limit of the test
            try:
                async with session.get("/") as response:
                    assert await response.json() == 200
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serve(
    upstream: Upstream, folder: Path, command: Sequence[str], app: str = "app"
) -> AsyncIterator[Served]:
    """Start a server; kill it if the test does not end it."""
    socket = folder / "socket"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *(word.format(socket=socket, folder=folder) for word in command),
        f"served:{app}",
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(APPS), "LASTCALL_TEST_URL": upstream.url, "LASTCALL_TEST_APP": app},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(LIMIT):
            yield Served(process, socket)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)  # its workers too
            await process.wait()


def assert_closed(served: Served, processes: int = 1) -> None:
    """Each process that started said that nothing is open, and nobody complained."""
    said = "\n".join(served.said)
    assert len(served.ready()) == processes, said
    assert served.last_words() == dict.fromkeys(served.ready(), "0"), said
    assert "nclosed" not in said
    assert "Traceback" not in said, said


@pytest.mark.parametrize("app", ["app", "without"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("server", SERVERS)
async def test_sessions_are_closed_when_a_server_is_stopped(
    upstream: Upstream, folder: Path, server: str, number: signal.Signals, app: str
) -> None:
    """By the lifespan; and by the keeper in an application whose lifespan knows nothing of sessions."""
    async with serve(upstream, folder, SERVERS[server], app) as served:
        await served.listen("ready")
        await served.load()
        await served.end(number)
    assert_closed(served)
    assert upstream.connections_peak <= 12  # shared: the ten callers at once, and the last words


async def test_sessions_of_every_worker_are_closed(upstream: Upstream, folder: Path) -> None:
    """Each of several workers has a manager of its own, and closes it."""
    async with serve(upstream, folder, [*SERVERS["uvicorn"], "--workers=2"]) as served:
        for _ in range(2):
            await served.listen("ready")
        await served.load()
        await served.end(signal.SIGTERM)
    assert_closed(served, processes=2)


async def test_sessions_are_closed_on_a_reload(upstream: Upstream, folder: Path) -> None:
    """A changed file ends one process and starts the next; both close."""
    reload = ["--reload", "--reload-dir={folder}", "--reload-delay=0.05"]
    (watched := folder / "watched.py").touch()
    async with serve(upstream, folder, [*SERVERS["uvicorn"], *reload]) as served:
        await served.listen("ready")
        await served.load()
        os.utime(watched, (0, watched.stat().st_mtime + 10))
        await served.listen("ready")
        await served.load()
        await served.end(signal.SIGINT)
    assert_closed(served, processes=2)
