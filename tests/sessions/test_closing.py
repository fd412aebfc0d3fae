"""Closing under others: it is bounded, and nobody is left hanging or without a reason."""

import asyncio
import io
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import aiohttp.web
import pytest

from lastcall.errors import LastcallError, SessionClosedError
from lastcall.sessions import ClosedSession, SessionManager, SessionProfile, SharedConnector, SharedSession
from lastcall.testing import ConnectionEnd, LoopbackServer

LIMIT = 5.0


@pytest.fixture
def silent_peer() -> Iterator[str]:
    """A listening socket that accepts in the kernel only: nobody reads, nobody answers."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until *condition* holds."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def outcome(awaitable: Awaitable[object]) -> object:
    """Return what *awaitable* gives or raises, within the limit."""
    async with asyncio.timeout(LIMIT):
        try:
            return await awaitable
        except Exception as error:
            return error


async def closed_under(sessions: SessionManager, victim: "asyncio.Task[object]") -> object:
    """Close without grace once *victim* waits, and return what it got."""
    session = await sessions.get()
    await until(lambda: session.shared.in_use > 0)
    await asyncio.sleep(0.02)
    async with asyncio.timeout(LIMIT):
        await sessions.close(grace=0)
    return await outcome(victim)


def says_who(error: object) -> bool:
    """Whether *error* is ours and names this file."""
    return isinstance(error, SessionClosedError) and "test_closing.py:" in error.closed_by


async def test_a_reader_of_a_body_gets_the_error(sessions: SessionManager, server: LoopbackServer) -> None:
    """`response.read()` that waits for a body raises SessionClosedError instead of hanging."""

    async def read() -> object:
        async with (await sessions.get()).get(server.url + "/stall") as response:
            return await response.read()

    assert says_who(await closed_under(sessions, asyncio.create_task(read())))


async def test_a_reader_of_a_stream_gets_the_error(sessions: SessionManager, server: LoopbackServer) -> None:
    """`async for` over a body that stalls raises SessionClosedError."""

    async def stream() -> object:
        async with (await sessions.get()).get(server.url + "/stall") as response:
            async for _ in response.content.iter_any():
                pass
        return "ended"

    assert says_who(await closed_under(sessions, asyncio.create_task(stream())))


async def test_who_reads_on_after_the_closing_gets_the_error(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """A body that is read only after the closing raises SessionClosedError too."""
    response = await (await sessions.get()).get(server.url + "/stall")
    await sessions.close(grace=0)
    assert says_who(await outcome(response.read()))


async def test_a_waiter_for_headers_gets_the_error(sessions: SessionManager, server: LoopbackServer) -> None:
    """A request whose answer has not begun raises SessionClosedError, and is not sent again."""

    async def request() -> object:
        return await (await sessions.get()).get(server.url + "/hang")

    assert says_who(await closed_under(sessions, asyncio.create_task(request())))
    assert len(server.requests) == 1


async def test_a_waiter_for_a_slot_gets_the_error_and_no_cancellation(server: LoopbackServer) -> None:
    """A call that waits for a free connection raises SessionClosedError, not CancelledError."""
    sessions = SessionManager(SessionProfile(limit=1))
    session = await sessions.get()
    holder = asyncio.create_task(outcome(session.get(server.url + "/hang")))
    waiter = asyncio.create_task(outcome(session.get(server.url + "/hang")))
    await until(lambda: session.shared.waiting == 1)
    await sessions.close(grace=0)
    assert says_who(await waiter)
    assert waiter.cancelling() == 0
    assert says_who(await holder)


async def test_who_is_still_connecting_gets_the_error(
    sessions: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that waits for TCP, TLS or DNS raises SessionClosedError at once."""
    session = await sessions.get()

    async def resolve(*_args: object, **_options: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(session.shared._resolver, "resolve", resolve)
    victim = asyncio.create_task(outcome(session.get("http://never.invalid/")))
    assert says_who(await closed_under(sessions, victim))
    assert victim.cancelling() == 0


async def test_a_websocket_receiver_gets_the_reason(sessions: SessionManager, server: LoopbackServer) -> None:
    """`receive()` returns an ERROR message whose data says who closed the session."""

    async def receive() -> object:
        async with (await sessions.get()).ws_connect(server.url + "/websocket") as websocket:
            return await websocket.receive()

    message = await closed_under(sessions, asyncio.create_task(receive()))
    assert isinstance(message, aiohttp.WSMessage)
    assert message.type is aiohttp.WSMsgType.ERROR
    assert isinstance(message.data, LastcallError)
    assert says_who(message.data.__cause__)


async def test_an_upload_that_the_peer_does_not_read_is_aborted(
    sessions: SessionManager, silent_peer: str
) -> None:
    """Closing does not wait for a peer that does not read, which aiohttp by itself does for ever."""
    session = await sessions.get()
    victim = asyncio.create_task(outcome(session.post(silent_peer, data=io.BytesIO(b"x" * 30_000_000))))
    await until(lambda: session.shared.in_use == 1)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(LIMIT):
        (closed,) = await sessions.close(grace=0)
    assert closed.aborted == 1
    assert says_who(await victim)


async def test_an_upload_answered_early_does_not_hang_the_closing(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """Closing ends although the server answered without reading what is still being sent."""
    response = await (await sessions.get()).post(server.url + "/noread", data=io.BytesIO(b"x" * 30_000_000))
    async with asyncio.timeout(LIMIT):
        await sessions.close(grace=0)
    server.release()  # only a server that reads sees the end of a connection
    assert await server.await_until_no_connections()
    response.close()


async def test_the_grace_lets_a_response_end(sessions: SessionManager, server: LoopbackServer) -> None:
    """What ends within the grace is not cut off, and the closing does not wait any longer than that."""
    session = await sessions.get()

    async def read() -> str:
        async with session.get(server.url + "/slow?seconds=0.1") as response:
            return await response.text()

    reader = asyncio.create_task(read())
    await until(lambda: session.shared.in_use == 1)
    async with asyncio.timeout(LIMIT):
        (closed,) = await sessions.close(grace=60)
    assert closed.cut_off == ()
    assert "true" in await reader


async def test_a_redirect_is_followed_within_the_grace(sessions: SessionManager) -> None:
    """Between two hops a call holds no connection, and is at work nevertheless."""

    def app() -> aiohttp.web.Application:
        async def first(_request: aiohttp.web.Request) -> aiohttp.web.Response:
            await asyncio.sleep(0.1)
            raise aiohttp.web.HTTPFound("/second")

        async def second(_request: aiohttp.web.Request) -> aiohttp.web.Response:
            return aiohttp.web.Response(text="arrived")

        routes = aiohttp.web.Application()
        routes.add_routes([aiohttp.web.get("/first", first), aiohttp.web.get("/second", second)])
        return routes

    with LoopbackServer(app) as server:
        session = await sessions.get()

        async def read() -> str:
            async with session.get(server.url + "/first") as response:
                return await response.text()

        reader = asyncio.create_task(read())
        await until(lambda: session.shared.in_use == 1)
        await sessions.close(grace=LIMIT)
        assert await outcome(reader) == "arrived"


async def test_new_requests_are_refused_during_the_grace(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """While open responses are waited for, a new request raises SessionClosedError."""
    session = await sessions.get()
    response = await session.get(server.url + "/stall")
    closing = asyncio.create_task(sessions.close(grace=60))
    await until(lambda: session.shared.ending is not None)
    assert says_who(await outcome(session.get(server.url)))
    server.release()
    await response.read()
    await closing


async def test_after_the_closing_requests_and_get_are_refused(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """A closed session and a closed manager raise SessionClosedError, which names who closed them."""
    session = await sessions.get()
    await sessions.close()
    assert says_who(await outcome(session.get(server.url)))
    with pytest.raises(SessionClosedError, match=r"session manager was closed by .*test_closing.py:"):
        await sessions.get()


async def test_a_lent_session_is_refused_too(sessions: SessionManager, server: LoopbackServer) -> None:
    """Closing the manager ends what it lent."""
    lent = await sessions.lend()
    await sessions.close()
    assert says_who(await outcome(lent.get(server.url)))


async def test_what_was_cut_off_is_named(
    sessions: SessionManager, server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The report and one warning say host, request line, task, line and who closed, and no query."""

    async def read() -> object:
        async with (await sessions.get()).get(server.url + "/stall?token=secret") as response:
            return await response.read()  # the line named

    victim = asyncio.create_task(outcome(read()), name="reader 7")
    await until(lambda: len(server.requests) == 1)
    await asyncio.sleep(0.02)
    with caplog.at_level(logging.WARNING, "lastcall"):
        (closed,) = await sessions.close(grace=0)
    await victim
    (request,) = closed.cut_off
    assert (request.method, request.path, request.task) == ("GET", "/stall", "reader 7")
    assert request.line is not None
    assert "test_closing.py:" in request.line
    (record,) = caplog.records
    message = record.getMessage()
    assert f"GET {request.host}/stall at {request.line}" in message
    assert "secret" not in message + repr(closed)


async def test_the_last_opened_is_closed_first() -> None:
    """Profiles are closed in the reverse of the order in which their sessions were opened."""
    sessions = SessionManager(SessionProfile("a"), SessionProfile("b"), SessionProfile("c"))
    for name in ("b", "c", "a"):
        await sessions.get(name)
    assert [closed.session for closed in await sessions.close()] == ["a", "c", "b"]


async def test_every_close_runs_and_failures_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be closed does not keep the others open; all failures are raised as a group."""
    sessions = SessionManager(SessionProfile("a"), SessionProfile("b"), SessionProfile("c"))
    opened = {name: await sessions.get(name) for name in ("a", "b", "c")}
    close_for_good = SharedConnector.close_for_good

    async def fail(connector: SharedConnector) -> None:
        await close_for_good(connector)
        if connector.session != "b":
            raise OSError(connector.session)

    monkeypatch.setattr(SharedConnector, "close_for_good", fail)
    with pytest.raises(ExceptionGroup) as caught:
        await sessions.close()
    assert sorted(str(error) for error in flat(caught.value)) == ["a", "c"]
    assert all(session.closed for session in opened.values())


def flat(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    """Yield the errors of a group and of the groups in it."""
    for error in group.exceptions:
        yield from flat(error) if isinstance(error, ExceptionGroup) else [error]


async def test_a_cancelled_close_closes_at_once_and_stays_cancelled(
    sessions: SessionManager, server: LoopbackServer
) -> None:
    """Cancellation ends the grace, not the closing, and goes on its way."""
    session = await sessions.get()
    response = await session.get(server.url + "/stall")
    closing = asyncio.create_task(sessions.close(grace=600))
    await until(lambda: session.shared.ending is not None)
    closing.cancel()
    async with asyncio.timeout(LIMIT):
        with pytest.raises(asyncio.CancelledError):
            await closing
    assert session.closed
    assert await server.await_until_no_connections()
    response.close()


@pytest.fixture
async def used(sessions: SessionManager, server: LoopbackServer) -> SharedSession:
    """A session with five idle connections."""
    session = await sessions.get()
    await asyncio.gather(*(read(session, server.url + "/slow?seconds=0.02") for _ in range(5)))
    return session


async def read(session: aiohttp.ClientSession, url: str) -> bytes:
    """Make one request and read it to its end."""
    async with session.get(url) as response:
        return await response.read()


async def test_idle_connections_are_gone_when_close_returns(
    sessions: SessionManager, used: SharedSession, server: LoopbackServer
) -> None:
    """The server sees an orderly end of each connection, while the loop still runs."""
    assert used.shared.idle == 5
    await sessions.close()
    assert await server.await_until_no_connections()
    assert server.connection_ends == {ConnectionEnd.PEER: 5}


async def test_closing_twice_is_closing_once(sessions: SessionManager, used: SharedSession) -> None:
    """The second close finds nothing to do."""
    first, second = await sessions.close(), await sessions.close()
    assert [type(closed) for closed in first] == [ClosedSession]
    assert second == ()


async def test_two_sessions_of_different_managers_are_closed_apart(
    sessions: SessionManager, used: SharedSession
) -> None:
    """Closing one manager leaves the sessions of another alone."""
    async with SessionManager() as others:
        other = await others.get()
    assert other.closed
    assert not used.closed
