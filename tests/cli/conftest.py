"""Programs in files, run plainly and under `lastcall run`, as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

LIMIT = 30.0
"""Seconds any process of these tests may take."""

LEAK = """
    import asyncio, sys
    import aiohttp

    async def open_one():
        global session
        session = aiohttp.ClientSession()

    asyncio.run(open_one())
"""
"""A program that leaves one session open when its loop closes."""

HANG = """
    import asyncio, os, signal, sys
    import aiohttp

    async def main():
        global session
        session = aiohttp.ClientSession()
        print(os.getpid(), flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
"""
"""A program that opens a session, prints its pid, and waits to be ended."""


@dataclass
class Bench:
    """A directory with programs in it."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, source: str) -> Path:
        """Write a program."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    def plain(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python with *arguments*."""
        return self._complete([sys.executable, *arguments], options)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `lastcall run` with *arguments*."""
        return self._complete([*self.lastcall, "run", *arguments], options)

    def report(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run `lastcall run` with *arguments* to the exit code *code*, and return its JSON report."""
        done = self.run("--report", "json:report.json", *arguments)
        assert done.returncode == code, done.stderr
        return self.read_report()

    def read_report(self) -> dict[str, Any]:
        """Return the JSON report written last."""
        report = json.loads((self.directory / "report.json").read_text(encoding="utf-8"))
        assert isinstance(report, dict)
        return report

    @contextmanager
    def started(self, *command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """Start *command*; what still runs at the end is killed."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        with subprocess.Popen(
            command, cwd=self.directory, env=self.environment, text=True, **options
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @property
    def lastcall(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "lastcall"]

    def _complete(self, command: list[str], options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **options.pop("env", {})}
        options = {"capture_output": True, "stdin": subprocess.DEVNULL, **options}
        return subprocess.run(
            command, cwd=self.directory, env=environment, text=True, timeout=LIMIT, check=False, **options
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty directory to run programs in, with a temporary directory of its own."""
    dropped = {"PYTHONPATH", "LASTCALL_SPOOL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # Not below tmp_path: the forkserver's socket lies in it, and a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="lc-") as temporary:
        yield Bench(tmp_path, {**environment, "TMPDIR": temporary, "TERM": "xterm"})


def first_line(stream: IO[str] | None) -> str:
    """Return the next line of a process's output."""
    assert stream is not None
    return stream.readline().strip()


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for *process*; return its exit code, stdout and stderr."""
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


NAMED_SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
"""Signals with which people end programs."""
