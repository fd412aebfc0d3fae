"""A project in a directory, and `lastcall` run there as a process."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

LIMIT = 30.0
"""Seconds any process of these tests may take."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lastcall(tmp_path: Path) -> Run:
    """Return a function that runs `lastcall` with arguments in the test's directory."""
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}

    def run(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lastcall", *arguments],
            cwd=tmp_path,
            env={**environment, **options},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a file of the project."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file
