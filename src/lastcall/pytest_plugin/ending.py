"""The end of a run, where people see it: failures of the run, the baseline, the reports, the summary."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from lastcall.baseline import BaselineError, save
from lastcall.ledger import report as forms
from lastcall.ledger.ends import mark_known
from lastcall.ledger.report import Report, merge_reports
from lastcall.ledger.report.words import count

from .findings import Finding, Outcome, entries_of, together
from .settings import Settings
from .words import failure_of_run, how_many, summary_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["RunEnding"]


class Source(Protocol):
    """What saw the tests of this process."""

    def outcome(self) -> Outcome:
        """Return what it saw."""


class RunEnding:
    """
    Gathers what the processes of a run saw, and says it.

    Args:
        config: Of the run.

        settings: What was asked for.

        source: What saw the tests of this process; a controller of pytest-xdist has none.
    """

    def __init__(self, config: pytest.Config, settings: Settings, source: Source) -> None:
        self._config = config
        self._settings = settings
        self._source = source
        self._workers: list[Outcome] = []
        self._lost: list[str] = []
        self._passed: set[str] = set()
        self._telling: pytest.TestReport | None = None
        self._today = datetime.now().astimezone().date()
        self._lines: list[str] = []
        self._outcome = Outcome()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker of pytest-xdist hands over at its end."""
        document = getattr(node, "workeroutput", {}).get("lastcall")
        if document is not None:
            self._workers.append(Outcome.from_json(document))
        elif error is not None:
            self._lost.append(node.gateway.id)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep in mind which tests have passed: only these show that a leak is gone."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Write no letter for a failure of the run: it comes when the line of letters is complete."""
        return ("error", "", "") if report is self._telling else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run for what no test's own report has said; write the baseline and the reports."""
        own = self._source.outcome()
        self._outcome = together(self._workers) if self._workers else own
        findings = self._outcome.findings = self._beyond_baseline(self._outcome.findings)
        unsaid = [finding for finding in findings if finding.fresh and not finding.reported]
        if not self._settings.update:
            for finding in unsaid:
                self._telling = failure_of_run(finding)
                self._config.hook.pytest_runtest_logreport(report=self._telling)
            self._telling = None
        failed = bool(unsaid) and not self._settings.update
        if self._settings.baseline_path is not None:
            failed = self._settle_baseline(self._settings.baseline_path, session) or failed
        self._write_reports()
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _beyond_baseline(self, findings: list[Finding]) -> list[Finding]:
        """Mark again what is known, now that all of them are here: each worker took the whole allowance."""
        if not self._workers:
            return findings
        left = Counter[str]()
        marked = [finding for finding in findings if finding.reported]
        left.update({leak.fingerprint: leak.known for finding in marked for leak in finding.leaks})
        for finding in [finding for finding in findings if not finding.reported]:
            report = mark_known(
                Report(leaks=finding.leaks),
                lambda print_: self._settings.baseline.known(print_, self._today) - left[print_],
            )
            for leak in report.leaks:
                left[leak.fingerprint] += leak.known
            marked.append(dataclasses.replace(finding, leaks=report.leaks))
        return marked

    # -- the baseline

    def _settle_baseline(self, path: Path, session: pytest.Session) -> bool:
        """Shorten or write the baseline; tell whether it fails the run."""
        before = self._settings.baseline
        seen = entries_of(self._outcome.findings)
        was_run = self._was_run(session)
        if self._settings.update:
            after, change = before.updated(seen, was_run)
        else:
            weak = [
                dataclasses.replace(entry)
                for entry in before.in_order()
                if entry.fingerprint in self._outcome.weak
            ]
            after, change = before.shrunk([*seen, *weak], was_run, lower=not self._workers)
        if change or (self._settings.update and not path.exists()):
            try:
                save(path, after)
                self._lines.append(f"baseline {path.name}: {change}; it was written, commit it")
            except BaselineError as error:
                self._lines.append(f"{change}, but {error}")
        expired = after.expired(self._today)
        self._lines += [
            f"baseline {path.name}: {entry.fingerprint} ({entry.place}) was to be mended by {entry.expires};"
            " mend it, or give it another date"
            for entry in expired
        ]
        return bool(expired)

    def _was_run(self, session: pytest.Session) -> Callable[[str], bool]:
        """Return what tells of a baseline's `seen_in` whether all of it was run."""
        passed = Counter(node.partition("::")[0] for node in self._passed)
        narrowed = {Path(arg.partition("::")[0]).name for arg in self._config.args if "::" in arg}
        tests, fixtures = self._outcome.tests, set(self._outcome.fixtures)
        is_whole = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and not self._lost

        def was_run(text: str) -> bool:
            if not is_whole or not text.startswith("pytest"):
                return False
            file = text.removeprefix("pytest").strip()
            if "::" in file:
                return text in fixtures
            whole_file = passed[file] == tests.get(file) and Path(file).name not in narrowed
            return not file or whole_file

        return was_run

    # -- what people see

    def _write_reports(self) -> None:
        report = self._report()
        for form, path in self._settings.reports:
            text = json.dumps(report.to_json(), ensure_ascii=False) + "\n"
            if form == "html":
                text = forms.as_html(report)  # type: ignore[attr-defined]
            try:
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                self._lines.append(f"the report could not be written to {path}: {error.strerror}")

    def _report(self) -> Report:
        leaks = [Report(leaks=finding.leaks) for finding in self._outcome.findings]
        merged = merge_reports([self._outcome.report, *leaks])
        leaked = sum(leak.count for leak in merged.leaks if leak.kind == "session")
        return dataclasses.replace(merged, leaked=leaked)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say what was found, by fingerprint, and what became of the baseline."""
        findings = self._outcome.findings
        fresh = [leak for finding in findings for leak in finding.fresh]
        known = sum(leak.known for finding in findings for leak in finding.leaks)
        lines = [*self._lines]
        if known:
            lines.append(f"{count(known, 'known leak')} not shown")
        if self._outcome.unjudged:
            tests = count(self._outcome.unjudged, "test")
            lines.append(f"{tests} ended the watch or began another, and could not be judged")
        if self._lost:
            lines.append(f"nothing is known of what {', '.join(self._lost)} saw: it ended without a word")
        if not (fresh or lines):
            return
        title = f"lastcall: {how_many(fresh)} left open" if fresh else "lastcall"
        terminalreporter.section(title)
        for text, style in summary_lines(findings):
            terminalreporter.write_line(text, bold=style == "bold")
        for text in lines:
            terminalreporter.write_line(text)
