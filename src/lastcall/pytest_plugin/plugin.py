"""The hooks while the watch is on: who is at work, what it left open, and how its test comes to say so."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Generator
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from lastcall import ledger
from lastcall.ledger.ends import mistrust
from lastcall.ledger.records import Leak
from lastcall.ledger.report import Report
from lastcall.ledger.scopes import Scope, current_scope, no_scope
from lastcall.ledger.watch import current, resume

from .ending import RunEnding
from .findings import Outcome
from .foreign import refuse_foreign_loops
from .judge import Judge
from .marker import Terms, read_terms
from .scopes import Owner, Scopes
from .settings import Settings, is_worker
from .words import failure, how_many, text_of, text_of_demand

__all__ = ["LastcallPlugin"]


class LastcallPlugin:
    """
    Watches the tests of one process.

    Args:
        config: Of the run.

        settings: What was asked for.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._judge = Judge(settings, datetime.now().astimezone().date())
        self._run = Owner("outside of every test", "(run)", "pytest", "run")
        self._scopes = Scopes(self._run)
        self._test = self._run
        self._terms: dict[str, Terms] = {}
        self._wrong: dict[str, str] = {}
        self._ended: list[Owner] = []
        self._outcome = Outcome()
        self._watch = ledger.watch()
        book, level = current()
        assert book is not None
        assert level is not None
        self._book, self._level = book, level
        book.scope_elsewhere = self._scopes.elsewhere
        self._scopes.install()
        self._scopes.begin(self._run)
        if not is_worker(config):
            config.pluginmanager.register(RunEnding(config, settings, self), "lastcall-ending")

    # -- before the tests

    def pytest_report_header(self) -> str:
        """Say that the tests are watched."""
        path = self._settings.baseline_path
        known = f", {len(self._settings.baseline.entries)} known leaks in {path.name}" if path else ""
        return f"lastcall: {self._settings.level}{known}"

    def pytest_sessionstart(self) -> None:
        """Refuse to put sessions to tests where tests do not run one after the other."""
        if not is_worker(self._config):
            refuse_foreign_loops(self._config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the markers, and count the tests of each file before any is left out."""
        self._terms, wrong = read_terms(items)
        if wrong and not is_worker(self._config):
            raise pytest.UsageError(next(iter(wrong.values())))
        # xdist replaces a worker that gives up with another, which would do the same.
        self._wrong = wrong
        self._outcome.tests = dict(Counter(item.nodeid.partition("::")[0] for item in items))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Prepare for anyio, if any test runs under it."""
        if any("anyio_backend" in getattr(item, "fixturenames", ()) for item in session.items):
            self._scopes.install_anyio()

    # -- who is at work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test."""
        if not self._is_watching():
            resume(self._book, self._level)
            mistrust(self._book)
        file = item.nodeid.partition("::")[0]
        self._test = Owner(item.nodeid, item.nodeid, f"pytest {file}", "test")
        self._scopes.begin(self._test)
        if item.nodeid in self._wrong:
            pytest.fail(self._wrong[item.nodeid], pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Put what a fixture opens to the fixture, and to its test if it ends with it."""
        before = self._scopes.running
        scope = self._scopes.running = self._fixture_scope(fixturedef, request)
        token = current_scope.set(scope)
        try:
            return (yield)
        finally:
            current_scope.reset(token)
            self._scopes.running = before

    def _fixture_scope(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Scope:
        name = fixturedef.argname
        if fixturedef.scope == "function":
            return Scope(f"fixture {name} of {self._test.name}", self._test)
        code = getattr(fixturedef.func, "__code__", None)
        file = _below(code.co_filename, request.config) if code is not None else fixturedef.baseid
        node = f"{file}::{name}"
        owner = Owner(f"{fixturedef.scope} fixture {name} of {file}", node, f"pytest {node}", "fixture")
        fixturedef.addfinalizer(partial(self._fixture_ended, owner))
        return owner

    def _fixture_ended(self, owner: Owner) -> None:
        owner.ended = True
        self._ended.append(owner)

    def _is_watching(self) -> bool:
        """Tell whether no test has ended the watch, or begun another."""
        book, level = current()
        return book is self._book and level is not None

    # -- what it left open

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> pytest.TestReport | None:
        """End a test that is torn down; make its last report, if there is something to say."""
        if call.when != "teardown":
            return None
        test, terms = self._test, self._terms.get(item.nodeid)
        self._scopes.begin(self._run)
        if not self._is_watching():
            self._outcome.unjudged += 1
            return None
        leaks = self._judge.end(self._book, test, terms)
        self._end_fixtures()
        text = self._found(test, terms, leaks)
        if text is None:
            return None
        return _with_failure(pytest.TestReport.from_item_and_call(item, call), text, leaks)

    def _found(self, test: Owner, terms: Terms | None, leaks: tuple[Leak, ...]) -> str | None:
        """Write down the *leaks* of *test*; return what its report has to say, None for nothing."""
        if terms is not None and terms.demand is not None:
            found = sum(leak.count for leak in leaks)
            return None if found == terms.demand else text_of_demand(terms, leaks)
        fresh = tuple(leak for leak in leaks if leak.count > leak.known)
        self._judge.find(test, leaks, reported=bool(fresh))
        return text_of(fresh) if fresh and not self._settings.update else None

    def _end_fixtures(self) -> None:
        for owner in self._ended:
            self._outcome.fixtures.append(owner.seen_in)
            self._judge.find(owner, self._judge.end(self._book, owner))
        self._ended.clear()

    # -- after the tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Hand what was found to the controller, if this is a worker."""
        if is_worker(self._config):
            output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
            output["lastcall"] = self.outcome().to_json()

    def outcome(self) -> Outcome:
        """Look at what is left, and return all that this process saw. To be called once."""
        self._end_fixtures()
        self._judge.close(self._book, self._run)
        report = ledger.report()
        self._outcome.findings = self._judge.findings
        self._outcome.weak = sorted(self._judge.weak)
        leaked = sum(
            leak.count for found in self._judge.findings for leak in found.leaks if leak.kind == "session"
        )
        processes = tuple(
            dataclasses.replace(process, state="ended", leaked=leaked) for process in report.processes
        )
        self._outcome.report = Report(opened=report.opened, closed=report.closed, processes=processes)
        return self._outcome

    def pytest_unconfigure(self) -> None:
        """Restore everything."""
        self._scopes.uninstall()
        self._book.scope_elsewhere = no_scope
        self._watch.unwatch()


def _below(filename: str, config: pytest.Config) -> str:
    root = f"{config.rootpath.as_posix()}/"
    return filename.replace("\\", "/").removeprefix(root)


def _with_failure(report: pytest.TestReport, text: str, leaks: tuple[Leak, ...]) -> pytest.TestReport:
    """Return *report* with *text*: as its failure if it has none of its own, else beside that."""
    own: Any = report.longrepr
    if report.outcome != "failed":
        report.outcome = "failed"
        report.longrepr = failure(text, leaks[0].site if leaks else None)
    elif hasattr(own, "addsection"):
        own.addsection(f"{how_many(leaks)} left open", text)
    else:
        report.longrepr = f"{own}\n\n{text}"
    return report
