"""Suites in files, run by pytest in a process of its own, and what their reports say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

LIMIT = 50.0
"""Seconds a suite may take."""

INSTALLED = any(point.value == "lastcall.pytest_plugin" for point in entry_points(group="pytest11"))
"""Whether pytest finds the plugin by itself; a source tree that was installed before it had one does not."""

INI = """
    [pytest]
    asyncio_mode = auto
    asyncio_default_fixture_loop_scope = function
    junit_family = xunit2
"""


@dataclass(frozen=True)
class Run:
    """How a suite ended."""

    code: int
    out: str
    cases: dict[str, list[str]]
    """From the name of each test to the texts of its failures and errors, in order."""
    report: dict[str, Any]
    """The JSON report; empty if there is none."""

    def leak_of(self, scope: str) -> dict[str, Any]:
        """Return the one leak that was opened by *scope*, or by something whose name ends so."""
        (leak,) = [
            leak for leak in self.report["leaks"] if any(name.endswith(scope) for name in leak["scopes"])
        ]
        assert isinstance(leak, dict)
        return leak


@dataclass(frozen=True)
class Suite:
    """A directory of tests."""

    directory: Path

    def write(self, name: str, source: str) -> None:
        """Write a file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")

    def run(self, *arguments: str, level: str | None = "scope") -> Run:
        """Run pytest with *arguments*, at *level*; None for no option at all."""
        options = ["--junitxml=junit.xml", *([f"--lastcall={level}"] if level else [])]
        report = self.directory / "report.json"
        report.unlink(missing_ok=True)
        if level not in {None, "off"}:
            options.append("--lastcall-report=json:report.json")
        shared = [*plugin(), "-p", "no:cacheprovider", "--tb=short"]
        done = self.python("-m", "pytest", *shared, *options, *arguments)
        cases = _cases(self.directory / "junit.xml")
        document = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
        return Run(done.returncode, done.stdout + done.stderr, cases, document)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python."""
        dropped = ("PYTEST_", "LASTCALL_", "COLUMNS", "COV_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=environment | {"COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )


def plugin() -> list[str]:
    """Return what makes pytest load the plugin and those it is tested with; the rest takes seconds."""
    names = ["asyncio", "anyio", "xdist", "lastcall" if INSTALLED else "lastcall.pytest_plugin"]
    return [argument for name in names for argument in ("-p", name)]


def _cases(path: Path) -> dict[str, list[str]]:
    cases: dict[str, list[str]] = {}
    if path.exists():
        for case in ET.parse(path).iter("testcase"):
            texts = [part.text or "" for part in case if part.tag in {"failure", "error"}]
            cases.setdefault(case.attrib["name"], []).extend(texts)
        path.unlink()
    return cases


@pytest.fixture(scope="module")
def new_suite(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Suite]:
    """Return a function that makes a suite of files, given by name (`_` for `/`) or as the one `test_it`."""

    def make(source: str = "", **files: str) -> Suite:
        suite = Suite(tmp_path_factory.mktemp("suite"))
        suite.write("pytest.ini", INI)
        if source:
            suite.write("test_it.py", source)
        for name, text in files.items():
            suite.write(f"{name}.py", text)
        return suite

    return make
