"""A server to talk to, a fresh watch, and programs run in interpreters of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lastcall import ledger
from lastcall.testing import LoopbackServer

Program = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def url(server: LoopbackServer) -> str:
    return str(server.url)


@pytest.fixture
def watched() -> Iterator[ledger.Watch]:
    ledger.unwatch()
    with ledger.watch() as handle:
        yield handle


@pytest.fixture
def watched_closely() -> Iterator[ledger.Watch]:
    ledger.unwatch()
    with ledger.watch("responses") as handle:
        yield handle


@pytest.fixture
def program(tmp_path: Path, url: str) -> Program:
    """Return a function that runs a program under a watch and gives its report at the end, as JSON."""

    def run(source: str, **files: str) -> dict[str, Any]:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        (tmp_path / "app.py").write_text(_HEAD.format(url=url) + textwrap.dedent(source) + _TAIL)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "app.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return document

    return run


_HEAD = """\
import asyncio, gc, json, sys, threading
import aiohttp
from lastcall import ledger
URL = {url!r}
ledger.watch()
quiet = ledger.silence_unclosed_messages()
"""
_TAIL = """
print(json.dumps(ledger.snapshot(ended=True).to_json()))
"""
