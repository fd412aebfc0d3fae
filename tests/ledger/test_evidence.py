"""Every shape of leak is named, with the evidence for it."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import threading
from typing import Any

import aiohttp
import pytest

from lastcall import ledger
from lastcall.ledger import Evidence, Leak

pytestmark = [
    pytest.mark.usefixtures("watched"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning"),
]

kept: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_kept() -> Any:
    yield
    kept.clear()
    gc.collect()


def only_leak() -> Leak:
    (leak,) = ledger.leaks()
    return leak


async def open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def test_a_dropped_session_is_proof() -> None:
    """A session nobody refers to any more is called leaked at once, by the line that opened it."""
    await open_session()

    leak = only_leak()
    assert (leak.evidence, leak.count) == (Evidence.COLLECTED_OPEN, 1)
    assert leak.site.source == "return aiohttp.ClientSession()"
    assert leak.site.function == "open_session"
    assert leak.stack[1].function == "test_a_dropped_session_is_proof"


async def test_a_session_in_a_cycle_is_proof_once_collected() -> None:
    """A reference cycle hides a session only until the collector runs."""
    holder: dict[str, Any] = {"session": await open_session()}
    holder["self"] = holder
    del holder
    gc.collect()

    assert only_leak().evidence is Evidence.COLLECTED_OPEN


async def test_a_closed_session_is_no_leak() -> None:
    """A session that was closed is counted as closed, and named nowhere."""
    async with aiohttp.ClientSession():
        assert ledger.count_unclosed_sessions() == 1

    report = ledger.report()
    assert (report.opened, report.closed, report.leaked, report.leaks) == (1, 1, 0, ())


def test_a_loop_closed_under_a_session_is_proof() -> None:
    """A session somebody still holds leaks when its loop is closed."""
    kept.append(asyncio.run(open_session()))

    assert only_leak().evidence is Evidence.LOOP_CLOSED


def test_on_uvloop_the_line_and_the_end_of_the_stack_are_the_same() -> None:
    """With uvloop no Python frame stands where a task begins; what lies further out is cut all the same."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        await open_session()

    uvloop.run(main())
    assert [frame.function.rpartition(".")[2] for frame in only_leak().stack] == ["open_session", "main"]


def test_closing_after_the_loop_does_not_undo_the_proof() -> None:
    """A close in another loop comes too late for the connections, so the leak stays named."""
    session = asyncio.run(open_session())
    asyncio.run(session.close())

    assert only_leak().evidence is Evidence.LOOP_CLOSED


@pytest.mark.parametrize("where", ["cache", "thread local"])
def test_wherever_it_is_kept_it_is_found(where: str) -> None:
    """A cache and a thread local hold sessions as a global does."""
    local = threading.local()

    @functools.lru_cache
    def cached() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def main() -> None:
        if where == "cache":
            cached()
        else:
            local.session = aiohttp.ClientSession()

    asyncio.run(main())
    assert only_leak().evidence is Evidence.LOOP_CLOSED


async def test_a_session_open_at_the_end_of_its_scope_is_named() -> None:
    """At the end of a process or test an open session is a leak of grade scope."""
    session = await open_session()

    (leak,) = ledger.snapshot(ended=True).leaks
    assert leak.evidence is Evidence.SCOPE_ENDED
    assert leak.fails("scope")
    assert not leak.fails("proof")

    await session.close()
    report = ledger.snapshot(ended=True)
    assert (report.leaks, report.withdrawn) == ((), 0)


async def test_a_suspicion_is_withdrawn_by_a_close() -> None:
    """A session called idle and closed later is no leak, and the report counts the change of mind."""
    session = await open_session()
    (leak,) = ledger.leaks(idle_after=0.0)
    assert leak.evidence is Evidence.IDLE

    await session.close()
    report = ledger.report(idle_after=0.0)
    assert (report.leaks, report.withdrawn, report.closed) == ((), 1, 1)


async def test_a_session_in_use_is_not_idle(url: str) -> None:
    """While a response is open its session is at work, however long ago the request was made."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/bytes/10000000"):
        assert ledger.leaks(idle_after=0.0) == ()


async def test_detach_ends_the_session_and_leaves_the_connector(url: str) -> None:
    """A detached session is closed; the connections it left behind leak with their connector."""
    session = aiohttp.ClientSession()
    async with session.get(url) as response:
        await response.read()
    session.detach()
    assert ledger.report().closed == 1
    del session, response
    gc.collect()

    leak = only_leak()
    assert (leak.kind, leak.evidence) == ("connector", Evidence.COLLECTED_OPEN)


async def test_closing_the_connector_closes_the_session() -> None:
    """`connector.close()` counts as closing the session that stands on it."""
    session = aiohttp.ClientSession()
    assert session.connector is not None
    await session.connector.close()
    del session

    assert (ledger.report().closed, ledger.leaks()) == (1, ())


async def test_an_explicit_connector_belongs_to_its_session() -> None:
    """A dropped session with a connector of the user's own is one leak, not two."""
    connector = aiohttp.TCPConnector()
    session = aiohttp.ClientSession(connector=connector)
    del session, connector
    gc.collect()

    leak = only_leak()
    assert (leak.kind, leak.count) == ("session", 1)
    assert leak.site.source == "session = aiohttp.ClientSession(connector=connector)"


async def test_a_session_that_owns_nothing_leaks_nothing() -> None:
    """With `connector_owner=False` a session may be forgotten; its record says what it does not own."""
    async with aiohttp.TCPConnector() as connector:
        session = aiohttp.ClientSession(connector=connector, connector_owner=False)
        (record,) = [each for each in ledger.open_sessions() if each.kind == "session"]
        assert not record.owns_connector
        del session

    assert ledger.snapshot(ended=True).leaks == ()


async def test_sessions_on_one_connector_are_closed_together() -> None:
    """Closing one of two sessions on a connector closes the other."""
    connector = aiohttp.TCPConnector()
    one = aiohttp.ClientSession(connector=connector)
    other = aiohttp.ClientSession(connector=connector)
    await one.close()

    assert ledger.count_unclosed_sessions() == 0
    assert other.closed
    assert ledger.report().closed == 2


async def test_a_session_on_the_connector_of_another_hides_neither() -> None:
    """A plain session whose connector is borrowed stays counted, and both leak when the loop ends."""
    one = aiohttp.ClientSession()
    other = aiohttp.ClientSession(connector=one.connector)
    assert ledger.count_unclosed_sessions() == 2
    assert sum(leak.count for leak in ledger.snapshot(ended=True).leaks) == 2
    await other.close()
    assert ledger.count_unclosed_sessions() == 0


async def test_a_detached_session_gives_its_connector_back(url: str) -> None:
    """A connector of the user's own, left by a session that was detached, leaks by itself."""
    connector = aiohttp.TCPConnector()
    session = aiohttp.ClientSession(connector=connector)
    async with session.get(url) as response:
        await response.read()
    session.detach()

    (leak,) = ledger.snapshot(ended=True).leaks
    assert (leak.kind, leak.site.source) == ("connector", "connector = aiohttp.TCPConnector()")
    await connector.close()


async def test_a_failed_constructor_opened_nothing() -> None:
    """A session whose constructor raises half way is neither opened nor leaked."""
    with pytest.raises(ValueError, match="sequence"):
        aiohttp.ClientSession(headers="abc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        aiohttp.ClientSession(timeout=1)
    gc.collect()

    report = ledger.report()
    assert (report.opened, report.leaks) == (0, ())


async def test_a_subclass_is_named_by_the_line_that_calls_it() -> None:
    """A subclass with a constructor and a silent `__del__` of its own is seen, at the user's line."""

    class Client(aiohttp.ClientSession):
        def __init__(self) -> None:
            super().__init__()

        def __del__(self) -> None:  # type: ignore[override]
            pass

    client = Client()
    del client
    gc.collect()

    assert only_leak().site.source == "client = Client()"


async def test_a_subclass_that_makes_its_connector_is_one_session() -> None:
    """A subclass that opens its own connector is one leak, and none once closed."""

    class Client(aiohttp.ClientSession):
        def __init__(self) -> None:
            super().__init__(connector=aiohttp.TCPConnector(limit=3))

    async with Client():
        assert ledger.count_unclosed_sessions() == 1
    report = ledger.snapshot(ended=True)
    assert (report.opened, report.closed, report.leaks) == (1, 1, ())


def test_a_connector_that_could_not_be_made_is_forgotten() -> None:
    """Outside a loop a connector raises; nothing of it stays in the ledger."""
    with pytest.raises(RuntimeError, match="loop"):
        aiohttp.TCPConnector()
    gc.collect()

    assert ledger.open_sessions() == ()


def test_a_thread_with_a_loop_of_its_own_is_seen() -> None:
    """A leak in a worker thread's loop is named with the thread's sessions."""
    thread = threading.Thread(target=lambda: kept.append(asyncio.run(open_session())))
    thread.start()
    thread.join(10)

    assert only_leak().evidence is Evidence.LOOP_CLOSED


def test_eight_threads_lose_no_count() -> None:
    """Sessions opened and closed by eight threads at once are all counted."""

    async def work() -> None:
        for _ in range(100):
            async with aiohttp.ClientSession():
                pass
            await open_session()

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    gc.collect()

    report = ledger.report()
    assert (report.opened, report.closed, report.leaked) == (1600, 800, 800)


def test_a_report_taken_meanwhile_counts_nothing_twice() -> None:
    """While other threads open and close, no report has more sessions ended than opened."""

    async def work() -> None:
        for _ in range(300):
            async with aiohttp.ClientSession():
                pass

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    reports = []
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        while any(thread.is_alive() for thread in threads):
            reports.append(ledger.snapshot(ended=True))
    finally:
        sys.setswitchinterval(usual)
    assert [each for each in reports if each.closed + each.leaked > each.opened] == []
    assert ledger.report().closed == 1200
