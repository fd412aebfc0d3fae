"""Sessions of an aiohttp.web application."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from lastcall import ProfileError, SessionManager, SessionProfile, SetupError
from lastcall.aiohttp_web import SESSIONS, session, sessions_ctx

from .conftest import Upstream


async def pass_on(request: web.Request) -> web.Response:
    """Pass the request on, through the profile that the query names."""
    upstream = await session(request, request.query.get("profile", "default"))
    async with upstream.get("/echo") as response:
        return web.Response(text=repr(upstream), status=response.status)


def application(*given: SessionProfile | SessionManager) -> web.Application:
    """Make an application with a manager, if something is given."""
    app = web.Application()
    app.router.add_get("/", pass_on)
    if given:
        app.cleanup_ctx.append(sessions_ctx(*given))
    return app


async def test_handlers_share_a_session_that_ends_with_the_application(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """One connection serves all requests, by profile, and none is left."""
    async with TestClient(TestServer(application(*profiles))) as client:
        for _ in range(3):
            assert "'api'" in await (await client.get("/?profile=api")).text()
        assert "'default'" in await (await client.get("/")).text()
        assert upstream.connections_opened == 2
    assert await upstream.await_until_no_connections()


async def test_a_sub_application_finds_the_manager_of_its_parent(
    profiles: list[SessionProfile],
) -> None:
    """Two floors down as well."""
    app, middle, inner = application(*profiles), application(), application()
    middle.add_subapp("/inner", inner)
    app.add_subapp("/middle", middle)
    async with TestClient(TestServer(app)) as client:
        assert "'api'" in await (await client.get("/middle/inner/?profile=api")).text()


async def test_a_sub_application_may_have_a_manager_of_its_own(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """The nearest one is taken, and both are closed."""
    app, sub = application(profiles[0]), application(profiles[1])
    app.add_subapp("/sub", sub)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/")).status == 200
        assert (await client.get("/sub/?profile=api")).status == 200
        assert app[SESSIONS] is not sub[SESSIONS]
    assert await upstream.await_until_no_connections()


async def test_a_context_may_use_sessions_to_its_end(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """Contexts appended later are entered later and left earlier."""
    app = application(*profiles)

    async def context(app: web.Application):  # type: ignore[no-untyped-def]
        async with (await app[SESSIONS].get("api")).get("/echo"):
            yield
        async with (await app[SESSIONS].get("api")).get("/bytes/10"):
            pass

    app.cleanup_ctx.append(context)
    async with TestClient(TestServer(app)):
        pass
    assert [request.path for request in upstream.requests] == ["/echo", "/bytes/10"]
    assert await upstream.await_until_no_connections()


async def test_sessions_are_closed_when_the_start_fails_half_way(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """A later context that raises leaves no connection open."""
    app = application(*profiles)

    async def context(app: web.Application):  # type: ignore[no-untyped-def]
        async with (await app[SESSIONS].get("api")).get("/echo"):
            raise LookupError
        yield

    app.cleanup_ctx.append(context)
    runner = web.AppRunner(app)
    with pytest.raises(LookupError):
        await runner.setup()
    await runner.cleanup()
    assert await upstream.await_until_no_connections()


async def test_a_manager_given_serves_several_applications_in_a_row(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """The end of an application closes the sessions of its loop, not the manager."""
    manager = SessionManager(*profiles)
    for _ in range(2):
        async with TestClient(TestServer(application(manager))) as client:
            assert (await client.get("/?profile=api")).status == 200
        assert await upstream.await_until_no_connections()
    assert not manager.closed


async def test_a_closed_manager_is_refused_at_the_start() -> None:
    """The error tells by whom it was closed."""
    async with SessionManager() as manager:
        pass
    runner = web.AppRunner(application(manager))
    with pytest.raises(SetupError, match=r"closed by .*test_aiohttp_web\.py:\d+"):
        await runner.setup()
    await runner.cleanup()


async def test_an_application_without_a_manager_is_told_the_line_to_write(upstream: Upstream) -> None:
    """The remedy is in the error, which reaches the server's log."""
    problems: list[BaseException] = []

    @web.middleware
    async def note(request: web.Request, handler):  # type: ignore[no-untyped-def]
        try:
            return await handler(request)
        except SetupError as error:
            problems.append(error)
            raise web.HTTPInternalServerError from error

    app = application()
    app.middlewares.append(note)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/")).status == 500
    assert "app.cleanup_ctx.append(lastcall.aiohttp_web.sessions_ctx(...))" in str(problems[0])


async def test_a_second_manager_in_one_application_is_refused() -> None:
    """Otherwise one of them would be used by nobody."""
    app = application(SessionProfile())
    app.cleanup_ctx.append(sessions_ctx())
    runner = web.AppRunner(app)
    with pytest.raises(SetupError, match="has a manager already"):
        await runner.setup()
    await runner.cleanup()


def test_what_is_neither_manager_nor_profile_is_refused_at_once() -> None:
    """Also a manager beside profiles, and two profiles of one name."""
    with pytest.raises(TypeError, match=r"not \(Application\)"):
        sessions_ctx(web.Application())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="one SessionManager"):
        sessions_ctx(SessionManager(), SessionProfile())
    with pytest.raises(ProfileError):
        sessions_ctx(SessionProfile(limit=1), SessionProfile(limit=2))
