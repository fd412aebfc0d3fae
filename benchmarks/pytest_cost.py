"""
What the pytest plugin costs: 2,000 small async tests, with the plugin off, on, and loops in debug mode.

Each run of pytest is a process of its own; they take turns. What counts is the CPU time of the process, and
of that what the tests take: a run of no tests is measured too, and taken off.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from _measure import measure, table

TESTS = 2_000
FILES = 20
ROUNDS = 5

PLAIN = """
import aiohttp
import asyncio
import pytest


@pytest.fixture
async def value():
    return 1


@pytest.mark.parametrize("number", range({count}))
async def test_small(number, value):
    await asyncio.sleep(0)
    assert value == 1
"""
SESSIONS = """
import aiohttp
import pytest


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("number", range({count}))
async def test_session(number, session):
    assert not session.closed
"""
PEERS = {
    "off": [],
    "off again (noise)": [],
    "on, scope": ["--lastcall=scope"],
    "loops in debug mode": ["--asyncio-debug"],
}
# pytest rewrites the asserts of every plugin, and without bytecode it would do so in each run.
KEPT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_of(folder: Path, arguments: list[str], *more: str) -> float:
    """Return the CPU seconds of one run of pytest."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "asyncio", "-p", "lastcall", "-p", "no:cacheprovider",
         "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", *arguments, *more],
        cwd=folder, check=True, capture_output=True,
        env={**KEPT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def suite(source: str) -> Path:
    """Write 2,000 tests, in files of a hundred."""
    folder = Path(tempfile.mkdtemp(prefix="lastcall-bench-"))
    for number in range(FILES):
        text = source.format(count=TESTS // FILES)
        (folder / f"test_{number:02}.py").write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Print a table for each of the two suites."""
    for title, source in (("tests without a session", PLAIN), ("tests with one session each", SESSIONS)):
        folder = suite(source)

        def per_test(arguments: list[str], folder: Path = folder) -> float:
            return cpu_of(folder, arguments) / TESTS

        peers = {name: (lambda arguments=arguments: per_test(arguments)) for name, arguments in PEERS.items()}
        print(
            table(f"{TESTS:,} {title}: CPU per test, start of pytest included", measure(peers, rounds=ROUNDS))
        )
        print()


if __name__ == "__main__":
    main()
