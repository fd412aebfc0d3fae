"""One session per loop and profile; nothing left behind; borrowers cannot break it."""

import asyncio
import gc
import os
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from lastcall.errors import BorrowedSessionWarning, ProfileError, SessionClosedError, UnknownProfileError
from lastcall.sessions import (
    SessionManager,
    SessionProfile,
    SharedSession,
    close_shared_session,
    get_shared_session,
    keeper,
    shared_manager,
)
from lastcall.testing import LoopbackServer


async def fetch(session: aiohttp.ClientSession, url: str) -> int:
    """Make one request and return its status."""
    async with session.get(url) as response:
        await response.read()
        return response.status


async def test_a_thousand_concurrent_gets_open_one_session(sessions: SessionManager) -> None:
    """Creation is single-flight."""
    assert len({id(session) for session in await asyncio.gather(*(sessions.get() for _ in range(1000)))}) == 1


async def test_each_profile_has_its_own_session() -> None:
    """The name is part of the key, and get_session is get."""
    async with SessionManager(SessionProfile("a")) as sessions:
        assert await sessions.get("a") is await sessions.get_session("a")
        assert await sessions.get("a") is not await sessions.get()


def test_each_of_eight_threads_has_its_own_session(server: LoopbackServer) -> None:
    """Loops in threads never see one another's sessions, and close them at their end."""
    manager = SessionManager()
    together = threading.Barrier(8)

    async def main() -> SharedSession:
        together.wait(10)
        session = await manager.get()
        assert await fetch(session, server.url) == 200
        return session

    with ThreadPoolExecutor(8) as pool:
        sessions = [done.result(20) for done in [pool.submit(asyncio.run, main()) for _ in range(8)]]
    assert len(set(map(id, sessions))) == 8
    assert all(session.closed for session in sessions)
    assert server.wait_until_no_connections()


def test_a_thousand_loops_leave_nothing_behind() -> None:
    """No session, loop, thread or descriptor outlives its run, and no dead session is handed out."""
    manager = SessionManager()
    left: list[weakref.ref[object]] = []

    async def main() -> None:
        session = await manager.get()
        assert not session.closed
        left.extend([weakref.ref(session), weakref.ref(asyncio.get_running_loop())])

    asyncio.run(main())
    files, threads = count_files(), threading.active_count()
    for _ in range(1000):
        asyncio.run(main())
    gc.collect()
    assert count_files() <= files
    assert threading.active_count() <= threads
    assert [ref() for ref in left if ref() is not None] == []
    assert not manager._open
    assert not [loop for loop in keeper._keepers if loop.is_closed()]


def count_files() -> int:
    """Return how many descriptors this process has open, 0 where that cannot be told."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH208, PTH112


def test_a_loop_closed_by_others_means_is_purged() -> None:
    """A loop whose end no rung saw is dropped when the next session is opened."""
    manager = SessionManager()
    loop = asyncio.new_event_loop()
    lost = loop.run_until_complete(manager.get())
    type(loop).close(loop)
    asyncio.run(manager.get_session())
    assert lost.closed
    assert loop not in manager._open
    assert "closed by the end of its loop" in repr(lost)


async def test_a_long_lived_loop_keeps_no_closed_session() -> None:
    """A program that makes a manager per job on one loop does not grow."""
    left: list[weakref.ref[object]] = []
    for _ in range(20):
        async with SessionManager() as sessions:
            left.append(weakref.ref(await sessions.get()))
    gc.collect()
    assert len([ref for ref in left if ref() is not None]) <= 1


def test_the_loops_close_method_is_its_own_again() -> None:
    """After its end nothing of the keeper stays on a loop."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(SessionManager().get())
    assert "close" in vars(loop)
    loop.close()
    assert "close" not in vars(loop)


async def test_a_borrowers_close_is_a_reported_no_op(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """`close()` warns with the caller's line and closes nothing, however it is awaited."""
    session = await sessions.get()
    with pytest.warns(BorrowedSessionWarning, match=r"close\(\) on the shared session 'default'") as caught:
        await asyncio.wait_for(session.close(), 5)
    assert caught[0].filename == __file__
    assert await fetch(session, server.url) == 200


async def test_a_borrowers_detach_and_connector_close_are_too(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """The side doors are watched like the front door."""
    session = await sessions.get()
    assert session.connector is not None
    with pytest.warns(BorrowedSessionWarning, match="detach") as detached:
        session.detach()
    with pytest.warns(BorrowedSessionWarning, match="connector.close") as closed:
        await session.connector.close()
    assert detached[0].filename == closed[0].filename == __file__
    assert await fetch(session, server.url) == 200


async def test_async_with_on_a_shared_session_is_silent(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """Code written for a session of its own works, and leaves the session open."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with await sessions.get() as session:
            assert await fetch(session, server.url) == 200
    assert await fetch(session, server.url) == 200


async def test_a_lent_session_may_be_closed(server: LoopbackServer) -> None:
    """It shares connections, not headers or cookies; closing it closes nothing else."""
    async with SessionManager(SessionProfile(headers={"Authorization": "secret"})) as sessions:
        session = await sessions.get()
        await fetch(session, server.url)
        async with await sessions.lend(headers={"X-Of": "guest"}, cookies={"a": "b"}) as lent:
            await fetch(lent, server.url)
        assert lent.closed
        assert await fetch(session, server.url) == 200
    assert server.connections_opened == 1
    _, guest, _ = server.requests
    assert guest.headers["X-Of"] == "guest"
    assert guest.headers["Cookie"] == "a=b"
    assert "Authorization" not in guest.headers


async def test_a_lent_session_may_be_forgotten(sessions: SessionManager, server: LoopbackServer) -> None:
    """Nobody complains of it, and the shared session is as before."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    lent = await sessions.lend()
    await fetch(lent, server.url)
    del lent
    gc.collect()
    assert complaints == []
    assert await fetch(await sessions.get(), server.url) == 200
    assert server.connections_opened == 1


async def test_repr_tells_the_living_state(sessions: SessionManager, server: LoopbackServer) -> None:
    """Open, in use, idle, waiting; closed, and by whom."""
    session = await sessions.get()
    response = await session.get(server.url + "/stall")
    assert repr(session) == ("<lastcall session 'default' open: 1 in use, 0 idle, 0 waiting, loop running>")
    assert "2 profiles" not in repr(sessions)
    assert "1 sessions on 1 loops" in repr(sessions)
    response.close()
    await sessions.close(grace=0)
    assert repr(session).startswith("<lastcall session 'default' closed by ")
    assert "test_manager.py:" in repr(session)
    assert "test_manager.py:" in repr(sessions)


async def test_an_unknown_name_is_refused(sessions: SessionManager) -> None:
    """A name that is not declared raises UnknownProfileError."""
    with pytest.raises(UnknownProfileError, match="'github'; declared: 'default'"):
        await sessions.get("github")


async def test_a_name_stands_for_one_profile() -> None:
    """The same profile may be declared twice, another one of that name may not; "default" not once in use."""
    sessions = SessionManager(SessionProfile("a", limit=3))
    sessions.add(SessionProfile("a", limit=3))
    with pytest.raises(ProfileError, match="stands for another profile"):
        sessions.add(SessionProfile("a", limit=4))
    await sessions.get()
    with pytest.raises(ProfileError, match="stands for another profile"):
        sessions.add(SessionProfile(limit=4))
    await sessions.close()


async def test_closing_while_others_get(server: LoopbackServer) -> None:
    """Whoever asks during a closing gets a session that works or a clear error, never one half closed."""
    sessions = SessionManager()

    async def borrow() -> object:
        try:
            return await fetch(await sessions.get(), server.url)
        except SessionClosedError as error:
            return type(error)

    borrowers = [asyncio.create_task(borrow()) for _ in range(50)]
    await asyncio.sleep(0)
    await sessions.close(grace=5)
    borrowers += [asyncio.create_task(borrow()) for _ in range(50)]
    answers = await asyncio.gather(*borrowers)
    assert answers[:50] == [200] * 50
    assert answers[50:] == [SessionClosedError] * 50


async def test_the_shared_session_opens_anew_after_its_close(server: LoopbackServer) -> None:
    """`close_shared_session` closes this loop's session only, and the next call opens another."""
    first = await get_shared_session()
    (closed,) = await close_shared_session()
    assert "test_manager.py:" in closed.closed_by
    second = await get_shared_session()
    assert first.closed
    assert second is not first
    assert await fetch(second, server.url) == 200
    assert await shared_manager().get() is second
    await close_shared_session()


async def test_closing_the_shared_session_leaves_other_threads_alone(server: LoopbackServer) -> None:
    """Another thread's loop keeps its session."""
    opened, checked = threading.Event(), threading.Event()

    async def other() -> int:
        session = await get_shared_session()
        opened.set()
        await asyncio.to_thread(checked.wait, 10)
        return await fetch(session, server.url)

    status = asyncio.create_task(asyncio.to_thread(asyncio.run, other()))
    await asyncio.to_thread(opened.wait, 10)
    await get_shared_session()
    await close_shared_session()
    checked.set()
    assert await status == 200


async def test_close_closes_the_sessions_of_other_threads_too(sessions: SessionManager) -> None:
    """A manager closes on every loop that runs."""
    opened, closed = threading.Event(), threading.Event()

    async def other() -> bool:
        session = await sessions.get()
        opened.set()
        await asyncio.to_thread(closed.wait, 10)
        return session.closed

    was_closed = asyncio.create_task(asyncio.to_thread(asyncio.run, other()))
    await asyncio.to_thread(opened.wait, 10)
    await sessions.get()
    assert len(await sessions.close()) == 2
    closed.set()
    assert await was_closed
