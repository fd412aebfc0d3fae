"""Wrong use gets one clear sentence and a documented exit code, before anything is run."""

from __future__ import annotations

import os

import pytest

from .conftest import Bench

CASES = [
    (["run"], 2, "name a script to run: lastcall run [options] app.py [arguments]"),
    (["run", "--quiet"], 2, "name a script to run: lastcall run [options] app.py [arguments]"),
    (["run", "-m"], 2, "name a module after -m to run: lastcall run [options] app.py [arguments]"),
    (["run", "--"], 2, "name a command after -- to run: lastcall run [options] app.py [arguments]"),
    (["run", "none.py"], 2, "there is no file 'none.py'"),
    (["run", "empty"], 2, "'empty' is a directory without a __main__.py"),
    (["run", "-m", "none"], 2, "there is no module 'none'"),
    (["run", "-m", "mark.none"], 2, "'mark' is a module, not a package: there is no 'mark.none' in it"),
    (["run", "-m", "package"], 2, "'package' is a package without a __main__ module and cannot be run"),
    (["run", "-m", "package."], 2, "'package.' is no name of a module"),
    (["run", "--", "no-such-command"], 127, "command 'no-such-command' was not found"),
    (["run", "--", "./mark.py"], 126, "'./mark.py' is not executable"),
    (["run", "--", "./empty"], 126, "'./empty' is a directory"),
    (["run", "--", "./broken"], 126, "cannot start './broken': "),
    (["run", "--report", "xml", "mark.py"], 2, "no report form 'xml'; there are text, json and html"),
    (["run", "--report", "json:", "mark.py"], 2, "--report json: names no file after the colon"),
    (["run", "--report", "json:empty", "mark.py"], 2, "it is a directory"),
    (["run", "--report", "json:none/r.json", "mark.py"], 2, "there is no directory "),
    (["run", "--report", "text", "--report", "text", "mark.py"], 2, "two reports cannot both go to stderr"),
    (["run", "--report", "json:r", "--report", "text:./r", "mark.py"], 2, "two reports cannot both go to "),
    (["run", "--after", "0", "mark.py"], 2, "Invalid value for '--after'"),
    (["run", "--fail-on", "doubt", "mark.py"], 2, "Invalid value for '--fail-on'"),
    (["run", "--unknown", "mark.py"], 2, "No such option"),
    (["walk"], 2, "No such command 'walk'"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_wrong_use_is_one_sentence(bench: Bench, arguments: list[str], code: int, sentence: str) -> None:
    """One line on stderr, the documented exit code, and the program was not run."""
    bench.write("mark.py", "open('ran', 'w').close()")
    bench.write("package/__init__.py", "raise RuntimeError('imported')")
    bench.write("broken", "#!/no/such/interpreter\n").chmod(0o755)
    (bench.directory / "empty").mkdir()
    done = bench.plain("-m", "lastcall", *arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("lastcall: error: ")
    assert sentence in line
    assert not (bench.directory / "ran").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_what_may_not_be_read_or_written_is_said_so(bench: Bench) -> None:
    """Permissions are looked at before the program runs."""
    bench.write("secret.py", "").chmod(0)
    bench.write("report.json", "").chmod(0o444)
    assert "cannot be read" in bench.run("secret.py").stderr
    assert "permission denied" in bench.run("--report", "json:report.json", "secret.py").stderr


def test_help_lists_every_exit_code(bench: Bench) -> None:
    """The help shows the three forms, examples, and what each exit code means."""
    done = bench.run("--help")
    assert done.returncode == 0
    assert done.stdout.count("Usage: lastcall run [OPTIONS]") == 3
    for code in ("70 ", "2 ", "126 ", "127 "):
        assert f"\n    {code}" in done.stdout


def test_the_command_says_its_version(bench: Bench) -> None:
    """`lastcall --version` prints name and version."""
    assert bench.plain("-m", "lastcall", "--version").stdout.startswith("lastcall ")


def test_without_a_command_the_help_is_shown_and_is_no_error_message(bench: Bench) -> None:
    """Who types `lastcall` alone sees what it can do, on stderr, with exit code 2."""
    done = bench.plain("-m", "lastcall")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: lastcall ")
