"""`lastcall run --baseline`: old leaks may stay, the next one fails."""

from __future__ import annotations

import json

import pytest

from .conftest import Bench

PROGRAM = """
    import asyncio, sys
    import aiohttp

    kept = []


    def old():
        kept.append(aiohttp.ClientSession())


    def new():
        kept.append(aiohttp.ClientSession())


    async def main():
        if "mended" in sys.argv:
            async with aiohttp.ClientSession():
                pass
        elif "nothing" not in sys.argv:
            old()
        if "new" in sys.argv:
            new()
        if "broken" in sys.argv:
            sys.exit(3)


    asyncio.run(main())
"""
OPTION = ("--baseline", "known.json")


@pytest.fixture
def known(bench: Bench) -> Bench:
    """Return a directory whose program's one leak is in its baseline."""
    bench.write("app.py", PROGRAM)
    done = bench.run(*OPTION, "--update-baseline", "app.py")
    assert done.returncode == 0, done.stderr
    assert "baseline known.json: 1 leak is new or counts more; it was written, commit it" in done.stderr
    return bench


def entries(bench: Bench) -> list[dict[str, object]]:
    """Return what is in the baseline."""
    document = json.loads((bench.directory / "known.json").read_text(encoding="utf-8"))
    found = document["entries"]
    assert isinstance(found, list)
    return found


def test_a_known_leak_fails_nothing_and_a_new_one_does(known: Bench) -> None:
    """Only the leak that the baseline does not know is told, and fails the run."""
    again = known.run(*OPTION, "app.py")
    assert again.returncode == 0
    assert "1 leaked in 1 place, 1 of them known" in again.stderr
    assert "in old" not in again.stderr
    grown = known.run(*OPTION, "app.py", "new")
    assert grown.returncode == 70
    assert "in new" in grown.stderr
    assert len(entries(known)) == 1, "it never grows by itself"


def test_the_json_report_says_what_is_known(known: Bench) -> None:
    """Known leaks are in the machine's report, marked."""
    report = known.report(*OPTION, "app.py", "new", code=70)
    assert {leak["site"]["function"]: leak["known"] for leak in report["leaks"]} == {"old": 1, "new": 0}


def test_an_entry_goes_when_the_program_ends_without_its_leak(known: Bench) -> None:
    """It goes with a word; not when the program broke off, or opened nothing at all."""
    known.run(*OPTION, "app.py", "mended", "broken")
    known.run(*OPTION, "app.py", "nothing")
    assert len(entries(known)) == 1
    done = known.run(*OPTION, "app.py", "mended")
    assert "baseline known.json: 1 known leak is gone; it was written, commit it" in done.stderr
    assert entries(known) == []


def test_another_program_leaves_the_entry_alone(known: Bench) -> None:
    """Programs may share a baseline: each takes away only what it showed itself."""
    known.write("other.py", PROGRAM)
    known.run(*OPTION, "other.py", "mended")
    assert len(entries(known)) == 1


def test_an_entry_past_its_date_fails(known: Bench) -> None:
    """The leak is told again, and the run fails, unless it was asked never to."""
    document = {"version": 1, "entries": [entry | {"expires": "2020-01-31"} for entry in entries(known)]}
    (known.directory / "known.json").write_text(json.dumps(document))
    done = known.run(*OPTION, "app.py")
    assert done.returncode == 70
    assert "was to be mended by 2020-01-31" in done.stderr
    assert "in old" in done.stderr
    assert known.run(*OPTION, "--fail-on", "never", "app.py").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--update-baseline"], "--update-baseline needs a file; add --baseline FILE"),
        (["--baseline", "none.json"], "none.json; --update-baseline writes one"),
        (["--baseline", "app.py"], "is no baseline, for it is not JSON"),
        (["--baseline", "no/known.json", "--update-baseline"], "there is no directory"),
        (["--report", "html"], "--report html needs a file: --report html:PATH"),
    ],
)
def test_bad_input_is_answered_by_one_sentence(bench: Bench, arguments: list[str], sentence: str) -> None:
    """Nothing is run, and one line says what to do."""
    bench.write("app.py", PROGRAM)
    done = bench.run(*arguments, "app.py")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
