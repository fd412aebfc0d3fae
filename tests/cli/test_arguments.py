"""Where the options of `run` end and the program begins."""

from __future__ import annotations

import pytest

from lastcall.cli._program import split_arguments

VALUED = ("--report", "--after")

CASES = [
    ("app.py -m x --report y", [], "script", ["app.py", "-m", "x", "--report", "y"]),
    ("--quiet app.py", ["--quiet"], "script", ["app.py"]),
    ("--report json app.py", ["--report", "json"], "script", ["app.py"]),
    ("--report=json app.py --", ["--report=json"], "script", ["app.py", "--"]),
    ("--quiet -m app -m x", ["--quiet"], "module", ["app", "-m", "x"]),
    ("-mapp x", [], "module", ["app", "x"]),
    ("--quiet -- app -- x", ["--quiet"], "command", ["app", "--", "x"]),
    ("- x", [], "script", ["-", "x"]),
    ("--report -- app", ["--report", "--"], "script", ["app"]),
    ("--quiet", ["--quiet"], "script", []),
    ("", [], "script", []),
]


@pytest.mark.parametrize(
    ("line", "ours", "form", "program"), CASES, ids=[case[0] or "empty" for case in CASES]
)
def test_the_first_word_that_is_no_option_begins_the_program(
    line: str, ours: list[str], form: str, program: list[str]
) -> None:
    """As in Python's own command line: after a script, `-m` or `--`, nothing is ours."""
    assert split_arguments(line.split(), VALUED) == (ours, form, program)
