"""Bad input is answered by one sentence that says what to do, before a test runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Suite, plugin

TEST = """
    import pytest

    def test_it():
        pass
"""

MANY = """
    import contextlib, io, json, sys
    import pytest

    plugins, rounds = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    said = []
    for arguments in rounds:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = pytest.main(["-q", "-p", "no:cacheprovider", *plugins, *arguments])
        said.append((int(code), out.getvalue()))
    print(json.dumps(said))
"""
"""Runs pytest again and again in one process, and prints what each run said."""

LEVEL = ["--lastcall=scope"]
BASELINE = [*LEVEL, "--lastcall-baseline"]

ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "unknown level": (["--lastcall=strict"], "--lastcall is 'strict'; it can be proof, scope or off"),
    "unknown level in the ini file": (
        ["-o", "lastcall=all"],
        "lastcall in the ini file is 'all'; it can be proof, scope or off",
    ),
    "against the ini file": (
        ["-c", "proof.ini", *LEVEL],
        "--lastcall=scope contradicts lastcall = proof in proof.ini; leave one of them, or override the file",
    ),
    "report while off": (
        ["--lastcall-report=json:x"],
        "--lastcall-report has no effect while lastcall is off; add --lastcall=scope",
    ),
    "update without a file": (
        [*LEVEL, "--update-baseline"],
        "--update-baseline needs a file; add --lastcall-baseline=FILE",
    ),
    "missing baseline": ([*BASELINE, "none.json"], "none.json; --update-baseline writes one"),
    "newer baseline": (
        [*BASELINE, "newer.json"],
        "it has format 2, and this lastcall reads 1; install a newer lastcall",
    ),
    "broken baseline": ([*BASELINE, "broken.json"], "broken.json is no baseline, for it is not JSON"),
    "misspelt key": (
        [*BASELINE, "misspelt.json"],
        "entry 1 has an unknown key 'expire'; did you mean 'expires'?",
    ),
    "no directory": (
        [*LEVEL, "--lastcall-report=json:none/x.json"],
        "cannot be written to",
    ),
    "a directory": ([*LEVEL, "--lastcall-report=json:."], "it is a directory; name another path"),
    "unknown form": (
        [*LEVEL, "--lastcall-report=xml:x"],
        "--lastcall-report is 'xml:x'; it can be json:PATH or html:PATH",
    ),
    "two reports": (
        [*LEVEL, "--lastcall-report=json:x", "--lastcall-report=json:x"],
        "two reports cannot both go to",
    ),
    "a plugin with a loop of its own": (
        [*LEVEL, "-p", "own_loop"],
        "; run without it (-p no:own_loop), or with --lastcall=off",
    ),
    "unknown argument of the marker": (
        [*LEVEL, "unknown.py"],
        "unknown.py::test_it: the marker lastcall has no argument 'alow'; did you mean 'allow'?",
    ),
    "unknown level of the marker": (
        [*LEVEL, "level.py"],
        "the marker lastcall has the level 'all'; it can be 'proof', 'scope' or 'off'",
    ),
    "no number": ([*LEVEL, "number.py"], "has allow='two'; it is a number of sessions from 0 on"),
    "two levels": ([*LEVEL, "two.py"], "takes one positional argument, the level"),
    "allow and demand": (
        [*LEVEL, "both.py"],
        "cannot both demand sessions left open and have allow; leave one of them",
    ),
}

MARKERS = {
    "unknown": "alow=1",
    "level": "'all'",
    "number": "allow='two'",
    "two": "'proof', 'scope'",
    "both": "allow=1, demand=1",
}


@pytest.fixture(scope="module")
def said(new_suite: Callable[..., Suite]) -> dict[str, tuple[int, str]]:
    """Give each kind of bad input to pytest; return the exit code and what was said."""
    marked = {
        name: f"import pytest\n\n@pytest.mark.lastcall({text})\ndef test_it():\n    pass\n"
        for name, text in MARKERS.items()
    }
    loop = "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop():\n    return True\n"
    suite = new_suite(TEST, main=MANY, own_loop=loop, **marked)
    entry = {"fingerprint": "0" * 12, "expire": "2030-01-01"}
    files = {
        "newer.json": json.dumps({"version": 2, "entries": []}),
        "broken.json": "<<<<<<< HEAD",
        "misspelt.json": json.dumps({"version": 1, "entries": [entry]}),
        "proof.ini": "[pytest]\nlastcall = proof\n",
    }
    for name, text in files.items():
        Path(suite.directory, name).write_text(text, encoding="utf-8")
    rounds = [arguments for arguments, _ in ARGUMENTS.values()]
    done = suite.python("main.py", json.dumps(plugin()), json.dumps(rounds))
    assert done.returncode == 0, done.stderr
    return dict(zip(ARGUMENTS, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_bad_input_is_answered_by_one_sentence(said: dict[str, tuple[int, str]], kind: str) -> None:
    """The exit code is that of wrong use, and one line says what is wrong and what to do."""
    code, text = said[kind]
    assert code == pytest.ExitCode.USAGE_ERROR, text
    errors = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1, text
    assert ARGUMENTS[kind][1] in errors[0]
    assert "Traceback" not in text


def test_a_wrong_marker_under_xdist_fails_its_test(new_suite: Callable[..., Suite]) -> None:
    """Workers do not give up, which xdist would answer by new workers: the test itself fails."""
    suite = new_suite("import pytest\n\n@pytest.mark.lastcall(alow=1)\ndef test_it():\n    pass\n")
    run = suite.run("-n", "1")
    assert run.code == 1
    assert "has no argument 'alow'; did you mean 'allow'?" in run.cases["test_it"][0]
