"""The end of a run, in the process that people see; what there is to say is worked out by `verdict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from .findings import Outcome
    from .settings import Settings
    from .verdict import Verdict

__all__ = ["RunEnding"]


class Source(Protocol):
    """What saw the tests of this process."""

    def finish(self) -> bool:
        """Look at what is left, once; tell whether there is anything to say."""

    def outcome(self) -> Outcome:
        """Return what it saw."""


class RunEnding:
    """
    Gathers what the processes of a run saw, and has it said.

    Args:
        config: Of the run.

        settings: What was asked for.

        source: What saw the tests of this process; in a controller of pytest-xdist that is nothing.
    """

    def __init__(self, config: pytest.Config, settings: Settings, source: Source) -> None:
        self._config = config
        self._settings = settings
        self._source = source
        self._workers: list[dict[str, Any]] = []
        self._lost: list[str] = []
        self._passed = Passed()
        self._verdict: Verdict | None = None
        if settings.baseline_path is not None:
            config.pluginmanager.register(self._passed, "lastcall-passed")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker of pytest-xdist hands over at its end."""
        document = getattr(node, "workeroutput", {}).get("lastcall")
        if document is not None:
            self._workers.append(document)
        elif error is not None:
            self._lost.append(node.gateway.id)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run for what no test's own report has said; write the baseline and the reports."""
        settings = self._settings
        asked = self._source.finish() or settings.baseline_path is not None or settings.reports
        if asked or self._workers or self._lost:
            from .verdict import Verdict  # noqa: PLC0415

            self._verdict = Verdict(self._config, settings, self._passed.tests, self._lost)
            failed = self._verdict.reach(self._source.outcome(), self._workers, session.exitstatus)
            if failed and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say what was found, by fingerprint, and what became of the baseline."""
        if self._verdict is not None:
            self._verdict.summarise(terminalreporter)


class Passed:
    """Keeps in mind which tests have passed: only these show that a leak is gone."""

    def __init__(self) -> None:
        self.tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at a report."""
        if report.when == "call" and report.passed:
            self.tests.add(report.nodeid)
