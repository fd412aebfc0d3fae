"""The hooks while the watch is on: who is at work, what it left open, and how its test comes to say so."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Generator
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

from lastcall.ledger.scopes import Scope, current_scope, no_scope
from lastcall.ledger.watch import Ground, begin, current

from .ending import RunEnding
from .foreign import refuse_foreign_loops
from .scopes import Owner, Scopes
from .settings import Settings, is_worker

if TYPE_CHECKING:
    from lastcall.ledger.records import Leak

    from .findings import Outcome
    from .judge import Judge
    from .marker import Terms

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
        self._run = Owner("outside of every test", "(run)", "pytest", "run")
        self._scopes = Scopes(self._run)
        self._test = self._run
        self._terms: dict[str, Terms] = {}
        self._wrong: dict[str, str] = {}
        self._ended: list[Owner] = []
        self._tests: dict[str, int] = {}
        self._fixtures: list[str] = []
        self._unjudged = 0
        self._watch = begin(history=settings.has_page)
        book, level = current()
        assert book is not None
        assert level is not None
        self._book = book
        self._ground = Ground(book, level)
        if self._watch._began:
            # Under `lastcall run` it is not ours to hide.
            self._ground.lay()
        self._left = 0
        book.scope_elsewhere = self._scopes.elsewhere
        self._scopes.install()
        self._scopes.begin(self._run)
        if not is_worker(config):
            config.pluginmanager.register(RunEnding(config, settings, self), "lastcall-ending")

    # -- before the tests

    def pytest_report_header(self) -> str:
        """Say that the tests are watched."""
        path = self._settings.baseline_path
        baseline = self._settings.baseline
        known = f", {len(baseline.entries)} known leaks in {path.name}" if path and baseline else ""
        return f"lastcall: {self._settings.level}{known}"

    def pytest_sessionstart(self) -> None:
        """Refuse to put sessions to tests where tests do not run one after the other."""
        if not is_worker(self._config):
            refuse_foreign_loops(self._config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the markers, and count the tests of each file before any is left out."""
        marked = [item for item in items if item.get_closest_marker("lastcall") is not None]
        if marked:
            self._read_markers(marked)
        self._tests = dict(Counter(item.nodeid.partition("::")[0] for item in items))

    def _read_markers(self, items: list[pytest.Item]) -> None:
        from .marker import read_terms  # noqa: PLC0415

        self._terms, wrong = read_terms(items)
        if wrong and not is_worker(self._config):
            raise pytest.UsageError(next(iter(wrong.values())))
        # xdist replaces a worker that gives up with another, which would do the same.
        self._wrong = wrong

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Prepare for anyio, if any test runs under it."""
        if any("anyio_backend" in getattr(item, "fixturenames", ()) for item in session.items):
            self._scopes.install_anyio()

    # -- who is at work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test."""
        if self._ground.left != self._left or not self._ground.is_on():
            self._come_back()
        file = item.nodeid.partition("::")[0]
        self._test = Owner(item.nodeid, item.nodeid, f"pytest {file}", "test")
        self._scopes.begin(self._test)
        if item.nodeid in self._wrong:
            pytest.fail(self._wrong[item.nodeid], pytrace=False)

    def _come_back(self) -> None:
        """Go on with our own watch after a test that began another."""
        if self._was_left():
            from lastcall.ledger.ends import mistrust  # noqa: PLC0415

            mistrust(self._book)
        if not self._ground.is_on():
            self._ground.resume()
        self._left = self._ground.left

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
        # Older versions of pytest-asyncio put a function of their own round it.
        code = getattr(inspect.unwrap(fixturedef.func), "__code__", None)
        file = _below(code.co_filename, request.config) if code is not None else fixturedef.baseid
        node = f"{file}::{name}"
        owner = Owner(f"{fixturedef.scope} fixture {name} of {file}", node, f"pytest {node}", "fixture")
        fixturedef.addfinalizer(partial(self._fixture_ended, owner))
        return owner

    def _fixture_ended(self, owner: Owner) -> None:
        owner.ended = True
        self._ended.append(owner)

    def _was_left(self) -> bool:
        """Tell whether a test has begun a watch of its own, so that ours did not see everything."""
        return self._ground.left != self._left or self._ground.is_lost()

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
        if self._was_left():
            self._unjudged += 1
            return None
        leaks = self._left_by(test, terms)
        self._end_fixtures()
        demand = terms.demand if terms is not None else None
        if not leaks and demand is None:
            return None
        text = self._found(test, demand, leaks)
        if text is None:
            return None
        from .words import with_failure  # noqa: PLC0415

        return with_failure(pytest.TestReport.from_item_and_call(item, call), text, leaks)

    @cached_property
    def _judge(self) -> Judge:
        from .judge import Judge  # noqa: PLC0415

        return Judge(self._settings, datetime.now().astimezone().date())

    def _left_by(self, owner: Owner, terms: Terms | None = None) -> tuple[Leak, ...]:
        owner.ended = True
        if owner.is_clean() and not (self._settings.gc and owner.openings):
            return ()
        return self._judge.end(self._book, owner, terms)

    def _found(self, test: Owner, demand: int | None, leaks: tuple[Leak, ...]) -> str | None:
        """Write down the *leaks* of *test*; return what its report has to say, None for nothing."""
        from .words import text_of, text_of_demand  # noqa: PLC0415

        if demand is not None:
            return None if sum(leak.count for leak in leaks) == demand else text_of_demand(demand, leaks)
        fresh = tuple(leak for leak in leaks if leak.count > leak.known)
        self._judge.find(test, leaks, reported=bool(fresh))
        return text_of(fresh) if fresh and not self._settings.update else None

    def _end_fixtures(self) -> None:
        for owner in self._ended:
            self._fixtures.append(owner.seen_in)
            leaks = self._left_by(owner)
            if leaks:
                self._judge.find(owner, leaks)
        self._ended.clear()

    # -- after the tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Hand what was found to the controller, if this is a worker."""
        if is_worker(self._config):
            self.finish()
            output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
            output["lastcall"] = self.outcome().to_json()

    def finish(self) -> bool:
        """Look at what is left, once; tell whether there is anything to say."""
        self._end_fixtures()
        is_clean = "_judge" not in vars(self) and self._run.is_clean() and not self._book.late
        if not is_clean or self._book.open_entries():
            self._judge.close(self._book, self._run)
            return bool(self._judge.findings or self._unjudged)
        return bool(self._unjudged)

    def outcome(self) -> Outcome:
        """Return all that this process saw, once it is finished."""
        from lastcall.ledger.reporting import take  # noqa: PLC0415

        from .findings import Outcome, history_of  # noqa: PLC0415

        return Outcome.of(
            take(self._book),
            self._judge.findings,
            weak=sorted(self._judge.weak),
            tests=self._tests,
            fixtures=self._fixtures,
            unjudged=self._unjudged,
            # Under `lastcall run` the rows are not ours to read.
            histories=history_of(self._book) if self._watch._began else [],
        )

    def pytest_unconfigure(self) -> None:
        """Restore everything."""
        self._scopes.uninstall()
        self._ground.take_away()
        self._book.scope_elsewhere = no_scope
        self._watch.unwatch()


def _below(filename: str, config: pytest.Config) -> str:
    root = f"{config.rootpath.as_posix()}/"
    return filename.replace("\\", "/").removeprefix(root)
