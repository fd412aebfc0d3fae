"""The worker: handlers are isolated, retried on their own, bounded in time, and cannot end it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lastcall.github.event import JSON, Event, parse_event
from lastcall.github.handling import Limits
from lastcall.github.inbox import Added, Delivery, State
from lastcall.github.router import Failure, Router
from lastcall.github.store_sqlite import SQLiteInbox

from .conftest import FAST, received, until, until_state, working


class Strange(BaseException):
    """Raised by no well-behaved handler."""


async def test_a_handler_gets_the_event_the_service_and_the_context(
    inbox: SQLiteInbox, router: Router
) -> None:
    """What was stored comes as `handler(event, github, **context)`."""
    got: list[tuple[Event, str, dict[str, Any]]] = []

    @router.register("push", action="x")
    async def handler(event: Event, github: str, **context: Any) -> None:
        got.append((event, github, context))

    async with working(inbox, router, context={"color": "red"}):
        await inbox.add(received("1", data={"action": "x", "installation": {"id": 7}}))
        await until_state(inbox, "1", State.DONE)
    ((event, github, context),) = got
    assert (event.event, event.delivery_id, event.installation_id) == ("push", "1", 7)
    assert (github, context) == ("github", {"color": "red"})


async def test_only_the_handler_that_failed_runs_again(inbox: SQLiteInbox, router: Router) -> None:
    """One handler's failure neither stops another nor repeats it."""
    runs: list[str] = []

    @router.register("push")
    async def good(event: Event, github: str) -> None:
        runs.append("good")

    @router.register("*")
    async def bad(event: Event, github: str) -> None:
        runs.append(f"bad {event.attempt}")
        if event.attempt < 3:
            raise RuntimeError("not yet")

    async with working(inbox, router):
        await inbox.add(received("1"))
        await until_state(inbox, "1", State.DONE)
    assert sorted(runs) == ["bad 1", "bad 2", "bad 3", "good"]


async def test_what_fails_too_often_is_dead_and_says_why(inbox: SQLiteInbox, router: Router) -> None:
    """The last error stays in the inbox, without the query of a URL in it."""
    failures: list[Failure] = []

    @router.register("push")
    async def bad(event: Event, github: str) -> None:
        raise RuntimeError("https://user:pass@example.com/path?token=secret is gone")

    @router.on_error
    async def tell(failure: Failure, github: str) -> None:
        failures.append(failure)
        raise RuntimeError("an error handler's own error harms nobody")

    async with working(inbox, router):
        await inbox.add(received("1"))
        await until_state(inbox, "1", State.DEAD)
    (summary,) = await inbox.list()
    assert summary.last_error == "RuntimeError: https://example.com/path is gone"
    assert summary.attempts == 3
    assert [failure.final for failure in failures] == [False, False, True]


@pytest.mark.parametrize("error", [Strange(), SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
async def test_no_base_exception_ends_the_worker(
    inbox: SQLiteInbox, router: Router, error: BaseException
) -> None:
    """It is that handler's failure; the next delivery is handled."""

    @router.register("push")
    async def bad(event: Event, github: str) -> None:
        raise error

    async with working(inbox, router) as worker:
        await inbox.add(received("1"))
        await until_state(inbox, "1", State.DEAD)
        await inbox.add(received("2", event="other"))
        await until_state(inbox, "2", State.DONE)
        assert worker.alive


async def test_a_handler_that_hangs_is_cancelled_at_its_deadline(inbox: SQLiteInbox, router: Router) -> None:
    """It counts as a failure, and others go on meanwhile."""
    limits = Limits(deadline_s=0.05, cancel_s=0.05, attempts_max=1)
    ended = asyncio.Event()

    @router.register("hang")
    async def hangs(event: Event, github: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with working(inbox, router, limits):
        await inbox.add(received("1", event="hang"))
        await inbox.add(received("2"))
        await until_state(inbox, "2", State.DONE)
        await until_state(inbox, "1", State.DEAD)
    assert ended.is_set()
    (_, summary) = await inbox.list()
    assert summary.last_error == "TimeoutError: not finished after 0.05 s"


async def test_a_handler_that_ignores_its_cancellation_is_left_to_itself(
    inbox: SQLiteInbox, router: Router
) -> None:
    """Its place is given to the next delivery all the same."""
    limits = Limits(deadline_s=0.05, cancel_s=0.05, attempts_max=1)
    end = asyncio.Event()

    @router.register("stubborn")
    async def stubborn(event: Event, github: str) -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    async with working(inbox, router, limits, concurrency=1):
        await inbox.add(received("1", event="stubborn"))
        await inbox.add(received("2"))
        await until_state(inbox, "2", State.DONE)
    end.set()
    (_, summary) = await inbox.list()
    assert summary.last_error is not None
    assert "went on when it was cancelled" in summary.last_error


async def test_a_stop_gives_back_what_is_not_finished(inbox: SQLiteInbox, router: Router) -> None:
    """After the grace a running handler is cancelled, and its delivery is as if it had not been taken."""
    started = asyncio.Event()

    @router.register("push")
    async def slow(event: Event, github: str) -> None:
        started.set()
        await asyncio.Event().wait()

    async with working(inbox, router) as worker:
        await inbox.add(received("1"))
        worker.wake()
        await started.wait()
    (summary,) = await inbox.list()
    assert (summary.state, summary.attempts, summary.crashes) == (State.QUEUED, 0, 0)
    assert not summary.handlers


async def test_a_stop_waits_for_what_ends_in_time(inbox: SQLiteInbox, router: Router) -> None:
    """A handler that needs a moment more has it."""
    started, go_on = asyncio.Event(), asyncio.Event()

    @router.register("push")
    async def slow(event: Event, github: str) -> None:
        started.set()
        await go_on.wait()

    async with working(inbox, router) as worker:
        await inbox.add(received("1"))
        worker.wake()
        await started.wait()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert await inbox.known(["1"]) == {"1": State.DONE}


async def test_no_more_are_handled_at_once_than_allowed(inbox: SQLiteInbox, router: Router) -> None:
    """The limit is reached and not passed."""
    running, peak = 0, 0

    @router.register("push")
    async def count(event: Event, github: str) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.005)
        running -= 1

    for number in range(30):
        await inbox.add(received(str(number)))
    async with working(inbox, router, concurrency=4):
        await until_state(inbox, "29", State.DONE)
    assert peak == 4


@pytest.mark.parametrize(
    "body", [b"nonsense", b"[1]", b"null", b"[" * 100_000, b"9" * 5000, b'{"a": ' * 50_000],
    ids=["no JSON", "a list", "null", "nested lists", "a huge number", "nested objects"],
)  # fmt: skip
async def test_a_body_that_holds_no_event_is_dead_at_once(
    inbox: SQLiteInbox, router: Router, body: bytes
) -> None:
    """Parsed late, it costs one row and no retry."""
    delivery = received("1")
    async with working(inbox, router):
        await inbox.add(type(delivery)("1", "push", delivery.content_type, body))
        await until_state(inbox, "1", State.DEAD)
    (summary,) = await inbox.list()
    assert summary.attempts == 1
    assert str(summary.last_error).startswith("the body is")


async def test_a_full_inbox_does_not_lose_a_verdict(
    inbox: SQLiteInbox, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that cannot be written is written once it can be; the work is not done twice."""
    runs = 0

    @router.register("push")
    async def count(event: Event, github: str) -> None:
        nonlocal runs
        runs += 1
        inbox._writer.run, real = refuse, inbox._writer.run  # type: ignore[method-assign, assignment]
        asyncio.get_running_loop().call_later(0.05, setattr, inbox._writer, "run", real)

    async def refuse(_write: object, _item: object) -> Any:
        import sqlite3

        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("lastcall.github.worker._WRITE_AGAIN_S", 0.01)
    async with working(inbox, router):
        await inbox.add(received("1"))
        await until_state(inbox, "1", State.DONE)
    assert runs == 1


INTERRUPTED = """
import asyncio, sys
from lastcall.github.inbox import Received
from lastcall.github.router import Router
from lastcall.github.store_sqlite import SQLiteInbox
from lastcall.github.tally import Tally
from lastcall.github.worker import Worker

router = Router()

@router.register("push")
async def interrupted(event, github):
    raise KeyboardInterrupt

async def github_for(event):
    return None

async def main():
    inbox = SQLiteInbox(sys.argv[1])
    await inbox.open()
    worker = Worker(inbox, router, github_for, Tally())
    worker.start()
    await inbox.add(Received("1", "push", "application/json", b"{}"))
    await asyncio.sleep(30)

asyncio.run(main())
"""


async def test_ctrl_c_ends_the_process_and_the_next_start_takes_the_work_up(path: Path) -> None:
    """A KeyboardInterrupt is a person's, not a handler's failure: it passes, and nothing is lost."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", INTERRUPTED, str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "KeyboardInterrupt" in done.stderr
    inbox = SQLiteInbox(path)
    await inbox.open()
    (taken,) = await inbox.claim(1)
    assert taken.summary.crashes <= 1
    await inbox.close()


async def test_fast_limits_are_what_these_tests_mean() -> None:
    """Delays stay below their maximum and grow from their beginning."""
    limits = Limits(wait_initial_s=1, wait_max_s=10)
    assert 0.5 <= limits.delay(1) <= 1
    assert 2 <= limits.delay(2) <= 4
    assert 5 <= limits.delay(1000) <= 10
    assert FAST.attempts_max == 3


class Counting(SQLiteInbox):
    """An inbox that counts claims."""

    claims = 0

    async def claim(self, limit: int) -> Sequence[Delivery]:
        """Count."""
        self.claims += 1
        return await super().claim(limit)


async def test_what_comes_in_is_handled_without_a_claim(path: Path, router: Router) -> None:
    """A worker with room leases a delivery as it stores it, and begins at once."""
    got: list[bytes | str] = []

    @router.register("push")
    async def handler(event: Event, github: str) -> None:
        got.append(event.data["name"])

    inbox = Counting(path)
    await inbox.open()
    async with working(inbox, router) as worker:
        await until(lambda: inbox.claims == 1)  # the one at the start, which finds nothing
        await asyncio.sleep(0)
        assert await worker.add(received("1", data={"name": "one"})) is Added.TAKEN
        await until_state(inbox, "1", State.DONE)
    assert got == ["one"]
    assert inbox.claims <= 2  # a slow machine may have looked again meanwhile
    await inbox.close()


async def test_what_was_taken_and_finds_no_place_is_given_back(
    inbox: SQLiteInbox, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have it then; it has cost no attempt."""
    monkeypatch.setattr("lastcall.github.worker._POLL_S", 0.01)
    monkeypatch.setattr("lastcall.github.worker._AHEAD_S", 0.0)
    end = asyncio.Event()

    @router.register("push")
    async def slow(event: Event, github: str) -> None:
        await end.wait()

    async with working(inbox, router, concurrency=1) as worker:
        await until(lambda: not worker._more)
        assert [await worker.add(received(name)) for name in "12"] == [Added.TAKEN, Added.TAKEN]
        await until_state(inbox, "2", State.QUEUED)
        (summary, _) = await inbox.list()
        assert summary.attempts == 0
        assert await worker.add(received("3")) is Added.STORED  # which does not overtake it
        end.set()
        await until_state(inbox, "2", State.DONE)


async def test_a_sender_who_goes_away_leaves_no_delivery_behind(inbox: SQLiteInbox, router: Router) -> None:
    """Cancelled while it is stored, it is stored, and handled by whoever claims it."""
    async with working(inbox, router) as worker:
        await until(lambda: not worker._more)
        adding = asyncio.create_task(worker.add(received("1")))
        await asyncio.sleep(0)
        adding.cancel()
        await until_state(inbox, "1", State.DONE)
    assert adding.cancelled()


async def test_a_stop_gives_back_what_waits_for_a_place(inbox: SQLiteInbox, router: Router) -> None:
    """Taken and never begun, it is queued as if it had not been taken."""

    @router.register("push")
    async def slow(event: Event, github: str) -> None:
        await asyncio.Event().wait()

    async with working(inbox, router, concurrency=1) as worker:
        await until(lambda: not worker._more)
        for name in "12":
            await worker.add(received(name))
    assert [(one.state, one.attempts, one.crashes) for one in await inbox.list()] == [
        (State.QUEUED, 0, 0)
    ] * 2


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": "\\ud800"}', '\ufeff{"a": 1}', '{"a": 123456789012345678901}']
)
async def test_odd_json_is_read_all_the_same(text: str) -> None:
    """What the strict reader refuses the lenient one reads; no number loses a digit."""
    data = parse_event("push", "1", JSON, text.encode()).data
    assert repr(data) == repr(json.loads(text.removeprefix("\ufeff")))


async def test_a_cancelled_redelivery_does_not_release_what_runs(inbox: SQLiteInbox, router: Router) -> None:
    """The same delivery sent again by somebody who goes away leaves the running one alone."""
    started, end = asyncio.Event(), asyncio.Event()
    runs = 0

    @router.register("push")
    async def slow(event: Event, github: str) -> None:
        nonlocal runs
        runs += 1
        started.set()
        await end.wait()

    async with working(inbox, router) as worker:
        await worker.add(received("1"))
        await started.wait()
        again = asyncio.create_task(worker.add(received("1")))
        await asyncio.sleep(0)
        again.cancel()
        await worker.add(received("2", event="other"))
        await until_state(inbox, "2", State.DONE)
        end.set()
        await until_state(inbox, "1", State.DONE)
    assert runs == 1
