"""Sessions of FastAPI and Starlette applications."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from unittest.mock import AsyncMock

import aiohttp
import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from lastcall import (
    SessionClosedError,
    SessionManager,
    SessionProfile,
)
from lastcall.fastapi import SharedSession, get_manager, lifespan, manager_of, session

from .applications import Api, application, call
from .conftest import Upstream


def test_endpoints_share_a_session_that_ends_with_the_application(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """One connection serves all requests, and none is left."""
    with TestClient(application(lifespan=lifespan(profiles))) as client:
        for _ in range(3):
            assert "'api' open" in client.get("/").text
        assert upstream.connections_opened == 1
    assert upstream.wait_until_no_connections()


def test_every_dependency_of_a_request_gets_the_same_session(profiles: list[SessionProfile]) -> None:
    """The default one, the one by name, and the manager; none is a parameter of the request."""
    app = FastAPI(lifespan=lifespan(profiles))

    @app.get("/")
    async def compare(
        default: SharedSession,
        named: Annotated[aiohttp.ClientSession, session("default")],
        api: Api,
        manager: Annotated[SessionManager, Depends(get_manager)],
    ) -> bool:
        return default is named is await manager.get() and api is await manager.get("api")

    with TestClient(app) as client:
        assert client.get("/").json() is True
        assert "parameters" not in client.get("/openapi.json").json()["paths"]["/"]["get"]


def test_a_websocket_gets_a_session(profiles: list[SessionProfile]) -> None:
    """The same dependencies serve both kinds of connection."""
    app = FastAPI(lifespan=lifespan(profiles))

    @app.websocket("/")
    async def pass_on(socket: WebSocket, api: Api) -> None:
        await socket.accept()
        async with api.get("/echo") as response:
            await socket.send_json(response.status)
        await socket.close()

    with TestClient(app) as client, client.websocket_connect("/") as socket:
        assert socket.receive_json() == 200


def test_plain_starlette_asks_with_a_function(profiles: list[SessionProfile]) -> None:
    """`manager_of(request)` needs no dependencies."""

    async def endpoint(request: Request) -> PlainTextResponse:
        api = await manager_of(request).get("api")
        async with api.get("/echo") as response:
            return PlainTextResponse(str(response.status))

    app = Starlette(routes=[Route("/", endpoint)], lifespan=lifespan(profiles))
    with TestClient(app) as client:
        assert client.get("/").text == "200"


def test_an_inner_lifespan_may_use_sessions_to_its_end_and_keeps_its_state(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """It is entered last and left first."""

    @asynccontextmanager
    async def inner(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with (await manager_of(app).get()).get("/echo"):
            pass
        yield {"mine": 7}
        async with (await manager_of(app).get()).get("/bytes/10"):
            pass

    app = application(lifespan=lifespan(profiles, inner))

    @app.get("/mine")
    async def mine(request: Request) -> int:
        value = request.state.mine
        assert isinstance(value, int)
        return value

    with TestClient(app) as client:
        assert client.get("/mine").json() == 7
    assert [request.path for request in upstream.requests] == ["/echo", "/bytes/10"]
    assert upstream.wait_until_no_connections()


def test_an_applications_present_lifespan_can_be_wrapped(profiles: list[SessionProfile]) -> None:
    """Whatever stands in `router.lifespan_context`, the handlers of FastAPI's old events too."""
    started: list[str] = []
    app = application(on_startup=[lambda: started.append("start")])
    app.router.lifespan_context = lifespan(profiles, app.router.lifespan_context)
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    assert started == ["start"]


def test_an_inner_lifespan_without_its_decorator_is_understood(profiles: list[SessionProfile]) -> None:
    """As FastAPI does itself."""

    async def inner(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"mine": 7}

    with TestClient(application(lifespan=lifespan(profiles, inner))) as client:  # type: ignore[arg-type]
        assert client.get("/").status_code == 200
        assert client.app_state["mine"] == 7


@pytest.mark.parametrize("when", ["start", "end"])
def test_sessions_are_closed_when_an_inner_lifespan_raises(
    upstream: Upstream, profiles: list[SessionProfile], when: str
) -> None:
    """Half way, or at its end: the error goes on its way, and the lifespan closes, not the keeper."""
    managers: list[SessionManager] = []

    @asynccontextmanager
    async def inner(app: FastAPI) -> AsyncIterator[None]:
        managers.append(manager_of(app))
        async with (await managers[0].get()).get("/echo"):
            pass
        if when == "start":
            raise LookupError
        yield
        raise LookupError

    client = TestClient(application(lifespan=lifespan(profiles, inner)))
    with pytest.raises(LookupError), client:
        assert when == "end"
    assert repr(managers[0]) == "<SessionManager closed by the shutdown of 'FastAPI'>"
    assert upstream.wait_until_no_connections()


def test_a_test_can_put_its_own_session_in_place(profiles: list[SessionProfile]) -> None:
    """FastAPI's overrides know a profile's dependency by its name."""
    app = application(lifespan=lifespan(profiles))

    @asynccontextmanager
    async def nothing() -> AsyncIterator[AsyncMock]:
        yield AsyncMock()

    class Fake:
        def get(self, _path: str) -> Any:
            return nothing()

        def __repr__(self) -> str:
            return "<fake>"

    app.dependency_overrides[session("api").dependency] = Fake
    with TestClient(app) as client:
        assert client.get("/").json() == "<fake>"


def test_an_application_can_be_started_again(upstream: Upstream, profiles: list[SessionProfile]) -> None:
    """Each start has a manager of its own."""
    app = application(lifespan=lifespan(profiles))
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/").status_code == 200
        assert upstream.wait_until_no_connections()


def test_a_manager_given_can_be_started_again(upstream: Upstream, profiles: list[SessionProfile]) -> None:
    """A shutdown closes the sessions of its loop; the manager stays as usable as it was."""
    manager = SessionManager(*profiles)
    app = application(lifespan=lifespan(manager))
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/").status_code == 200
        assert upstream.wait_until_no_connections()
    assert not manager.closed


def test_two_applications_in_a_process_do_not_meet(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """The end of one leaves the other at work."""
    first, second = (application(lifespan=lifespan(profiles)) for _ in range(2))
    with TestClient(first) as client:
        with TestClient(second) as other:
            assert other.get("/").status_code == 200
        assert client.get("/").status_code == 200
    assert upstream.wait_until_no_connections()


def test_a_late_request_is_told_who_closed_its_session(profiles: list[SessionProfile]) -> None:
    """A task that outlives the application gets an error, not a session that nobody closes."""
    managers: list[SessionManager] = []

    @asynccontextmanager
    async def inner(app: FastAPI) -> AsyncIterator[None]:
        managers.append(manager_of(app))
        yield

    with TestClient(application(lifespan=lifespan(profiles, inner), title="Shop")):
        pass
    with pytest.raises(SessionClosedError, match="closed by the shutdown of 'Shop'"):
        asyncio.run(managers[0].get())


def test_a_mounted_application_finds_the_manager_it_is_mounted_under(
    profiles: list[SessionProfile],
) -> None:
    """Its own lifespan does not run; that of the outermost application does."""
    app = FastAPI(lifespan=lifespan(profiles))
    app.mount("/sub", application())
    with TestClient(app) as client:
        assert "'api' open" in client.get("/sub/").text


def test_a_mounted_application_that_was_started_has_its_own_manager(
    upstream: Upstream, profiles: list[SessionProfile]
) -> None:
    """An inner lifespan may start it; then the nearest manager is taken."""
    sub = application(lifespan=lifespan(profiles))

    @asynccontextmanager
    async def inner(_app: FastAPI) -> AsyncIterator[None]:
        async with sub.router.lifespan_context(sub):
            yield

    app = FastAPI(lifespan=lifespan(inner=inner))
    app.mount("/sub", sub)
    with TestClient(app) as client:
        assert "'api' open" in client.get("/sub/").text
    assert upstream.wait_until_no_connections()


def test_a_server_without_lifespan_state_can_be_served(profiles: list[SessionProfile]) -> None:
    """Nothing is asked of it where nothing is mounted."""
    app = application(lifespan=lifespan(profiles))

    async def start_and_call() -> int:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        status = 0

        async def receive() -> dict[str, str]:
            return next(messages)

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "lifespan.startup.complete":
                status = await call(app)

        await app({"type": "lifespan"}, receive, send)
        return status

    assert asyncio.run(start_and_call()) == 200
