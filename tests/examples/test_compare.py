"""The comparison of the two programs, which is what `make run` does."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 40


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Write ten chats to a file."""
    path = tmp_path / "chats.jsonl"
    lines = [f'{{"messages": [{{"role": "user", "content": "question {n}"}}]}}\n' for n in range(10)]
    path.write_text("".join(lines))
    return path


def compare(*arguments: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run compare.py from the project's directory."""
    return subprocess.run(
        [sys.executable, "examples/compare.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        preexec_fn=before,
    )


def test_it_shows_the_difference_the_line_and_the_change(chats: Path) -> None:
    """A person reads the counts side by side, the leaking line and what mends it; the exit code is 0."""
    done = compare("--jsonl", str(chats), "--rounds", "2", "--concurrent", "5")
    assert done.returncode == 0, done.stderr
    rows = {line[:40].strip(): line[40:].split() for line in done.stdout.splitlines()}
    assert rows["sessions opened"] == ["20", "1"]
    assert rows["sessions leaked"] == ["20", "0"]
    assert rows["connections opened, says the server"] == ["20", "5"]
    assert rows["connections left open, says the server"] == ["20", "0"]
    assert "examples/leaky_llm.py:19  x 20" in done.stdout
    assert "+from lastcall.llm import LLMError, create_openai_api_handle_async" in done.stdout


def test_a_missing_file_is_one_sentence() -> None:
    """Nothing is run, and the exit code is 1."""
    done = compare("--jsonl", "nowhere.jsonl")
    assert (done.returncode, done.stderr) == (1, "compare.py: nowhere.jsonl: No such file or directory\n")


def test_a_program_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    """The comparison ends with 1 and passes the reason on."""
    path = tmp_path / "bad.jsonl"
    path.write_text("no JSON\n")
    done = compare("--jsonl", str(path))
    assert done.returncode == 1
    assert "line 1 is not JSON" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_too_few_open_files_are_told_with_what_to_do() -> None:
    """When the hard limit is too low it says which command raises it, before anything runs."""
    import resource

    def lower_the_limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    done = compare(before=lower_the_limit)
    assert done.returncode == 1
    assert "ulimit -n 2256" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups to interrupt")
def test_ctrl_c_ends_both_and_leaves_nobody_behind(chats: Path) -> None:
    """Interrupted with its children it ends with 130, and the whole group is gone."""
    process = subprocess.Popen(
        [sys.executable, "examples/compare.py", "--jsonl", str(chats), "--rounds", "50", "--concurrent", "1"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "compare.py: leaky_llm.py ...\n"
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "interrupted" in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
