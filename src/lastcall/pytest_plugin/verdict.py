"""What a run comes to: failures that no test has told, the baseline, the reports, the summary."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lastcall.baseline import Baseline, BaselineError, save
from lastcall.ledger.ends import mark_known
from lastcall.ledger.report import Report, as_html, merge_reports
from lastcall.ledger.report.words import count

from .findings import Finding, Outcome, entries_of, together
from .settings import Settings
from .words import failure_of_run, how_many, summary_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from lastcall.ledger.history import History

__all__ = ["Verdict"]


class Verdict:
    """
    What is to be said at the end of a run.

    Args:
        config: Of the run.

        settings: What was asked for.

        passed: Node ids of the tests that have passed; looked at only with a baseline.

        lost: Workers of pytest-xdist that ended without a word.
    """

    def __init__(self, config: pytest.Config, settings: Settings, passed: set[str], lost: list[str]) -> None:
        self._config = config
        self._settings = settings
        self._passed = passed
        self._lost = lost
        self._baseline = settings.baseline or Baseline()
        self._today = datetime.now().astimezone().date()
        self._lines: list[str] = []
        self._outcome = Outcome()
        self._is_shared = False

    def reach(self, own: Outcome, workers: list[dict[str, Any]], status: int) -> bool:
        """
        Report what no test's own report has said; write the baseline and the reports.

        Args:
            own: What this process saw.

            workers: What the workers of pytest-xdist saw, as `Outcome.to_json` wrote it.

            status: The exit code so far.

        Returns:
            Whether the run fails.
        """
        self._is_shared = bool(workers)
        self._outcome = together(map(Outcome.from_json, workers)) if workers else own
        findings = self._outcome.findings = self._beyond_baseline(self._outcome.findings)
        unsaid = [finding for finding in findings if finding.fresh and not finding.reported]
        if self._settings.update:
            unsaid = []
        self._report_failures(unsaid)
        expired = self._settle_baseline(self._settings.baseline_path, status)
        self._write_reports()
        return bool(unsaid) or expired

    def _report_failures(self, findings: list[Finding]) -> None:
        letterless = _Letterless()
        self._config.pluginmanager.register(letterless)
        for finding in findings:
            self._config.hook.pytest_runtest_logreport(report=failure_of_run(finding))
        self._config.pluginmanager.unregister(letterless)

    def _beyond_baseline(self, findings: list[Finding]) -> list[Finding]:
        """Mark again what is known, now that all of them are here: each worker took the whole allowance."""
        if not self._is_shared:
            return findings
        left = Counter[str]()
        marked = [finding for finding in findings if finding.reported]
        for leak in (leak for finding in marked for leak in finding.leaks):
            left[leak.fingerprint] += leak.known
        for finding in [finding for finding in findings if not finding.reported]:
            report = mark_known(
                Report(leaks=finding.leaks),
                lambda print_: self._baseline.known(print_, self._today) - left[print_],
            )
            for leak in report.leaks:
                left[leak.fingerprint] += leak.known
            marked.append(dataclasses.replace(finding, leaks=report.leaks))
        return marked

    # -- the baseline

    def _settle_baseline(self, path: Path | None, status: int) -> bool:
        """Shorten or write the baseline; tell whether it fails the run."""
        if path is None:
            return False
        before = self._baseline
        seen = entries_of(self._outcome.findings)
        was_run = self._was_run(status)
        if self._settings.update:
            after, change = before.updated(seen, was_run)
        else:
            weak = [
                dataclasses.replace(entry)
                for entry in before.in_order()
                if entry.fingerprint in self._outcome.weak
            ]
            after, change = before.shrunk([*seen, *weak], was_run, lower=not self._is_shared)
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

    def _was_run(self, status: int) -> Callable[[str], bool]:
        """Return what tells of a baseline's `seen_in` whether all of it was run."""
        passed = Counter(node.partition("::")[0] for node in self._passed)
        narrowed = {Path(arg.partition("::")[0]).name for arg in self._config.args if "::" in arg}
        tests, fixtures = self._outcome.tests, set(self._outcome.fixtures)
        is_whole = status in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and not self._lost

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
                text = as_html(report, self._history(), of="pytest")
            try:
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                self._lines.append(f"the report could not be written to {path}: {error.strerror}")

    def _report(self) -> Report:
        leaks = [Report(leaks=finding.leaks) for finding in self._outcome.findings]
        merged = merge_reports([self._outcome.report, *leaks])
        leaked = sum(leak.count for leak in merged.leaks if leak.kind == "session")
        return dataclasses.replace(merged, leaked=leaked)

    def _history(self) -> History | None:
        from lastcall.ledger.history import Recorded, merge_histories  # noqa: PLC0415 (only for a page)

        return merge_histories(Recorded.from_bytes(*parts) for parts in self._outcome.histories)

    def summarise(self, terminalreporter: TerminalReporter) -> None:
        """Say what was found, by fingerprint, and what became of the baseline."""
        findings = self._outcome.findings
        fresh = [leak for finding in findings for leak in finding.fresh]
        known = sum(leak.known for finding in findings for leak in finding.leaks)
        lines = [*self._lines]
        if known:
            lines.append(f"{count(known, 'known leak')} not shown")
        if self._outcome.unjudged:
            tests = count(self._outcome.unjudged, "test")
            lines.append(f"{tests} began a watch of their own, and could not be judged")
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


class _Letterless:
    """Has no letter written for a failure of the run: it comes when the line of letters is complete."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Count it as an error."""
        return "error", "", ""
