"""What is open now, line by line: as data, as JSON, added up over processes, and bounded."""

import asyncio
import json
import threading
from typing import Any

import aiohttp
import jsonschema
import pytest

from lastcall import SessionManager, SessionProfile, ledger
from lastcall.ledger.live import OpenSite, collect, live_document, merge_sites, read_site
from lastcall.ledger.live.records import HostState
from lastcall.ledger.live.view import LiveView
from lastcall.ledger.watch import current

from .conftest import WAIT_S, full_pool

pytestmark = pytest.mark.usefixtures("watched")


def open_sites() -> tuple[OpenSite, ...]:
    """Return what is open."""
    book, _ = current()
    assert book is not None
    return collect(book)


async def test_sessions_of_one_line_are_one_site() -> None:
    """Sessions opened by one line are counted together, with the task that opened them."""
    sessions = [aiohttp.ClientSession() for _ in range(3)]
    (site,) = open_sites()
    assert (site.count, site.site.function, site.limit) == (3, "test_sessions_of_one_line_are_one_site", None)
    assert len(site.tasks) == 1
    for session in sessions:
        await session.close()
    assert open_sites() == ()


async def test_a_full_pool_tells_who_waits(url: str) -> None:
    """In use and waiting are told by host, also without a limit per host, where aiohttp keeps no list."""
    async with full_pool(url, waiting=3):
        (site,) = open_sites()
    port = int(url.rpartition(":")[2])
    assert (site.limit, site.limit_per_host, site.in_use, site.idle, site.waiting) == (2, 0, 2, 0, 3)
    assert site.by_host == (HostState("127.0.0.1", port, 2, 0, 3),)


async def test_idle_connections_are_told(url: str) -> None:
    """A connection that went back to its pool is idle."""
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            await response.read()
        (site,) = open_sites()
    assert (site.in_use, site.idle, site.requests, site.connections) == (0, 1, 1, 1)


async def test_a_connection_being_opened_is_in_use_but_of_no_host() -> None:
    """What is no connection yet holds a place in the pool, and is at no host."""

    class Stuck(aiohttp.TCPConnector):
        async def _create_connection(self, *_: Any, **__: Any) -> Any:
            opening.set()
            await asyncio.Event().wait()

    opening = asyncio.Event()
    async with aiohttp.ClientSession(connector=Stuck()) as session:
        call = asyncio.ensure_future(session.get("http://127.0.0.1"))
        await asyncio.wait_for(opening.wait(), WAIT_S)
        (site,) = open_sites()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert (site.in_use, site.by_host) == (1, ())


async def test_two_sessions_on_one_connector_count_its_pool_once(url: str) -> None:
    """A connector that two sessions stand on is one pool."""
    connector = aiohttp.TCPConnector()
    sessions = [aiohttp.ClientSession(connector=connector) for _ in range(2)]
    async with sessions[0].get(url) as response:
        await response.read()
    (site,) = open_sites()
    assert (site.count, site.idle) == (2, 1)
    await sessions[0].close()


async def test_a_managers_session_has_the_name_of_its_profile(url: str) -> None:
    """A session of lastcall's own is told by profile, and by whether it is being closed."""
    async with SessionManager(SessionProfile("api", limit=7)) as sessions:
        session = await sessions.get("api")
        async with session.get(url) as response:
            await response.read()
        (site,) = open_sites()
        assert (site.profile, site.limit, site.closing) == ("api", 7, 0)
        call = asyncio.ensure_future(session.get(f"{url}/never"))
        async with asyncio.timeout(WAIT_S):
            while not open_sites()[0].in_use:  # noqa: ASYNC110 (aiohttp has no event for it)
                await asyncio.sleep(0)
        closing = asyncio.ensure_future(sessions.close(grace=WAIT_S))
        await asyncio.sleep(0)
        assert open_sites()[0].closing == 1
        call.cancel()
        await asyncio.gather(call, closing, return_exceptions=True)


async def test_the_document_obeys_the_schema_and_holds_no_secret(url: str) -> None:
    """The document is a report with a live part, and nothing of a query gets into it."""
    ledger.watch("responses")
    async with full_pool(url, waiting=1):
        document = live_document()
    jsonschema.validate(document, ledger.schema())
    assert document["live"]["level"] == "responses"
    assert document["responses"][0]["count"] == 3
    assert "s3cret" not in json.dumps(document)


def test_without_a_watch_the_document_says_so() -> None:
    """When the watch is off the level says it, and what was seen before is kept."""
    ledger.unwatch()
    document = live_document()
    jsonschema.validate(document, ledger.schema())
    assert document["live"]["level"] == "off"


async def test_the_document_is_bounded() -> None:
    """Of many lines fifty are shown, and how many are left out is said."""
    names: dict[str, Any] = {"aiohttp": aiohttp, "opened": []}
    for number in range(60):
        exec(compile("opened.append(aiohttp.ClientSession())", f"many{number}.py", "exec"), names)
    live = live_document()["live"]
    assert len(live["sites"]) == 50
    assert live["left_out"]["sites"] == 10
    for session in names["opened"]:
        await session.close()


async def test_processes_are_added_up(url: str) -> None:
    """The same line of two processes is one site; hosts are united and numbers added."""
    async with full_pool(url, waiting=1):
        written = json.loads(json.dumps(open_sites()[0].to_json()))
    site = read_site(written)
    assert site.to_json() == written
    (both,) = merge_sites([site, read_site(written)])
    assert (both.count, both.in_use, both.waiting, both.limit) == (2, 4, 2, 2)
    assert [(host.in_use, host.waiting) for host in both.by_host] == [(4, 2)]


async def test_collecting_in_a_thread_while_sessions_come_and_go_fails_nowhere(url: str) -> None:
    """Collecting reads pools of another thread's loop while they change."""
    seen: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.001):
            seen.append(sum(site.count for site in open_sites()))

    looking = asyncio.create_task(asyncio.to_thread(look))
    for _ in range(30):
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(_read(session, f"{url}/{number}") for number in range(5)))
    stop.set()
    await asyncio.wait_for(looking, WAIT_S)
    assert seen
    assert max(seen) <= 1


async def _read(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as response:
        await response.read()


def test_many_who_look_cost_one_document() -> None:
    """A document that is fresh is given again."""
    made: list[int] = []

    def make() -> dict[str, Any]:
        made.append(1)
        return {"file": "\udcff"}

    view = LiveView(make)
    assert view.json() == view.json() == b'{"file":"\\udcff"}'
    assert len(made) == 1
