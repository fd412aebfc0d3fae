"""The service as a process: killed in the middle, out of disk, ended in order."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import uuid
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from .conftest import until
from .serving import LIMIT, Served, post, prepare, serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits as POSIX has them")

KILLS = 4
SENDERS = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with handlers in it."""
    prepare(tmp_path)
    return tmp_path


async def send_until_it_dies(served: Served, accepted: set[str], enough: asyncio.Event, goal: int) -> None:
    """Send from many tasks at once; note what was answered with 202."""
    goal += len(accepted)

    async def sender(session: aiohttp.ClientSession) -> None:
        while True:
            delivery_id = str(uuid.uuid4())
            try:
                if await post(session, served.url, delivery_id) == 202:
                    accepted.add(delivery_id)
            except aiohttp.ClientError:
                return
            if len(accepted) >= goal:
                enough.set()

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(sender(session))


@pytest.mark.slow
async def test_what_was_answered_202_is_handled_though_the_process_is_killed(folder: Path) -> None:
    """`kill -9` under load, several times: accepted and not handled are none; twice only what was running."""
    accepted: set[str] = set()
    for _ in range(KILLS):
        async with serve(folder) as served:
            enough = asyncio.Event()
            sending = asyncio.create_task(send_until_it_dies(served, accepted, enough, goal=100))
            await enough.wait()
            served.process.kill()
            await sending
    async with serve(folder) as served:
        await until(lambda: accepted <= set(served.handled()))
        counts = Counter(served.handled())
    with sqlite3.connect(folder / "deliveries.sqlite3") as db:
        crashed = {row[0] for row in db.execute("SELECT delivery_id FROM deliveries WHERE crashes > 0")}
    db.close()
    assert len(accepted) >= 100 * KILLS
    assert {delivery_id for delivery_id, count in counts.items() if count > 1} <= crashed


async def test_sigterm_ends_the_service_in_order(folder: Path) -> None:
    """A running handler is waited for, and the process dies of the signal as its parent expects."""
    async with serve(folder, HANDLER_SECONDS="0.3") as served, aiohttp.ClientSession() as session:
        assert await post(session, served.url, "1") == 202
        assert await served.end(signal.SIGTERM) == -signal.SIGTERM
        assert served.handled() == ["1"]
        assert not [line for line in served.said if "Traceback" in line or "Unclosed" in line]


async def test_what_a_shutdown_cannot_wait_for_is_taken_up_at_the_next_start(folder: Path) -> None:
    """The grace ends, the delivery is given back, and handled once by the next process."""
    async with serve(folder, "--grace=0", HANDLER_SECONDS="20") as served, aiohttp.ClientSession() as session:
        assert await post(session, served.url, "1") == 202
        await until(lambda: _states(folder) == [("running", 0)])
        await served.end(signal.SIGTERM)
    assert _states(folder) == [("queued", 0)]
    async with serve(folder) as served:
        await until(lambda: served.handled() == ["1"])


async def test_ctrl_c_ends_the_service_without_a_trace(folder: Path) -> None:
    """As other commands end on Ctrl-C: code 130, no traceback."""
    async with serve(folder) as served:
        assert await served.end(signal.SIGINT) == 130
        assert not [line for line in served.said if "Traceback" in line]


async def test_a_full_disk_is_503_and_what_was_accepted_is_handled(folder: Path) -> None:
    """The service stays up, accepts nothing that it cannot keep, and loses nothing that it accepted."""
    resource = pytest.importorskip("resource")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    accepted: list[str] = []
    body = b'{"filler": "%s"}' % (b"x" * 200_000)
    async with serve(folder, before=limit) as served, aiohttp.ClientSession() as session:
        statuses: list[int] = []
        while 503 not in statuses and len(statuses) < 100:
            delivery_id = str(len(statuses))
            statuses.append(await post(session, served.url, delivery_id, body))
            accepted += [delivery_id] * (statuses[-1] == 202)
        assert set(statuses) == {202, 503}
        async with session.get(f"{served.url}/healthz") as answer:
            assert answer.status == 200
        served.process.kill()
    async with serve(folder) as served:
        await until(lambda: set(accepted) <= set(served.handled()))


@pytest.mark.parametrize(
    ("environment", "options", "sentence"),
    [
        ({"GITHUB_WEBHOOK_SECRET": "a,"}, (), "GITHUB_WEBHOOK_SECRET"),
        ({"GITHUB_TOKEN": ""}, (), "GITHUB_APP_ID"),
        ({}, ("--handlers=nowhere:router",), "no module 'nowhere'"),
        ({}, ("--handlers=handlers:asyncio",), "no lastcall.github.Router"),
        ({}, ("--db=nowhere/x.sqlite3",), "unable to open"),
        ({}, ("--host=192.0.2.1",), "cannot listen"),
    ],
)
async def test_what_is_wrong_is_said_in_one_sentence(
    folder: Path, environment: dict[str, str], options: tuple[str, ...], sentence: str
) -> None:
    """Settings, handlers, file and address are checked before anything is served."""
    async with serve(folder, *options, before=None, **environment) as served:
        assert not served.url
        assert await served.process.wait() in {1, 2}
    assert len(served.said) == 1
    assert sentence in served.said[0]


def _states(folder: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(folder / "deliveries.sqlite3", timeout=LIMIT) as db:
        rows = db.execute("SELECT state, crashes FROM deliveries").fetchall()
    db.close()
    return rows
