"""The inbox: nothing lost, nothing suppressed, whatever the disk, the clock and other processes do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from lastcall.github.inbox import Added, HandlerRecord, InboxError, State, Verdict
from lastcall.github.store_sqlite import SQLiteInbox

from .conftest import received

DONE = Verdict(State.DONE, {})
DEAD = Verdict(State.DEAD, {"one": HandlerRecord(done=True), "two": HandlerRecord(failures=5)}, "no")


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_new_delivery_is_stored_raw(inbox: SQLiteInbox) -> None:
    """The bytes that come out are those that went in."""
    assert await inbox.add(received("1", data={"a": 1})) is Added.STORED
    (claimed,) = await inbox.claim(10)
    assert claimed.body == b'{"a": 1}'


async def test_a_delivery_that_waits_is_not_stored_twice(inbox: SQLiteInbox) -> None:
    """Queued or running, it is pending and there once."""
    await inbox.add(received("1"))
    assert await inbox.add(received("1")) is Added.PENDING
    assert len(await inbox.claim(10)) == 1
    assert await inbox.add(received("1")) is Added.PENDING
    assert not await inbox.claim(10)


async def test_a_delivery_that_is_done_is_dropped(inbox: SQLiteInbox) -> None:
    """A redelivery of handled work does nothing."""
    await inbox.add(received("1"))
    await inbox.claim(1)
    assert await inbox.settle("1", DONE)
    assert await inbox.add(received("1")) is Added.DONE
    assert not await inbox.claim(1)


async def test_a_redelivery_of_failed_work_is_queued_again(inbox: SQLiteInbox) -> None:
    """A unique GUID never suppresses work that is not done; handlers that succeeded stay so."""
    await inbox.add(received("1"))
    await inbox.claim(1)
    await inbox.settle("1", DEAD)
    assert await inbox.add(received("1")) is Added.REQUEUED
    (again,) = await inbox.claim(1)
    assert again.summary.handlers == {"one": HandlerRecord(done=True)}


async def test_many_at_once_are_all_stored(inbox: SQLiteInbox) -> None:
    """Concurrent additions share transactions, and each gets its own answer."""
    added = await asyncio.gather(*(inbox.add(received(str(number % 300))) for number in range(600)))
    assert sorted(added) == sorted([Added.STORED] * 300 + [Added.PENDING] * 300)
    assert (await inbox.counts())[State.QUEUED] == 300


async def test_the_oldest_come_first(inbox: SQLiteInbox) -> None:
    """Deliveries are taken in the order in which they came."""
    for name in "cab":
        await inbox.add(received(name))
    assert [one.delivery_id for one in await inbox.claim(2)] == ["c", "a"]


async def test_deliveries_with_one_key_are_taken_one_after_the_other(inbox: SQLiteInbox) -> None:
    """The next one of a repository waits until the one before it is done, retries included."""
    for name, key in [("1", "r"), ("2", "r"), ("3", "s")]:
        await inbox.add(received(name, key=key))
    assert [one.delivery_id for one in await inbox.claim(9)] == ["1", "3"]
    await inbox.settle("1", Verdict(State.QUEUED, {}, "no", delay=60))
    assert not await inbox.claim(9)
    await inbox.replay("1")
    assert [one.delivery_id for one in await inbox.claim(9)] == ["1"]
    await inbox.settle("1", DEAD)
    assert [one.delivery_id for one in await inbox.claim(9)] == ["2"]


async def test_released_work_is_as_if_not_taken(inbox: SQLiteInbox) -> None:
    """A shutdown costs no attempt."""
    await inbox.add(received("1"))
    await inbox.claim(1)
    await inbox.release(["1"])
    (again,) = await inbox.claim(1)
    assert again.summary.attempts == 1


async def test_a_lease_that_is_not_renewed_runs_out(path: Path) -> None:
    """Another process takes up what was not heard of for a lease's time; the first can settle it no more."""
    clock = Clock()
    first, second = SQLiteInbox(path, clock=clock), SQLiteInbox(path, clock=clock)
    await first.open()
    await second.open()
    await first.add(received("1"))
    await first.claim(1)
    clock.now += 20
    await first.renew()
    clock.now += 20
    assert not await second.claim(1)
    clock.now += 20
    (taken,) = await second.claim(1)
    assert taken.summary.crashes == 1
    assert not await first.settle("1", DONE)
    assert await second.settle("1", DONE)
    await first.close()
    await second.close()


async def test_what_kills_its_worker_again_and_again_is_dead(path: Path) -> None:
    """A delivery that crashes the process does not crash it for ever."""
    clock = Clock()
    inboxes = [SQLiteInbox(path, clock=clock, crashes_max=2) for _ in range(3)]
    for inbox in inboxes:
        await inbox.open()
    await inboxes[0].add(received("1"))
    for inbox in inboxes:
        await inbox.claim(1)
        clock.now += 60
    assert await inboxes[0].known(["1"]) == {"1": State.DEAD}
    for inbox in inboxes:
        await inbox.close()


async def test_those_beside_a_delivery_that_kills_are_not_blamed(path: Path) -> None:
    """What was leased when a worker died twice is handled alone from then on: the guilty one dies."""
    clock = Clock()
    names = [str(number) for number in range(20)]
    handled: list[str] = []
    for start in range(40):
        inbox = SQLiteInbox(path, clock=clock, crashes_max=5)
        await inbox.open()
        if not start:
            for name in names:
                await inbox.add(received(name))
        while claimed := [one.delivery_id for one in await inbox.claim(50)]:
            if "7" in claimed:  # it kills the process, and nothing of this is written
                break
            for name in claimed:
                await inbox.settle(name, DONE)
            handled += claimed
        clock.now += 100
        await inbox.close()
    assert sorted(handled) == sorted(set(names) - {"7"})
    inbox = SQLiteInbox(path, clock=clock)
    await inbox.open()
    assert await inbox.known(["7"]) == {"7": State.DEAD}
    await inbox.close()


@pytest.mark.parametrize("jump", [-1e6, 1e6])
async def test_a_clock_that_jumps_delays_nothing_for_long(path: Path, jump: float) -> None:
    """Neither due times nor leases that lie in another age hold work back, nor is it taken twice."""
    clock = Clock()
    inbox, other = SQLiteInbox(path, clock=clock), SQLiteInbox(path, clock=clock)
    await inbox.open()
    await other.open()
    await inbox.add(received("waits"))
    await inbox.claim(1)
    await inbox.settle("waits", Verdict(State.QUEUED, {}, "no", delay=60))
    await inbox.add(received("runs"))
    await inbox.claim(1)
    clock.now += jump
    assert [one.delivery_id for one in await inbox.claim(9)] == ["waits"]
    assert [one.delivery_id for one in await other.claim(9)] == ["runs"]
    await inbox.close()
    await other.close()


async def test_a_replay_of_done_work_runs_every_handler(inbox: SQLiteInbox) -> None:
    """Who replays what is done wants all of it done again."""
    await inbox.add(received("1"))
    await inbox.claim(1)
    await inbox.settle("1", Verdict(State.DONE, {"one": HandlerRecord(done=True)}))
    assert await inbox.replay("1") is State.DONE
    (again,) = await inbox.claim(1)
    assert not again.summary.handlers


async def test_a_replay_of_nothing_or_of_running_work_changes_nothing(inbox: SQLiteInbox) -> None:
    """An unknown GUID is None, a running one stays leased."""
    assert await inbox.replay("1") is None
    await inbox.add(received("1"))
    await inbox.claim(1)
    assert await inbox.replay("1") is State.RUNNING
    assert not await inbox.claim(1)


async def test_old_deliveries_are_deleted_and_open_ones_never(path: Path) -> None:
    """Retention takes what is done or dead for long enough."""
    clock = Clock()
    inbox = SQLiteInbox(path, clock=clock)
    await inbox.open()
    for name, verdict in [("done", DONE), ("dead", DEAD)]:
        await inbox.add(received(name))
        await inbox.claim(1)
        await inbox.settle(name, verdict)
    await inbox.add(received("open"))
    clock.now += 100
    assert await inbox.purge(done_s=50, dead_s=200) == 1
    assert set(await inbox.known(["done", "dead", "open"])) == {"dead", "open"}
    await inbox.close()


async def test_lists_are_bounded_and_go_on_where_one_ended(inbox: SQLiteInbox) -> None:
    """The newest first; the next page begins before the last of this one."""
    for number in range(5):
        await inbox.add(received(str(number)))
    page = await inbox.list(limit=2)
    assert [one.delivery_id for one in page] == ["4", "3"]
    assert [one.delivery_id for one in await inbox.list(limit=2, before="3")] == ["2", "1"]
    assert not await inbox.list(state=State.DEAD)


async def test_a_locked_database_is_an_error_in_bounded_time_and_works_afterwards(path: Path) -> None:
    """Somebody else's lock is waited for, then told of; nothing is half written."""
    inbox = SQLiteInbox(path, busy_s=0.1)
    await inbox.open()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InboxError, match="locked"):
            await inbox.add(received("1"))
        with pytest.raises(InboxError, match="locked"):
            await inbox.check()
        assert not await inbox.list()
        other.execute("ROLLBACK")
    other.close()
    assert await inbox.add(received("1")) is Added.STORED
    await inbox.close()


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """A wrong path is told of in a sentence when the inbox is opened."""
    await asyncio.to_thread(path.write_bytes, b"something else" * 100)
    with pytest.raises(InboxError, match="not a database"):
        await SQLiteInbox(path).open()


class ReadOnly(SQLiteInbox):
    """An inbox on a file system that lets nobody write; permissions would not keep root from it."""

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, isolation_level=None)


async def test_a_read_only_file_is_refused(inbox: SQLiteInbox) -> None:
    """When it is opened, not at the first delivery."""
    with pytest.raises(InboxError, match="readonly"):
        await ReadOnly(inbox.path).open()


async def test_a_newer_schema_is_refused(path: Path) -> None:
    """A file of a later version is not written to."""
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(InboxError, match="schema version 99"):
        await SQLiteInbox(path).open()


async def test_one_wrong_write_harms_no_other(inbox: SQLiteInbox) -> None:
    """Writes share a transaction; one that fails of itself is left out of it."""

    def wrong(_connection: sqlite3.Connection, _items: object) -> list[None]:
        raise ValueError("mine")

    results = await asyncio.gather(
        inbox.add(received("1")),
        inbox._writer.run(wrong, None),
        inbox.add(received("2")),
        return_exceptions=True,
    )
    assert [results[0], results[2]] == [Added.STORED, Added.STORED]
    assert isinstance(results[1], ValueError)
    assert len(await inbox.list()) == 2


async def test_a_closed_inbox_says_so(path: Path) -> None:
    """A write after the close is an error, not a wait without end."""
    inbox = SQLiteInbox(path)
    await inbox.open()
    await inbox.close()
    await inbox.close()
    with pytest.raises(InboxError, match="closed"):
        await inbox.add(received("1"))


async def test_a_guid_twice_in_one_transaction_is_stored_once(inbox: SQLiteInbox) -> None:
    """One of the two is new, the other finds it; the rest of the batch is as if they were alone."""
    added = await asyncio.gather(*(inbox.add(received(name), take=True) for name in ("1", "2", "1", "3")))
    assert added == [Added.TAKEN, Added.TAKEN, Added.PENDING, Added.TAKEN]
    assert (await inbox.counts())[State.RUNNING] == 3


async def test_bodies_stay_with_their_deliveries(inbox: SQLiteInbox) -> None:
    """Rows that were inserted together, some of them there before, have each its own body."""
    await inbox.add(received("3", data={"number": "3"}))
    await asyncio.gather(*(inbox.add(received(name, data={"number": name})) for name in "12345"))
    await asyncio.gather(*(inbox.add(received(name, data={"number": name})) for name in "678"))
    bodies = {one.delivery_id: one.body for one in await inbox.claim(9)}
    assert bodies == {name: b'{"number": "%s"}' % name.encode() for name in "12345678"}


async def test_a_wrong_row_harms_no_other(inbox: SQLiteInbox) -> None:
    """What SQLite cannot take is that caller's error; the deliveries beside it are stored."""
    odd = received("\ud800")  # half a character, which UTF-8 has not
    results = await asyncio.gather(
        inbox.add(received("1")), inbox.add(odd), inbox.add(received("2")), return_exceptions=True
    )
    assert [results[0], results[2]] == [Added.STORED, Added.STORED]
    assert isinstance(results[1], UnicodeEncodeError)


async def test_a_full_disk_is_told_to_everybody_in_the_transaction(inbox: SQLiteInbox) -> None:
    """Nothing of it is stored, nobody is told otherwise, and all is well once there is room again."""

    def limit(connection: sqlite3.Connection, pages: Sequence[int]) -> Sequence[object]:
        return [connection.execute(f"PRAGMA max_page_count = {number}").fetchone() for number in pages]

    await inbox._writer.run(limit, 1)  # no more than there are
    large = received("large", data="x" * 100_000)
    results = await asyncio.gather(
        inbox.add(received("1")), inbox.add(large), inbox.add(received("2")), return_exceptions=True
    )
    assert [type(one) for one in results] == [InboxError] * 3
    assert not await inbox.list()
    await inbox._writer.run(limit, 1_000_000)
    assert await inbox.add(large) is Added.STORED


async def test_a_taken_delivery_is_leased_as_it_is_stored(inbox: SQLiteInbox) -> None:
    """It is running, at its first attempt; a claim does not find it, and it can be released."""
    assert await inbox.add(received("1"), take=True) is Added.TAKEN
    (summary,) = await inbox.list()
    assert (summary.state, summary.attempts) == (State.RUNNING, 1)
    assert not await inbox.claim(1)
    await inbox.release(["1"])
    assert len(await inbox.claim(1)) == 1


async def test_what_has_an_order_is_not_taken(inbox: SQLiteInbox) -> None:
    """A delivery with a key may have to wait for one before it, so it is queued, asked for or not."""
    assert await inbox.add(received("1", key="r"), take=True) is Added.STORED
    assert (await inbox.counts())[State.QUEUED] == 1


async def test_a_lost_lease_is_told_to_the_one_who_lost_it(inbox: SQLiteInbox) -> None:
    """Verdicts are written together; those whose lease holds are written, the other is False."""
    for name in "12":
        await inbox.add(received(name), take=True)
    settled = await asyncio.gather(*(inbox.settle(name, DONE) for name in ("1", "lost", "2")))
    assert settled == [True, False, True]
    assert (await inbox.counts())[State.DONE] == 2


async def test_what_was_asked_for_before_the_close_is_written(path: Path) -> None:
    """A close waits for it."""
    inbox = SQLiteInbox(path)
    await inbox.open()
    adding = [asyncio.ensure_future(inbox.add(received(str(number)))) for number in range(500)]
    await asyncio.sleep(0)
    await inbox.close()
    assert set(await asyncio.gather(*adding)) == {Added.STORED}


async def test_deleted_deliveries_leave_no_body(path: Path) -> None:
    """Retention frees what takes the room."""
    inbox = SQLiteInbox(path)
    await inbox.open()
    await inbox.add(received("1"), take=True)
    await inbox.settle("1", DONE)
    assert await inbox.purge(done_s=-1, dead_s=0) == 1
    await inbox.close()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM bodies").fetchone() == (0,)
    other.close()
