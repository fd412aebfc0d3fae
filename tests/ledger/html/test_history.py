"""What is kept of each session, and how it becomes one history."""

import asyncio
import base64
import gc
import itertools
import os
import zlib
from typing import Any

import aiohttp
import pytest

from lastcall import ledger
from lastcall.ledger.history import (
    History,
    Recorded,
    RecordingBook,
    current_book,
    current_history,
    merge_histories,
    recorded_of,
    recording,
)
from lastcall.ledger.history.rows import SPANS_KEPT, Outcome, Row, pack, unpack
from lastcall.ledger.history.series import STEPS_KEPT, Flow

from .stories import recorded

pytestmark = pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")


async def get(session: aiohttp.ClientSession, url: str) -> None:
    """Make one request and read its answer."""
    async with session.get(url) as response:
        await response.read()


def rows_of(book: RecordingBook, *, open_too: bool = False) -> list[Row]:
    """Return what *book* has recorded of sessions that ended, and if asked of open ones."""
    found = recorded_of(book, is_over=True)
    return [*unpack(found.ended), *(unpack(found.open) if open_too else ())]


def history_of(*parts: Recorded) -> History:
    """Return the history of some processes."""
    history = merge_histories(parts)
    assert history is not None
    return history


def columns_of(history: History) -> dict[str, list[int]]:
    """Read the columns as a page does."""
    columns: dict[str, Any] = history.to_json()["columns"]
    data = zlib.decompress(base64.b64decode(columns["data"]), -15)
    assert len(data) == sum(columns["bytes"])
    ends = list(itertools.accumulate(columns["bytes"], initial=0))
    parts = [data[begin:end] for begin, end in itertools.pairwise(ends)]
    return {name: _numbers(part) for name, part in zip(columns["names"], parts, strict=True)}


def _numbers(data: bytes) -> list[int]:
    found, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(value)
            value = shift = 0
    return found


async def test_a_session_has_a_row_with_the_times_it_was_in_use(book: RecordingBook, url: str) -> None:
    """Requests one after the other are times apart; those at once are one time of use."""
    async with aiohttp.ClientSession() as session:
        await get(session, url)
        await asyncio.gather(get(session, url), get(session, url))
    (row,) = rows_of(book)
    assert (row.requests, row.connections, row.outcome, row.alike) == (3, 2, Outcome.CLOSED, 1)
    assert len(row.spans) == 4
    assert sorted(row.spans) == list(row.spans)
    assert row.opened <= row.spans[0]
    assert row.spans[-1] <= row.ended


async def test_sessions_that_nobody_can_tell_apart_share_a_row(book: RecordingBook) -> None:
    """A thousand that open and close in a moment take a few rows, which add up to a thousand."""
    sessions = [aiohttp.ClientSession() for _ in range(1000)]
    for session in sessions:
        await session.close()
    rows = rows_of(book)
    assert sum(row.alike for row in rows) == 1000
    assert len(rows) < 500


async def test_a_session_collected_open_is_told_as_such(book: RecordingBook) -> None:
    """Its row ends when it was collected, and says so."""
    aiohttp.ClientSession()
    gc.collect()
    assert [row.outcome for row in rows_of(book)] == [Outcome.COLLECTED_OPEN]


async def test_what_is_open_has_a_row_for_now(book: RecordingBook, url: str) -> None:
    """It ends where this was written down, and would be a leak if the process ended here."""
    async with aiohttp.ClientSession() as session:
        await get(session, url)
        (row,) = rows_of(book, open_too=True)
    assert row.outcome is Outcome.SCOPE_ENDED
    assert row.requests == 1


async def test_a_guest_has_a_row_of_its_own_and_counts_once(book: RecordingBook, url: str) -> None:
    """A session on somebody's connector has its times of use; requests of the process are not doubled."""
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as session:
        await get(session, url)
    book.sweep()
    (row,) = rows_of(book)
    assert row.requests == 1
    assert len(row.spans) == 2
    assert sum(step.requests for step in book.flow.steps) == 1


async def test_connections_are_followed_from_their_making_to_their_end(book: RecordingBook, url: str) -> None:
    """Both series return to nothing when the last connection is closed."""
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(get(session, url) for _ in range(3)))
        assert (book.flow.connections, book.flow.in_use) == (3, 0)
    async with asyncio.timeout(10):
        while book.flow.connections:  # noqa: ASYNC110 (the loop tells the transports in its own time)
            await asyncio.sleep(0)
    assert max(step.in_use for step in book.flow.steps) == 3
    assert sum(step.made for step in book.flow.steps) == 3


async def test_rows_are_bounded_and_leaks_come_first(
    book: RecordingBook, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed sessions beyond the limit are only counted; a leak still has its row."""
    monkeypatch.setattr(recording, "ROWS_KEPT", 1)
    for _ in range(2):
        async with aiohttp.ClientSession() as session:
            await get(session, url)
    aiohttp.ClientSession()
    gc.collect()
    assert book.left_out == 1
    assert [row.outcome for row in rows_of(book)] == [Outcome.CLOSED, Outcome.COLLECTED_OPEN]


async def test_times_of_use_are_bounded(book: RecordingBook, url: str) -> None:
    """Of many, those closest together become one; the first begin and the last end stay."""
    async with aiohttp.ClientSession() as session:
        for _ in range(SPANS_KEPT + 10):
            await get(session, url)
    (row,) = rows_of(book)
    assert len(row.spans) == 2 * SPANS_KEPT
    assert row.requests == SPANS_KEPT + 10
    assert sorted(row.spans) == list(row.spans)


async def test_rows_are_given_away_once(book: RecordingBook) -> None:
    """Who asks again gets what came since; the head says how many bytes there are in all."""
    async with aiohttp.ClientSession():
        pass
    first = recorded_of(book, is_over=False)
    async with aiohttp.ClientSession():
        pass
    second = recorded_of(book, is_over=True)
    assert len(list(unpack(first.ended))) == len(list(unpack(second.ended))) == 1
    assert second.head["ended_bytes"] == len(first.ended) + len(second.ended)


async def test_a_program_may_look_at_its_history_again_and_again(book: RecordingBook) -> None:
    """Nothing is lost by looking; what is open is open."""
    async with aiohttp.ClientSession():
        pass
    async with aiohttp.ClientSession():
        for _ in range(2):
            found = current_history()
            assert found is not None
            outcomes = [outcome for site in found.sites for outcome in site.columns.outcome]
            assert sorted(outcomes) == [Outcome.CLOSED, Outcome.OPEN]
    assert book.given == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_keeps_a_history_of_its_own(book: RecordingBook) -> None:
    """It begins empty."""
    pid = os.fork()
    if not pid:
        found = current_book()
        os._exit(0 if found is not None and found is not book else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_plain_watch_keeps_no_history() -> None:
    """Only who asks for it pays for it."""
    ledger.unwatch()
    with ledger.watch():
        assert current_book() is None


def test_a_row_that_was_cut_off_is_passed_over() -> None:
    """A process that is killed while it writes leaves what it had written before."""
    row = Row(0, 1, 1.0, 2.0, 1, 1, Outcome.CLOSED, (1.1, 1.2))
    data = pack(row) * 2
    assert list(unpack(data[:-1])) == [row]
    assert list(unpack(data)) == [row, row]


def test_a_series_keeps_its_sums_when_it_grows_coarser() -> None:
    """Its steps grow longer, never more than the limit; no request is lost."""
    flow = Flow(0.0)
    for number in range(10 * STEPS_KEPT):
        flow.now(number * 0.017).requests += 1
    assert len(flow.steps) <= STEPS_KEPT
    assert sum(step.requests for step in flow.steps) == 10 * STEPS_KEPT


def test_what_was_recorded_survives_as_bytes() -> None:
    """Rows that were added after the head was written are left out: the head does not know their sites."""
    part = recorded(50)
    late = pack(Row(99, 1, 1.0, 2.0, 0, 0, Outcome.CLOSED, ()))
    assert Recorded.from_bytes(part.to_bytes(), part.ended + late) == part


def test_the_histories_of_processes_become_one() -> None:
    """Sessions, sites and series add up; times count from the beginning of the first process."""
    one, other = recorded(300, pid=1), recorded(200, pid=2, seed=2)
    other.head["began_at"] += 30.0
    history = history_of(other, one)
    assert history.pids == (1, 2)
    assert history.seconds == pytest.approx(150.0)
    assert sum(site.opened for site in history.sites) == 500
    assert sum(len(site.columns) for site in history.sites) == 500
    assert sum(history.flow["requests"]) == sum(
        step[0] for part in (one, other) for step in part.head["flow"]["steps"]
    )
    second = [
        row for site in history.sites for row in zip(site.columns.process, site.columns.opened, strict=True)
    ]
    assert min(opened for process, opened in second if process == 1) >= 300_000


def test_what_is_open_in_a_running_process_has_not_leaked() -> None:
    """It is open; in a process that is over it was left open."""
    part = recorded(10, pid=7)
    row = pack(Row(0, 5, part.head["began"], part.head["until"], 0, 0, Outcome.SCOPE_ENDED, ()))
    part = Recorded(head=part.head, ended=b"", open=row)
    running, over = merge_histories([part], {7}), merge_histories([part])
    assert running is not None
    assert over is not None
    assert list(next(site for site in running.sites if len(site.columns)).columns.outcome) == [Outcome.OPEN]
    assert sum(site.leaked for site in over.sites) == sum(site.leaked for site in running.sites) + 5


def test_without_processes_there_is_no_history() -> None:
    """A program that never opened a session has none."""
    assert merge_histories([]) is None


def test_columns_say_what_the_rows_said() -> None:
    """A page that adds up differences finds every moment again, to the tenth of a millisecond."""
    part = recorded(400)
    columns = columns_of(history_of(part))
    rows = sorted(unpack(part.ended), key=lambda row: (row.site, row.opened))
    began = part.head["began"]
    history = history_of(part)
    order = [int(site.fingerprint, 16) for site in history.sites]
    wanted = [row for index in order for row in rows if row.site == index]
    assert columns["lived"] == [
        round((row.ended - began) * 1e4) - round((row.opened - began) * 1e4) for row in wanted
    ]
    assert columns["outcome"] == [row.outcome for row in wanted]
    assert columns["spans"] == [len(row.spans) // 2 for row in wanted]
    assert len(columns["times"]) == sum(len(row.spans) for row in wanted)
    first = wanted[0]
    assert columns["opened"][0] == round((first.opened - began) * 1e4)
