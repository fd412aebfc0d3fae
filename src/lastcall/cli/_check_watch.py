"""`lastcall check --watch`: check again whenever a file changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from lastcall.check.config import find_pyproject
from lastcall.check.files import find_files

from ._check_run import Check, Settings
from ._terminal import complain, write_all

__all__ = ["watch"]

PERIOD_S = 0.5
"""Seconds between two looks at the files."""

Stamps = tuple[tuple[str, tuple[int, int]], ...]
"""Of every file its path, time of change and size."""


def watch(settings: Callable[[], Settings]) -> int:
    """
    Check, and check again after each change of a file or of the settings, until Ctrl-C.

    Args:
        settings: Reads the settings anew.

    Returns:
        The exit code of the last check.
    """
    code = 0
    seen: Stamps | None = None
    try:
        while True:
            now = _stamps(settings)
            if now != seen:
                seen = now
                if sys.stdout.isatty():
                    write_all(sys.stdout, "\x1b[2J\x1b[H")
                code = _once(settings)
            time.sleep(PERIOD_S)
    except KeyboardInterrupt:
        return code


def _stamps(settings: Callable[[], Settings]) -> Stamps:
    """Return the state of every file that has a say; of none while the settings cannot be read."""
    try:
        current = settings()
    except click.UsageError:
        return ()
    files = tuple((file.shown, file.stamp) for file in find_files(current.paths, current.config).files)
    pyproject = find_pyproject(Path(current.config.root or "."))
    if pyproject is None:
        return files
    state = pyproject.stat()
    return (*files, (str(pyproject), (state.st_mtime_ns, state.st_size)))


def _once(settings: Callable[[], Settings]) -> int:
    try:
        return Check(settings()).once()
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
