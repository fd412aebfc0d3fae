"""Batches in files, run as real processes against a scripted server in this one."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lastcall.testing import OpenAIServer, Script

LIMIT = 40.0
"""Seconds any process of these tests may take."""

CHAT = "/v1/chat/completions"


def batch_line(custom_id: str, text: str = "hello", **body: Any) -> dict[str, Any]:
    """Return a line of OpenAI's Batch format."""
    full = {"model": "m", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": full}


@dataclass
class Folder:
    """A directory with a batch in it."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, lines: Sequence[Any], name: str = "in.jsonl") -> Path:
        """Write lines: bytes as they are, others as JSON."""
        path = self.path / name
        data = b"".join(
            line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines
        )
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def write_chats(self, count: int, **body: Any) -> None:
        """Write so many chat requests, "r-0" and on, each with a text of its own."""
        self.write([batch_line(f"r-{number}", f"text {number}", **body) for number in range(count)])

    def read(self, name: str = "out.jsonl") -> list[dict[str, Any]]:
        """Return the results in a file, in order."""
        return [json.loads(line) for line in (self.path / name).read_bytes().splitlines()]

    def ids(self, name: str = "out.jsonl") -> list[str]:
        """Return the ids of the results, in order."""
        return [result["custom_id"] for result in self.read(name)]

    def command(self, *options: str, server: OpenAIServer | None = None) -> list[str]:
        """Return the command line of a batch; its files are in.jsonl and out.jsonl unless named first."""
        places = ["in.jsonl", "out.jsonl"] if not options or options[0].startswith("--") else []
        given = [] if server is None else ["--base-url", server.base_url]
        return [sys.executable, "-m", "lastcall", "llm", "batch", *places, *options, *given]

    def run(
        self, *options: str, server: OpenAIServer | None = None, code: int = 0, **others: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a batch to its end, which must be the exit code *code*."""
        done = subprocess.run(
            self.command(*options, server=server),
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            **{"stdin": subprocess.DEVNULL} | others,
        )
        assert done.returncode == code, done.stderr
        return done

    @contextmanager
    def started(self, *options: str, server: OpenAIServer) -> Iterator[subprocess.Popen[str]]:
        """Start a batch; what still runs at the end is killed."""
        with subprocess.Popen(
            self.command(*options, server=server),
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty directory, and an environment that names no server."""
    dropped = {"OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    return Folder(tmp_path, {**environment, "TERM": "xterm"})


@contextmanager
def serving(*steps: Any, **options: Any) -> Iterator[OpenAIServer]:
    """Serve a script."""
    with OpenAIServer(Script(*steps, **options)) as server:
        yield server


def asked(server: OpenAIServer) -> Counter[str]:
    """Return from the text of each chat request that came to how often it came."""
    return Counter(call.json["messages"][-1]["content"] for call in server.calls)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition on files holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def line_count(path: Path) -> int:
    """Return how many whole lines a file has; 0 if there is none."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
