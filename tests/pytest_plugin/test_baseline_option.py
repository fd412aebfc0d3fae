"""Old leaks may stay, the next one fails: `--lastcall-baseline` and `--update-baseline`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Run, Suite

OLD = """
    import aiohttp

    kept = []

    async def test_old():
        kept.append(aiohttp.ClientSession())

    async def test_older():
        kept.append(aiohttp.ClientSession())
"""
FIXED = """
    import aiohttp

    async def test_old():
        async with aiohttp.ClientSession():
            pass

    async def test_older():
        pass
"""
NEW = """
    import aiohttp

    kept = []

    async def test_new():
        kept.append(aiohttp.ClientSession())
"""
BASELINE = "--lastcall-baseline=known.json"


@pytest.fixture
def suite(new_suite: Callable[..., Suite]) -> Suite:
    """Return a suite whose two leaks are in its baseline."""
    suite = new_suite(test_old=OLD)
    run = suite.run(BASELINE, "--update-baseline")
    assert run.code == 0, run.out
    assert "2 leaks are new or count more; it was written, commit it" in run.out
    return suite


SEVERAL = """
    import aiohttp

    kept = []

    async def test_it():
        for _ in range({}):
            kept.append(aiohttp.ClientSession())
"""


def entries(suite: Suite) -> list[dict[str, Any]]:
    """Return what is in the baseline."""
    document = json.loads((suite.directory / "known.json").read_text(encoding="utf-8"))
    assert document["version"] == 1
    found = document["entries"]
    assert isinstance(found, list)
    return found


def change(suite: Suite, **values: object) -> None:
    """Change every entry of the baseline."""
    document = {"version": 1, "entries": [entry | values for entry in entries(suite)]}
    (suite.directory / "known.json").write_text(json.dumps(document), encoding="utf-8")


def blamed(run: Run) -> set[str]:
    """Return the tests that failed."""
    return {name for name, texts in run.cases.items() if texts}


def test_the_hundred_and_first_leak_fails_alone(suite: Suite) -> None:
    """What the baseline knows passes, in one process and in two; a new leak fails its test."""
    suite.write("test_new.py", NEW)
    for workers in ([], ["-n", "2"]):
        run = suite.run(BASELINE, *workers)
        assert blamed(run) == {"test_new"}, run.out
        assert "2 known leaks not shown" in run.out
    assert sorted(leak["known"] for leak in run.report["leaks"]) == [0, 1, 1]
    assert len(entries(suite)) == 2, "it never grows by itself"


def test_an_entry_goes_when_its_leak_is_gone(suite: Suite) -> None:
    """The file becomes shorter and the run says so; a run of something else changes nothing."""
    suite.write("test_old.py", FIXED)
    suite.write("test_else.py", "def test_else():\n    pass\n")
    partial = suite.run(BASELINE, "test_else.py", "test_old.py::test_older")
    assert partial.code == 0, partial.out
    assert len(entries(suite)) == 2
    deselected = suite.run(BASELINE, "-k", "older")
    assert deselected.code == 0, deselected.out
    assert len(entries(suite)) == 2
    whole = suite.run(BASELINE)
    assert whole.code == 0, whole.out
    assert "baseline known.json: 2 known leaks are gone; it was written, commit it" in whole.out
    assert entries(suite) == []


def test_an_entry_counts_less_when_one_of_several_is_mended(new_suite: Callable[..., Suite]) -> None:
    """Two leaks of one fingerprint become one: the second cannot come back unseen."""
    suite = new_suite(SEVERAL.format(2))
    suite.run(BASELINE, "--update-baseline")
    assert [entry["count"] for entry in entries(suite)] == [2]
    suite.write("test_it.py", SEVERAL.format(1))
    run = suite.run(BASELINE)
    assert "1 known leak counts less" in run.out
    assert [entry["count"] for entry in entries(suite)] == [1]
    suite.write("test_it.py", SEVERAL.format(2))
    assert blamed(suite.run(BASELINE)) == {"test_it"}


def test_an_entry_past_its_date_fails(suite: Suite) -> None:
    """From the day after its date on the leak fails its test, and the run says what was to be mended."""
    change(suite, expires="2020-01-31")
    run = suite.run(BASELINE)
    assert blamed(run) == {"test_old", "test_older"}
    assert "was to be mended by 2020-01-31; mend it, or give it another date" in run.out
    change(suite, expires="2999-01-31", note="later")
    assert suite.run(BASELINE, "--update-baseline").code == 0
    assert {(entry["expires"], entry["note"]) for entry in entries(suite)} == {("2999-01-31", "later")}


def test_the_ini_file_names_the_baseline(suite: Suite) -> None:
    """With level and baseline in the ini file, pytest alone does it, from any directory."""
    ini = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    suite.write("pytest.ini", ini + "lastcall = scope\nlastcall_baseline = known.json\n")
    run = suite.run(level=None)
    assert run.code == 0, run.out
    assert "lastcall: scope, 2 known leaks in known.json" in run.out


def test_what_is_still_open_is_not_gone_at_a_lower_level(new_suite: Callable[..., Suite]) -> None:
    """At level proof an open session fails nothing, and keeps its entry."""
    source = """
        import aiohttp, pytest

        kept = []

        @pytest.fixture(scope="module", autouse=True)
        def never_ends():
            yield

        @pytest.mark.asyncio(loop_scope="session")
        async def test_it():
            kept.append(aiohttp.ClientSession())

        def test_end():
            pass
    """
    suite = new_suite(source)
    suite.run(BASELINE, "--update-baseline")
    assert len(entries(suite)) == 1
    suite.run(BASELINE, level="proof")
    assert len(entries(suite)) == 1
