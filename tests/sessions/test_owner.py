"""Services that own a session or borrow one."""

import asyncio
import io
import pickle
from dataclasses import dataclass

import aiohttp
import pytest

from lastcall import OwnershipError, SessionManager, SessionOwner, SessionProfile
from lastcall.testing import LoopbackServer


class Service(SessionOwner):
    """A service as a user writes one."""

    def __init__(self, url: str, *, session: aiohttp.ClientSession | None = None) -> None:
        super().__init__(session=session)
        self._url = url

    async def call(self) -> int:
        """Make a request."""
        async with self.session.get(self._url) as response:
            await response.read()
            return response.status


async def test_an_owner_opens_one_session_and_closes_it(server: LoopbackServer) -> None:
    """All calls inside share a connection, and none is open at the end."""
    async with Service(server.url) as service:
        assert [await service.call() for _ in range(3)] == [200, 200, 200]
    assert await server.await_until_no_connections()
    assert server.connections_opened == 1


async def test_an_owner_closes_when_its_block_raises(server: LoopbackServer) -> None:
    """The exception goes on its way, and no connection is left."""

    async def use() -> None:
        async with Service(server.url) as service:
            await service.call()
            raise LookupError

    with pytest.raises(LookupError):
        await use()
    assert await server.await_until_no_connections()


async def test_an_owner_closes_within_a_limit_when_cancelled(server: LoopbackServer) -> None:
    """A task that is cancelled beside an upload that nobody reads ends, with no connection left."""

    async def use() -> None:
        async with Service(server.url) as service:
            upload = io.BytesIO(b"x" * 30_000_000)
            async with service.session.post(server.url + "/noread", data=upload):
                await asyncio.sleep(60)

    task = asyncio.create_task(use())
    assert await server.await_until(lambda: server.requests_in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await task
    server.release()  # only a server that reads sees the end of a connection
    assert await server.await_until_no_connections()


async def test_an_owner_can_be_entered_again(server: LoopbackServer) -> None:
    """Each block has a session of its own."""
    service = Service(server.url)
    async with service:
        first = service.session
    async with service:
        assert service.session is not first
        assert await service.call() == 200
    assert await server.await_until_no_connections()


async def test_an_owner_uses_its_classes_profile_or_one_it_is_given(server: LoopbackServer) -> None:
    """`profile` as an attribute of the class, and as an argument before it."""

    class Named(SessionOwner):
        profile = SessionProfile("named", base_url=server.url)

    async with Named() as of_class, Named(profile=SessionProfile("given")) as given:
        assert "'named'" in repr(of_class.session)
        assert "'given'" in repr(given.session)
        async with of_class.session.get("/") as response:
            assert response.status == 200


async def test_a_borrower_is_ready_at_once_and_never_closes(
    server: LoopbackServer, sessions: SessionManager
) -> None:
    """With `async with` and without it, the shared session stays open for others, without a warning."""
    service = Service(server.url, session=await sessions.get())
    assert await service.call() == 200
    async with service as entered, service:
        assert entered is service
    assert await service.call() == 200
    assert server.connections_opened == 1


async def test_a_borrower_does_not_close_a_plain_session(server: LoopbackServer) -> None:
    """A session of aiohttp's own is its opener's as well."""
    async with aiohttp.ClientSession() as session:
        async with Service(server.url, session=session):
            pass
        assert not session.closed


async def test_a_subclass_that_forgets_its_base_owns(server: LoopbackServer) -> None:
    """A dataclass calls no constructor of its bases; it can still be entered."""

    @dataclass
    class Plain(SessionOwner):
        url: str

    service = Plain(server.url)
    with pytest.raises(OwnershipError):
        _ = service.session
    async with service, service.session.get(service.url) as response:
        assert response.status == 200


async def test_an_owner_outside_async_with_is_told_the_right_form() -> None:
    """The error shows the wrong form and both right ones, with the class's name."""
    with pytest.raises(OwnershipError) as caught:
        await Service("http://127.0.0.1").call()
    message = str(caught.value)
    assert "Service: it opens its session when it is entered, and was not" in message
    assert "wrong:  service = Service(...); await service.call()" in message
    assert "right:  async with Service(...) as service: await service.call()" in message
    assert "right:  service = Service(..., session=shared); await service.call()" in message


async def test_an_owner_after_its_end_is_told_where_it_ended() -> None:
    """The error names the line of the `async with` that closed the session."""
    async with Service("http://127.0.0.1") as service:
        pass
    with pytest.raises(OwnershipError, match=r"test_owner\.py:\d+"):
        _ = service.session


async def test_an_owner_cannot_be_entered_twice_at_once(server: LoopbackServer) -> None:
    """The second is refused, and the first goes on as if nothing had been."""
    async with Service(server.url) as service:
        with pytest.raises(OwnershipError, match="twice at once"):
            async with service:
                pass
        assert await service.call() == 200


async def test_an_owner_whose_session_cannot_be_opened_is_as_before() -> None:
    """What aiohttp says of the profile goes on its way, and does not count as an entry."""
    service = SessionOwner(profile=SessionProfile(ssl=7))
    for _ in range(2):
        with pytest.raises(TypeError):
            await service.__aenter__()
    assert repr(service) == "<SessionOwner owns a session, not open yet>"


async def test_a_repr_tells_the_role_and_the_state(sessions: SessionManager) -> None:
    """Owner or borrower; not open, open, closed."""
    service = Service("http://127.0.0.1")
    assert repr(service) == "<Service owns a session, not open yet>"
    async with service:
        assert repr(service).startswith("<Service owns <lastcall session 'default' open")
    assert repr(service).startswith("<Service owns <lastcall session 'default' closed by")
    borrower = Service("http://127.0.0.1", session=await sessions.get())
    assert repr(borrower).startswith("<Service borrows <lastcall session 'default' open")


def test_the_error_survives_pickling() -> None:
    """It arrives from a child process with its data and its message."""
    error = OwnershipError("Service", "a problem", "a wrong form")
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
