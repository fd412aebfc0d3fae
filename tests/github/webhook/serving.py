"""`lastcall github serve` as a process, an application in a thread, and a client that signs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvicorn
from fastapi import FastAPI

from .conftest import SECRET, signed

LIMIT = 30.0

HANDLERS = """
import asyncio, os
from lastcall.github import Router

router = Router()

@router.register("push")
async def note(event, github):
    await asyncio.sleep(float(os.environ.get("HANDLER_SECONDS", "0.002")))
    with open("handled", "a") as file:  # one small write: whole, or not there
        file.write(event.delivery_id + "\\n")
"""


@dataclass
class Served:
    """A service that runs."""

    process: asyncio.subprocess.Process
    url: str
    folder: Path
    said: list[str] = field(default_factory=list)

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, read what is still said, and return the exit code."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.said += (await self.process.stderr.read()).decode().splitlines()
        return await self.process.wait()

    def handled(self) -> list[str]:
        """Return the GUIDs that were handled, once for each time."""
        path = self.folder / "handled"
        return path.read_text().split() if path.exists() else []


def prepare(folder: Path) -> None:
    """Write the handlers."""
    (folder / "handlers.py").write_text(HANDLERS)


@asynccontextmanager
async def serve(
    folder: Path, *options: str, before: Callable[[], None] | None = None, **environment: str
) -> AsyncIterator[Served]:
    """Serve until the end of the block, where the process is killed if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lastcall", "github", "serve", "--port=0", "--handlers=handlers:router",
        *options,
        cwd=folder,
        env={**os.environ, "GITHUB_WEBHOOK_SECRET": SECRET, "GITHUB_TOKEN": "token", **environment},
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=before,
    )  # fmt: skip
    served = Served(process, "", folder)
    try:
        async with asyncio.timeout(LIMIT):
            served.url = await _address(process, served.said)
            yield served
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()  # to the end of the pipe


async def _address(process: asyncio.subprocess.Process, said: list[str]) -> str:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        said.append(line.rstrip())
        if found := re.search(r"webhook at (http://\S+)/webhook", line):
            return found[1]
    return ""  # it ended: what it said stands in said


async def post(session: aiohttp.ClientSession, url: str, delivery_id: str, body: bytes = b"{}") -> int:
    """Send a delivery; return the status."""
    headers = signed(body, delivery_id=delivery_id)
    async with session.post(f"{url}/webhook", data=body, headers=headers) as answer:
        return answer.status


class _ThreadedServer(uvicorn.Server):
    """A server outside the main thread, which has no signals to handle."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle none."""
        yield


@contextmanager
def in_thread(app: FastAPI) -> Iterator[str]:
    """Serve an application in a thread; give its address."""
    server = _ThreadedServer(uvicorn.Config(app, log_level="error", access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(LIMIT)
