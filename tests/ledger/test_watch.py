"""The watch comes and goes without a trace."""

from __future__ import annotations

import gc
import logging
import os
import warnings
from typing import Any

import aiohttp
import pytest
from aiohttp.connector import BaseConnector

import lastcall
from lastcall import ledger

from .conftest import Program

quiet = pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")


def test_a_second_watch_begins_nothing() -> None:
    """Leaving the block of a second watch leaves the first one on."""
    with ledger.watch():
        with ledger.watch("responses"):
            pass
        assert "connect" in BaseConnector.connect.__qualname__
        assert "lastcall" in BaseConnector.connect.__module__


def test_unwatch_takes_the_hooks_away() -> None:
    """After the watch aiohttp's methods are its own again."""
    ledger.unwatch()
    before = (aiohttp.ClientSession._request, BaseConnector.connect, aiohttp.ClientSession.__del__)
    with ledger.watch("responses"):
        assert aiohttp.ClientSession._request is not before[0]
    after = (aiohttp.ClientSession._request, BaseConnector.connect, aiohttp.ClientSession.__del__)
    assert before == after


async def test_sessions_open_as_usual_after_unwatch() -> None:
    """The constructor works, with and without arguments, once the watch is over."""
    with ledger.watch():
        pass
    async with aiohttp.ClientSession(headers={"a": "b"}, connector=aiohttp.TCPConnector(limit=1)) as session:
        assert session.headers["a"] == "b"


def test_an_unknown_level_is_refused() -> None:
    """A level that does not exist is answered by the two that do."""
    with pytest.raises(ValueError, match="'sessions' or 'responses'"):
        ledger.watch("requests")  # type: ignore[arg-type]


async def test_counting_works_without_a_watch() -> None:
    """Without the ledger the collector's list is searched."""
    ledger.unwatch()
    gc.collect()
    before = ledger.count_unclosed_sessions()
    async with aiohttp.ClientSession():
        assert ledger.count_unclosed_sessions() == before + 1
    assert ledger.count_unclosed_sessions() == before


async def test_warnings_of_aiohttp_point_at_the_users_line(watched: ledger.Watch) -> None:
    """The hooks add no frame between aiohttp's constructor and its caller."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("a", "b")):
            pass
    # Older versions do not warn about auth; those that do blame this file.
    assert {warning.filename for warning in caught if "auth" in str(warning.message)} <= {__file__}


async def test_requests_over_a_shared_sessions_pool_are_counted_each(watched: ledger.Watch, url: str) -> None:
    """A shared session takes pooled connections on a way of its own; the ledger hears of every request."""
    async with lastcall.SessionManager() as sessions:
        session = await sessions.get()
        for _ in range(5):
            async with session.get(url) as answer:
                await answer.read()
        (record,) = ledger.open_sessions()
        assert (record.requests, record.connections) == (5, 1)


async def test_a_mixin_with_a_constructor_of_its_own_still_gets_its_arguments(watched: ledger.Watch) -> None:
    """A class behind ClientSession in the order of bases has its `__new__` called as before."""
    seen: list[Any] = []

    class Mixin:
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            seen.append(kwargs)
            return object.__new__(cls)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        class Client(aiohttp.ClientSession, Mixin):
            pass

    async with Client(headers={}):
        assert seen == [{"headers": {}}]


@quiet
async def test_a_label_marks_the_sessions_inside(watched: ledger.Watch) -> None:
    """A leak lists the labels of its sessions."""
    with ledger.label("warm-up"):
        aiohttp.ClientSession()
    (leak,) = ledger.leaks()
    assert leak.labels == ("warm-up",)


@quiet
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_starts_with_an_empty_ledger(program: Program) -> None:
    """What a child inherits is its parent's to report; what it leaks itself is its own."""
    report = program("""
        import os
        async def main():
            global kept
            kept = aiohttp.ClientSession()
        asyncio.run(main())
        reading, writing = os.pipe()
        if not os.fork():
            found = ledger.report()
            os.write(writing, f"{found.opened} {len(found.leaks)}".encode())
            os._exit(0)
        assert os.read(reading, 99) == b"0 0"
        os.wait()
    """)
    assert report["sessions"] == {"opened": 1, "closed": 0, "leaked": 1, "open": 0, "withdrawn": 0}


@pytest.mark.lastcall(demand=2, reason="its subject is what aiohttp says of them")
@quiet
async def test_exactly_the_unclosed_lines_are_silenced(caplog: pytest.LogCaptureFixture) -> None:
    """The two lines of aiohttp go, every other one of the logger stays, and undo brings them back."""
    with ledger.silence_unclosed_messages():
        aiohttp.ClientSession()
        logging.getLogger("asyncio").error("Unclosed something else")
    assert [record.getMessage() for record in caplog.records] == ["Unclosed something else"]

    aiohttp.ClientSession()
    assert caplog.records[-1].getMessage().startswith("Unclosed client session")
