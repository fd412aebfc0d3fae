"""`lastcall github deliveries`, `send` and `new`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lastcall.github.inbox import HandlerRecord, State, Verdict
from lastcall.github.store_sqlite import SQLiteInbox

from .conftest import SECRET, received
from .serving import prepare, serve


def lastcall(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `lastcall github`."""
    return subprocess.run(
        [sys.executable, "-m", "lastcall", "github", *arguments],
        cwd=folder, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Make a folder with an inbox that has a dead delivery and a queued one."""
    inbox = SQLiteInbox(tmp_path / "deliveries.sqlite3")
    await inbox.open()
    await inbox.add(received("dead-one", data={"title": "Grüße"}))
    await inbox.claim(1)
    await inbox.settle("dead-one", Verdict(State.DEAD, {"handler": HandlerRecord(failures=5)}, "Error: no"))
    await inbox.add(received("queued-one"))
    await inbox.close()
    return tmp_path


def test_deliveries_are_listed_by_state(folder: Path) -> None:
    """A line each, or a JSON object each."""
    assert "Error: no" in lastcall(folder, "deliveries", "list").stdout
    (line,) = lastcall(folder, "deliveries", "list", "--state", "queued", "--json").stdout.splitlines()
    assert json.loads(line)["delivery_id"] == "queued-one"


def test_a_delivery_is_shown_with_its_payload(folder: Path) -> None:
    """Data goes to stdout as JSON; one that is not there is an error."""
    shown = json.loads(lastcall(folder, "deliveries", "show", "dead-one").stdout)
    assert (shown["state"], shown["payload"]) == ("dead", {"title": "Grüße"})
    missing = lastcall(folder, "deliveries", "show", "other")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "no delivery other" in missing.stderr


def test_dead_deliveries_are_replayed(folder: Path) -> None:
    """By name or all of them; what is not there is told of, and the rest is done."""
    done = lastcall(folder, "deliveries", "replay", "--dead", "other")
    assert (done.returncode, done.stdout.split()) == (1, ["dead-one", "queued,", "was", "dead"])
    assert "dead" not in lastcall(folder, "deliveries", "list").stdout.replace("dead-one", "")


def test_an_inbox_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped path is an error, and leaves no file."""
    done = lastcall(tmp_path, "deliveries", "list", "--db", "nowhere.sqlite3")
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


async def test_a_payload_is_signed_and_sent(tmp_path: Path) -> None:
    """The secret comes from `.env`; the answer is printed, and a refusal is exit code 1."""
    prepare(tmp_path)
    (tmp_path / ".env").write_text(f'GITHUB_WEBHOOK_SECRET="{SECRET}"\n')
    (tmp_path / "payload.json").write_text("{}")
    async with serve(tmp_path) as served:
        url = f"--url={served.url}/webhook"
        done = lastcall(tmp_path, "send", "payload.json", "--event=push", "--delivery=1", url)
        assert done.stdout == "1 202 Accepted\n"
        wrong = lastcall(tmp_path, "send", "payload.json", "--event=push", url, GITHUB_WEBHOOK_SECRET="other")
        assert wrong.returncode == 1


def test_a_new_application_passes_its_own_test(tmp_path: Path) -> None:
    """What is written runs as it stands, and nothing is written over."""
    assert lastcall(tmp_path, "new", "welcome").returncode == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=tmp_path / "welcome", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    again = lastcall(tmp_path, "new", "welcome")
    assert (again.returncode, again.stderr) == (2, "lastcall: error: welcome: handlers.py is there already\n")
