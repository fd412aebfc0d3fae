"""`lastcall check` and `lastcall explain`, as processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Write = Callable[[str, str], Path]

LEAK = """\
import aiohttp


async def fetch(url):
    session = aiohttp.ClientSession()
    await session.get(url)
"""
CLEAN = """\
import aiohttp


async def fetch(url):
    async with aiohttp.ClientSession() as session:
        await session.get(url)
"""
OWNER = """\
import aiohttp


class Client:
    def __init__(self):
        self._session = aiohttp.ClientSession()
"""


def rules(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the rules of the findings printed as JSON."""
    return [one["rule"] for one in json.loads(done.stdout)["findings"]]


def test_findings_go_to_stdout_and_the_rest_to_stderr(lastcall: Run, write: Write) -> None:
    """So that one can be piped, and the exit code tells."""
    write("a.py", LEAK)
    done = lastcall("check", "--output-format", "concise")
    assert done.returncode == 1
    assert done.stdout.startswith("a.py:5:15: LC001 [*] This session is never closed")
    assert done.stderr == "lastcall: 1 finding in 1 file, 1 file checked\n"


def test_a_clean_project_exits_0(lastcall: Run, write: Write) -> None:
    """And says that it was looked at."""
    write("a.py", "x = 1\n")
    done = lastcall("check")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "lastcall: nothing found, 1 file checked\n"


def test_rules_are_chosen_and_left_out(lastcall: Run, write: Write) -> None:
    """By code, name, beginning of a code, several at once; what is left out wins."""
    write("a.py", LEAK)
    write("b.py", OWNER)
    as_json = ("--output-format", "json", "--quiet")
    assert rules(lastcall("check", *as_json)) == ["LC001", "LC002"]
    assert rules(lastcall("check", *as_json, "--select", "session-never-closed,LC003")) == ["LC001"]
    assert rules(lastcall("check", *as_json, "--select", "LC00", "--ignore", "LC001")) == ["LC002"]


def test_doubtful_findings_are_shown_on_demand(lastcall: Run, write: Write) -> None:
    """In tests they are medium; the summary says that there are more."""
    write("test_a.py", LEAK)
    done = lastcall("check")
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 more with --confidence medium" in done.stderr
    assert lastcall("check", "--confidence", "medium").returncode == 1


def test_settings_are_those_of_the_project(lastcall: Run, write: Write) -> None:
    """An option goes before them."""
    write("a.py", LEAK)
    write("pyproject.toml", '[tool.lastcall.check]\nignore = ["LC001"]\n')
    assert lastcall("check").returncode == 0
    assert lastcall("check", "--select", "LC001").returncode == 1


def test_statistics_count_by_rule(lastcall: Run, write: Write) -> None:
    """The most first."""
    write("a.py", LEAK + LEAK.replace("import aiohttp", "").replace("fetch", "other"))
    write("b.py", OWNER)
    done = lastcall("check", "--statistics")
    assert done.stdout.split() == ["2", "LC001", "session-never-closed", "1", "LC002", "owner-has-no-close"]


def test_exit_zero_keeps_the_findings(lastcall: Run, write: Write) -> None:
    """They are printed, and fail nothing."""
    write("a.py", LEAK)
    done = lastcall("check", "--exit-zero")
    assert done.returncode == 0
    assert "LC001" in done.stdout


def test_findings_go_to_a_file(lastcall: Run, write: Write, tmp_path: Path) -> None:
    """Which has no colours, whatever is said of those."""
    write("a.py", LEAK)
    done = lastcall("check", "--output-file", "out.txt", "--color", "always")
    assert done.stdout == ""
    assert (
        (tmp_path / "out.txt").read_text(encoding="utf-8").startswith("a.py:5:15: LC001 session-never-closed")
    )


def test_colors_are_for_terminals(lastcall: Run, write: Write) -> None:
    """Unless they are asked for."""
    write("a.py", LEAK)
    assert "\x1b[" not in lastcall("check").stdout
    assert "\x1b[" in lastcall("check", "--color", "always").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--select", "LC000"), "no rule 'LC000'"),
        (("--select", "session-never-close"), "Did you mean 'session-never-closed'?"),
        (("--output-format", "yaml"), "'yaml' is not one of"),
        (("--output-file", "no/such/out.txt"), "no/such/out.txt cannot be written"),
        (("--unsafe-fixes",), "--unsafe-fixes goes with --fix or --diff"),
        (("--watch", "--fix"), "--watch goes with neither"),
        (("--update-baseline",), "--update-baseline needs a file"),
        (("--baseline", "none.json"), "there is no baseline"),
    ],
)
def test_wrong_use_is_one_sentence_and_exits_2(
    lastcall: Run, write: Write, arguments: tuple[str, ...], words: str
) -> None:
    """Without a traceback."""
    write("a.py", LEAK)
    done = lastcall("check", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_setting_is_one_sentence_and_exits_2(lastcall: Run, write: Write) -> None:
    """With what was probably meant."""
    write("pyproject.toml", "[tool.lastcall.check]\nselects = []\n")
    done = lastcall("check")
    assert done.returncode == 2
    assert "Did you mean 'select'?" in done.stderr


def test_files_that_cannot_be_read_are_named_and_the_rest_is_checked(lastcall: Run, write: Write) -> None:
    """Exit code 2 only if nothing could be read."""
    write("broken.py", "aiohttp.ClientSession(:\n")
    done = lastcall("check", "broken.py", "missing.py")
    assert done.returncode == 2
    assert "lastcall: warning: broken.py: no valid Python: line 1" in done.stderr
    write("a.py", LEAK)
    done = lastcall("check", "missing.py", "a.py", "--quiet", "--output-format", "json")
    assert (done.returncode, rules(done)) == (1, ["LC001"])
    assert done.stderr == "lastcall: warning: missing.py: no such file or directory\n"


def test_an_empty_directory_is_no_error(lastcall: Run) -> None:
    """There is nothing wrong with it."""
    done = lastcall("check")
    assert (done.returncode, done.stderr) == (0, "lastcall: no Python files here\n")


def test_the_cache_is_kept_beside_the_settings_unless_it_is_unwanted(
    lastcall: Run, write: Write, tmp_path: Path
) -> None:
    """And does not change what is found."""
    write("a.py", LEAK)
    first = lastcall("check", "--no-cache")
    assert not (tmp_path / ".lastcall_cache").exists()
    outputs = {first.stdout, lastcall("check").stdout, lastcall("check").stdout}
    assert (tmp_path / ".lastcall_cache").is_dir()
    assert len(outputs) == 1


def test_known_findings_stay_and_new_ones_fail(lastcall: Run, write: Write) -> None:
    """The baseline shrinks by itself, and grows only when it is told to."""
    write("a.py", LEAK)
    assert lastcall("check", "--baseline", "b.json", "--update-baseline").returncode == 0
    known = lastcall("check", "--baseline", "b.json")
    assert (known.returncode, known.stdout) == (0, "")
    assert "1 known" in known.stderr
    write("b.py", OWNER)
    assert lastcall("check", "--baseline", "b.json", "--output-format", "json").returncode == 1
    write("a.py", "x = 1\n")
    assert "1 finding is gone" in lastcall("check", "--baseline", "b.json").stderr


def test_a_baseline_survives_runs_of_fewer_rules_paths_and_readable_files(
    lastcall: Run, write: Write, tmp_path: Path
) -> None:
    """What was not looked for is not gone."""
    write("a.py", LEAK)
    lastcall("check", "--baseline", "b.json", "--update-baseline")
    before = (tmp_path / "b.json").read_text(encoding="utf-8")
    write("other/c.py", "x = 1\n")
    lastcall("check", "--baseline", "b.json", "--select", "LC002")
    lastcall("check", "--baseline", "b.json", "other")
    write("a.py", LEAK + "def (:\n")
    lastcall("check", "--baseline", "b.json")
    assert (tmp_path / "b.json").read_text(encoding="utf-8") == before


def test_an_entry_past_its_date_fails(lastcall: Run, write: Write, tmp_path: Path) -> None:
    """And its finding is told again."""
    write("a.py", LEAK)
    lastcall("check", "--baseline", "b.json", "--update-baseline")
    document = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    document["entries"][0]["expires"] = "2020-01-31"
    (tmp_path / "b.json").write_text(json.dumps(document), encoding="utf-8")
    done = lastcall("check", "--baseline", "b.json")
    assert done.returncode == 1
    assert "LC001" in done.stdout
    assert "was to be mended by 2020-01-31" in done.stderr


def test_fix_writes_and_diff_does_not(lastcall: Run, write: Write) -> None:
    """Both exit 1 while there is something left to do."""
    path = write("a.py", LEAK)
    shown = lastcall("check", "--diff")
    assert shown.returncode == 1
    assert "+    async with aiohttp.ClientSession() as session:\n" in shown.stdout
    assert path.read_text(encoding="utf-8") == LEAK
    done = lastcall("check", "--fix")
    assert done.returncode == 0
    assert "fixed 1 finding in 1 file" in done.stderr
    assert "async with aiohttp.ClientSession() as session:" in path.read_text(encoding="utf-8")
    assert lastcall("check", "--diff").returncode == 0


def test_fix_leaves_what_is_ignored_or_known(lastcall: Run, write: Write) -> None:
    """Someone has decided."""
    ignored = LEAK.replace("Session()", "Session()  # lastcall: ignore[LC001] -- kept")
    path = write("a.py", ignored)
    other = write("b.py", LEAK)
    lastcall("check", "--baseline", "b.json", "--update-baseline")
    lastcall("check", "--baseline", "b.json", "--fix")
    assert path.read_text(encoding="utf-8") == ignored
    assert other.read_text(encoding="utf-8") == LEAK


def test_noqa_is_honoured_with_a_hint_where_ruff_would_delete_it(lastcall: Run, write: Write) -> None:
    """The hint goes when ruff knows our codes."""
    write("a.py", LEAK.replace("Session()", "Session()  # noqa: LC001"))
    assert lastcall("check").stderr == "lastcall: nothing found, 1 file checked\n"
    write("pyproject.toml", "[tool.ruff]\nline-length = 100\n")
    done = lastcall("check")
    assert done.returncode == 0
    assert 'add external = ["LC"] to [tool.ruff.lint] in pyproject.toml' in done.stderr
    write("ruff.toml", '[lint]\nexternal = ["LC"]\n')
    assert "hint" not in lastcall("check").stderr


def test_watch_checks_again_when_a_file_changes(write: Write, tmp_path: Path) -> None:
    """Until Ctrl-C; the exit code is that of the last check."""
    write("a.py", "x = 1\n")
    command = [sys.executable, "-u", "-m", "lastcall", "check", "--watch", "--output-format", "concise"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stdout is not None
            assert "nothing found" in process.stderr.readline()
            # Twice: Ctrl-C may come before the last check has quite ended, and then the one before counts.
            for text in (LEAK, LEAK + "\n"):
                write("a.py", text)
                assert "LC001" in process.stdout.readline()
                assert "1 finding" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 1
        finally:
            process.kill()


def test_a_reader_that_goes_away_is_no_error(write: Write, tmp_path: Path) -> None:
    """As in `lastcall check | head`."""
    write("a.py", LEAK)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lastcall", "check"],
            cwd=tmp_path,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert "Traceback" not in done.stderr


def test_a_rule_is_explained_by_code_and_by_name(lastcall: Run) -> None:
    """With why, a wrong and a right example, and how to configure it."""
    done = lastcall("explain", "lc002")
    assert done.returncode == 0
    assert done.stdout == lastcall("explain", "owner-has-no-close").stdout
    for word in (
        "LC002 owner-has-no-close",
        "Why it matters",
        "Wrong",
        "Right",
        "Exceptions",
        "Configure",
        "Fix",
    ):
        assert word in done.stdout


def test_explain_lists_all_rules_and_knows_no_others(lastcall: Run) -> None:
    """One a line; an unknown one is wrong use."""
    lines = lastcall("explain").stdout.splitlines()
    assert len(lines) == 23
    assert all(line.startswith("LC") for line in lines)
    done = lastcall("explain", "session-never-close")
    assert done.returncode == 2
    assert "Did you mean 'session-never-closed'?" in done.stderr


def test_a_check_imports_neither_aiohttp_nor_rich_nor_without_need_the_engine(
    write: Write, tmp_path: Path
) -> None:
    """It has to start quickly."""
    write("a.py", CLEAN)
    probe = (
        "import sys\nsys.argv = ['lastcall', 'check', '--quiet']\n"
        "from lastcall.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted(sys.modules))\n"
    )
    for engine in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", probe],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        loaded = set(done.stdout.split())
        assert not loaded & {"aiohttp", "rich", "asyncio", "pygls"}
        assert ("lastcall.check.project" in loaded) == engine
