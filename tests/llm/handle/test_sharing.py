"""Whose session it is: shared by all handles of a loop, closed by the last or the keeper, or borrowed."""

import asyncio
import gc
import threading

import aiohttp
import pytest

import lastcall
from lastcall.llm import ChatHandle, RequestError, create_openai_api_handle_async
from lastcall.sessions import SessionProfile, shared_manager
from lastcall.testing import Answer, OpenAIServer

from .conftest import HELLO, KEY, MakeHandle


async def test_five_hundred_handles_share_one_session(server: OpenAIServer, make: MakeHandle) -> None:
    """Each asks at once; one session was opened, and the last to close closes it."""
    with lastcall.watch():
        handles = [make() for _ in range(500)]
        assert lastcall.count_unclosed_sessions() == 0
        await asyncio.gather(*(handle(HELLO) for handle in handles))
        assert len({id(handle._session()) for handle in handles}) == 1
        session = handles[0]._session()
        assert session is not None
        for handle in handles[1:]:
            await handle.close_session()
        assert not session.closed
        await handles[0](HELLO)
        await handles[0].close_session()
        assert session.closed
        report = lastcall.report()
        assert (report.opened, report.closed) == (1, 1)
    assert await asyncio.to_thread(server.wait_until_no_connections, 5)


async def test_close_of_one_does_not_cut_off_another(server: OpenAIServer, make: MakeHandle) -> None:
    """One handle closes while another streams and a third waits for its answer."""
    server.script.default = Answer(text="word " * 20, event_delay=0.02, delay=0.1)
    streaming, waiting, closing = make(), make(), make()

    async def read() -> int:
        return len([chunk async for chunk in streaming.stream(HELLO)])

    await closing(HELLO)
    reading = asyncio.create_task(read())
    answering = asyncio.create_task(waiting(HELLO))
    await asyncio.to_thread(server.wait_until, lambda: server.requests_count == 3, 5)
    await closing.close_session()
    assert await asyncio.wait_for(reading, 10) > 20
    assert (await answering)["object"] == "chat.completion"


async def test_a_handle_closed_twice_or_never_used_does_nothing(make: MakeHandle) -> None:
    """Clean-up code may call it whenever it likes."""
    handle = make()
    await handle.close_session()
    await handle(HELLO)
    await handle.close_session()
    await handle.close_session()
    assert handle._session() is None


async def test_a_closed_handle_may_be_used_again(make: MakeHandle) -> None:
    """It shares a new session, as the program it comes from expects."""
    handle = make()
    await handle(HELLO)
    first = handle._session()
    await handle.close_session()
    await handle(HELLO)
    assert handle._session() is not first
    async with handle:
        await handle(HELLO)
    assert handle._session() is None


async def test_a_forgotten_handle_does_not_keep_the_session_from_closing(make: MakeHandle) -> None:
    """Handles that were dropped are no users any more: the last that is left closes."""
    for _ in range(10):
        await make()(HELLO)
    gc.collect()
    last = make()
    await last(HELLO)
    session = last._session()
    await last.close_session()
    assert session is not None
    assert session.closed


def test_the_keeper_closes_what_is_forgotten(server: OpenAIServer, make: MakeHandle) -> None:
    """Run after run, with the same handles, nothing stays open and nothing of a dead loop is used."""
    handles = [make() for _ in range(3)]
    with lastcall.watch():

        async def main() -> None:
            await asyncio.gather(*(handle(HELLO) for handle in handles))

        for _ in range(4):
            asyncio.run(main())
            assert server.wait_until_no_connections(5)
        report = lastcall.report()
        assert (report.opened, report.closed, len(report.leaks)) == (4, 4, 0)
    assert len(handles[0]._places) == 1


def test_two_loops_in_two_threads_have_a_session_each(server: OpenAIServer, make: MakeHandle) -> None:
    """One handle serves both at once; closing on one loop leaves the other's alone."""
    handle = make()
    both = threading.Barrier(2, timeout=10)
    sessions: list[aiohttp.ClientSession | None] = []
    errors: list[BaseException] = []

    async def use(*, closes: bool) -> None:
        for _ in range(50):
            await handle(HELLO)
        sessions.append(handle._session())
        await asyncio.to_thread(both.wait)
        if closes:
            await handle.close_session()
        await asyncio.to_thread(both.wait)
        await handle(HELLO)

    def run(*, closes: bool) -> None:
        try:
            asyncio.run(use(closes=closes))
        except BaseException as error:
            errors.append(error)
            both.abort()

    threads = [threading.Thread(target=run, kwargs={"closes": closes}) for closes in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not errors
    assert sessions[0] is not sessions[1]
    assert server.wait_until_no_connections(5)


async def test_a_session_closed_by_somebody_else_is_replaced(make: MakeHandle) -> None:
    """`close_shared_session()` closes those of handles too; the next call opens anew."""
    handle = make()
    await handle(HELLO)
    await lastcall.close_shared_session()
    assert (await handle(HELLO))["object"] == "chat.completion"


async def test_a_borrowed_session_is_used_and_left_open(server: OpenAIServer, make: MakeHandle) -> None:
    """Whoever opened it closes it; its own headers go along, under the handle's."""
    headers = {"X-Tenant": "blue", "Authorization": "theirs"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with make(session=session) as handle:
            await handle(HELLO)
            assert handle._session() is session
        assert not session.closed
    call = server.calls[0]
    assert (call.headers["X-Tenant"], call.headers["Authorization"]) == ("blue", f"Bearer {KEY}")


async def test_a_borrowed_session_that_is_closed_is_said_to_be(make: MakeHandle) -> None:
    """Before and after the first use alike; no session of its own is opened in its place."""
    session = aiohttp.ClientSession()
    handle = make(session=session)
    await handle(HELLO)
    await session.close()
    for asking in (handle, make(session=session)):
        with pytest.raises(RequestError, match="is closed"):
            await asking(HELLO)


def test_a_borrowed_session_of_another_loop_is_refused(make: MakeHandle) -> None:
    """It would hang or fail in ways nobody understands."""

    async def main() -> None:
        session = aiohttp.ClientSession()
        try:
            handle = make(session=session)

            def elsewhere() -> None:
                with pytest.raises(RequestError, match="another event loop"):
                    asyncio.run(handle(HELLO))

            await asyncio.to_thread(elsewhere)
        finally:
            await session.close()

    asyncio.run(main())


async def test_a_profile_that_the_program_declared_is_shared(server: OpenAIServer) -> None:
    """By its name, with its headers; and handles of two profiles have two sessions."""
    profile = SessionProfile("llm-of-a-test", headers={"X-From": "profile"}, limit=7)
    shared_manager().add(profile)
    ours = create_openai_api_handle_async(server.base_url, KEY, "tiny", profile="llm-of-a-test")
    other = create_openai_api_handle_async(server.base_url, KEY, "tiny")
    await ours(HELLO)
    await other(HELLO)
    assert server.calls[0].headers["X-From"] == "profile"
    assert ours._session() is not other._session()
    session = ours._session()
    assert session is not None
    assert session.connector is not None
    assert session.connector.limit == 7


async def test_the_repr_tells_the_session(handle: ChatHandle) -> None:
    """What is open, idle and in use, in one line."""
    assert "None" in repr(handle)
    await handle(HELLO)
    assert "session 'llm' open: 0 in use, 1 idle" in repr(handle)
