"""The two example programs, run for real: what they print, what they leak, and how they refuse bad input."""

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lastcall.testing import Answer, OpenAIServer, Script

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
LIMIT = 30


def watched(program: str, chats: Path) -> list[str]:
    """Return the command that runs an example under lastcall, five chats at once."""
    script = f"examples/{program}"
    return ["-m", "lastcall", "run", script, "--jsonl", str(chats), "--concurrent", "5"]


def run(*command: str, base_url: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python with *command* from the project's directory, asking the server at *base_url*."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    if base_url:
        environment["OPENAI_BASE_URL"] = base_url
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Write the first twenty chats of the example file to a file of their own."""
    lines = (EXAMPLES / "small.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(lines[:20]), encoding="utf-8")
    return path


def test_the_leaking_program_is_named_by_its_line(chats: Path) -> None:
    """A person reads how many sessions leaked, where, and the source of that line."""
    with OpenAIServer() as server:
        done = run(*watched("leaky_llm.py", chats), base_url=server.base_url)
        assert server.connections_opened == 20
    assert done.returncode == 0
    assert done.stdout.startswith("20 answers in ")
    assert "20 sessions opened, 0 closed, 20 leaked" in done.stderr
    assert "examples/leaky_llm.py:19" in done.stderr
    assert "session = aiohttp.ClientSession()" in done.stderr


def test_the_sharing_program_opens_one_session_and_closes_it(chats: Path) -> None:
    """A person reads that nothing leaked, and the server saw no more connections than were in use at once."""
    with OpenAIServer() as server:
        done = run(*watched("shared_llm.py", chats), base_url=server.base_url)
        assert server.connections_opened <= 5
    assert done.returncode == 0
    assert done.stdout.startswith("20 answers in ")
    assert "1 session opened" in done.stderr
    assert "none leaked" in done.stderr


def test_the_server_sees_the_shared_connections_closed_while_the_program_lives(chats: Path) -> None:
    """With --hold the program still runs when its connections have ended."""
    with OpenAIServer() as server:
        process = subprocess.Popen(
            [sys.executable, "examples/shared_llm.py", "--jsonl", str(chats), "--hold"],
            cwd=ROOT,
            env={**os.environ, "OPENAI_BASE_URL": server.base_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert "20 answers" in process.stdout.readline()
            assert server.wait_until_no_connections()
            assert process.poll() is None
            process.communicate("\n", timeout=LIMIT)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 0


def test_without_a_base_url_the_embedded_server_answers(chats: Path) -> None:
    """The program says so, and asks the file as many rounds as told."""
    done = run("examples/shared_llm.py", "--jsonl", str(chats), "--rounds", "2", base_url=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("40 answers in ")
    assert "embedded server at http://127.0.0.1:" in done.stderr


@pytest.mark.parametrize("program", ["leaky_llm.py", "shared_llm.py"])
def test_failed_chats_are_counted_and_the_first_error_is_told(chats: Path, program: str) -> None:
    """The others are answered, and the exit code is 1."""
    with OpenAIServer(Script(Answer(status=400), Answer(status=400))) as server:
        done = run(f"examples/{program}", "--jsonl", str(chats), base_url=server.base_url)
    assert done.returncode == 1
    assert "18 answers in " in done.stdout
    assert "2 failed" in done.stdout
    assert "the first error: " in done.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "chats.jsonl: No such file or directory"),
        ("", "chats.jsonl: the file holds no chat"),
        ('{"messages": []}\n{"messages": [}\n', "chats.jsonl: line 2 is not JSON"),
        ('{"prompt": "hello"}\n', 'chats.jsonl: line 1 is no object with "messages"'),
        ("[]\n", 'chats.jsonl: line 1 is no object with "messages"'),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_sentence(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    """It names the file and the line, and the exit code is 2."""
    path = tmp_path / "chats.jsonl"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    done = run("examples/leaky_llm.py", "--jsonl", str(path), base_url=None)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_at_work_is_refused() -> None:
    """`--concurrent 0` is a wrong use, said in a sentence."""
    done = run("examples/leaky_llm.py", "--jsonl", "examples/small.jsonl", "--concurrent", "0", base_url=None)
    assert done.returncode == 2
    assert "at least 1" in done.stderr


def test_the_sharing_program_survives_what_passes(chats: Path) -> None:
    """A failure of the server and a lost connection are tried again, and nobody is told of them."""
    with OpenAIServer(Script(Answer(status=500), Answer(cut="before"))) as server:
        done = run("examples/shared_llm.py", "--jsonl", str(chats), base_url=server.base_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 answers in ")


def test_the_sharing_program_is_the_leaking_one_less_its_handle() -> None:
    """Whoever compares them sees the change at a glance: a function goes, and an import takes its place."""
    leaky, shared = ((EXAMPLES / name).read_text().splitlines() for name in ("leaky_llm.py", "shared_llm.py"))
    changed = [line for line in difflib.ndiff(leaky, shared) if line[2:].strip() and '"""' not in line]
    added = [line for line in changed if line.startswith("+ ")]
    assert len(added) <= 3
    assert "+ from lastcall.llm import LLMError, create_openai_api_handle_async" in added
    assert len([line for line in changed if line.startswith("- ")]) > 10


def test_the_chats_of_the_example_are_many_and_different() -> None:
    """Five hundred chats, no two alike, each of which ends with a question, in less than 200 kB."""
    raw = (EXAMPLES / "small.jsonl").read_bytes()
    chats = [json.loads(line)["messages"] for line in raw.decode().splitlines()]
    assert len(raw) < 200_000
    assert len({json.dumps(messages) for messages in chats}) == len(chats) == 500
    assert {messages[-1]["role"] for messages in chats} == {"user"}
