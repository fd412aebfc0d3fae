"""
What the command line and the ini file ask for, looked at before anything is watched.

Here and in the modules beside, what only a leak, a baseline or a report needs is imported by these: the
start of pytest is a good part of what a small suite takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import pytest

if TYPE_CHECKING:
    from lastcall.baseline import Baseline

__all__ = ["LEVELS", "Level", "Settings", "is_worker", "read_settings"]

Level = Literal["proof", "scope"]
"""What fails a test: proven leaks, or also sessions that are open when what opened them has ended."""

LEVELS = ("proof", "scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked for."""

    level: Level
    """What fails a test."""
    gc: bool
    """Whether to collect garbage after each test that opened a session."""
    baseline_path: Path | None
    """The file of known leaks, absolute; None for none."""
    baseline: Baseline | None
    """What is in it; None without a file."""
    update: bool
    """Whether to write what is found to the baseline, and fail nothing."""
    reports: tuple[tuple[str, Path], ...]
    """Reports to write: form ("json" or "html") and absolute path of each."""

    @property
    def has_page(self) -> bool:
        """Whether a page is asked for, which shows when every session was open."""
        return any(form == "html" for form, _ in self.reports)


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process runs a part of the tests for pytest-xdist."""
    return hasattr(config, "workerinput")


def read_settings(config: pytest.Config) -> Settings | None:
    """
    Return what is asked for; None if nothing is.

    Raises:
        pytest.UsageError: If it cannot be done; with one sentence that says what to do.
    """
    level = _level(config)
    given = _given(config)
    if level is None:
        if given:
            raise pytest.UsageError(f"{given} has no effect while lastcall is off; add --lastcall=scope")
        return None
    path = _baseline_path(config)
    update = bool(config.getoption("lastcall_update_baseline"))
    if update and path is None:
        raise pytest.UsageError("--update-baseline needs a file; add --lastcall-baseline=FILE")
    return Settings(
        level=level,
        gc=bool(config.getoption("lastcall_gc")),
        baseline_path=path,
        baseline=_baseline(path, update=update),
        update=update,
        reports=_reports(config),
    )


def _level(config: pytest.Config) -> Level | None:
    asked = config.getoption("lastcall")
    default = config.getini("lastcall") or "off"
    for level, where in ((asked, "--lastcall"), (default, "lastcall in the ini file")):
        if level is not None and level not in (*LEVELS, "off"):
            raise pytest.UsageError(f"{where} is {level!r}; it can be proof, scope or off")
    # xdist hands its workers what the options say, and they have read the ini file themselves.
    if asked is not None and default not in {"off", asked}:
        raise pytest.UsageError(
            f"--lastcall={asked} contradicts lastcall = {default} in {_ini_name(config)}; leave one of them,"
            f" or override the file for this run with -o lastcall={asked}"
        )
    level = asked or default
    return None if level == "off" else cast("Level", level)


def _ini_name(config: pytest.Config) -> str:
    return config.inipath.name if config.inipath is not None else "the ini file"


def _given(config: pytest.Config) -> str | None:
    """Return the option that would be in vain without a watch, if one was given."""
    names = {
        "lastcall_baseline": "--lastcall-baseline",
        "lastcall_report": "--lastcall-report",
        "lastcall_gc": "--lastcall-gc",
        "lastcall_update_baseline": "--update-baseline",
    }
    return next((option for name, option in names.items() if config.getoption(name)), None)


# -- files


def _baseline_path(config: pytest.Config) -> Path | None:
    asked = config.getoption("lastcall_baseline")
    if asked:
        return Path(config.invocation_params.dir, Path(asked).expanduser())
    default = config.getini("lastcall_baseline")
    folder = config.inipath.parent if config.inipath is not None else config.rootpath
    return folder / default if default else None


def _baseline(path: Path | None, *, update: bool) -> Baseline | None:
    if path is None:
        return None
    from lastcall.baseline import Baseline, BaselineError, check_writable, load  # noqa: PLC0415

    try:
        if update:
            check_writable(path)
        return Baseline() if update and not path.exists() else load(path)
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from error


def _reports(config: pytest.Config) -> tuple[tuple[str, Path], ...]:
    reports: list[tuple[str, Path]] = []
    for text in config.getoption("lastcall_report"):
        form, _, name = text.partition(":")
        if form not in {"json", "html"} or not name:
            raise pytest.UsageError(f"--lastcall-report is {text!r}; it can be json:PATH or html:PATH")
        path = Path(config.invocation_params.dir, Path(name).expanduser())
        if any(path == other for _, other in reports):
            raise pytest.UsageError(f"two reports cannot both go to {path}")
        _check_report(path)
        reports.append((form, path))
    return tuple(reports)


def _check_report(path: Path) -> None:
    problem = None
    if path.is_dir():
        problem = "it is a directory"
    elif not path.parent.is_dir():
        problem = f"there is no directory {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        problem = "permission denied"
    if problem is not None:
        raise pytest.UsageError(f"the report cannot be written to {path}: {problem}; name another path")
