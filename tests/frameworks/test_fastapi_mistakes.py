"""What is wrong with an application is said in one sentence, with what to do; nothing is left open."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import aiohttp
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.testclient import TestClient

from lastcall import (
    ProfileError,
    SessionManager,
    SessionProfile,
    SetupError,
    UnknownProfileError,
)
from lastcall.fastapi import lifespan, manager_of, session

from .applications import application, call
from .conftest import Upstream


def test_a_client_that_does_not_start_the_application_is_told_to(profiles: list[SessionProfile]) -> None:
    """`TestClient(app)` without `with` runs no lifespan."""
    with pytest.raises(SetupError, match=r"in tests `with TestClient\(app\) as client:`"):
        TestClient(application(lifespan=lifespan(profiles))).get("/")


def test_an_application_that_has_ended_is_not_running(profiles: list[SessionProfile]) -> None:
    """The same words after the end as before the start."""
    app = application(lifespan=lifespan(profiles))
    with TestClient(app):
        pass
    with pytest.raises(SetupError, match="the lifespan of 'FastAPI' does not run"):
        TestClient(app).get("/")


def test_a_mounted_application_alone_is_told_where_its_lifespan_goes(
    profiles: list[SessionProfile],
) -> None:
    """The outermost application has no manager, and the mounted one's lifespan does not run."""
    app = FastAPI()
    app.mount("/sub", application(lifespan=lifespan(profiles), title="Sub"))
    with TestClient(app) as client, pytest.raises(SetupError, match="'Sub' is mounted"):
        client.get("/sub/")


def test_a_second_start_at_once_is_refused(upstream: Upstream, profiles: list[SessionProfile]) -> None:
    """On the same loop; the first goes on as if nothing had been, a manager that was given too."""
    app = application(lifespan=lifespan(SessionManager(*profiles)))

    async def start_twice() -> None:
        async with app.router.lifespan_context(app):
            assert await call(app) == 200
            with pytest.raises(SetupError, match="'FastAPI' is started already"):
                await app.router.lifespan_context(app).__aenter__()
            assert await call(app) == 200
            assert upstream.connections_opened == 1

    asyncio.run(start_twice())
    assert upstream.wait_until_no_connections()


def test_a_request_on_another_loop_is_refused(upstream: Upstream, profiles: list[SessionProfile]) -> None:
    """It would share an application across loops by mistake."""
    app = application(lifespan=lifespan(profiles))
    with TestClient(app), pytest.raises(SetupError, match="started on another event loop"):
        asyncio.run(call(app))
    assert upstream.connections_opened == 0


def test_an_application_may_run_on_several_loops(upstream: Upstream, profiles: list[SessionProfile]) -> None:
    """Started on each of them, it has a manager on each."""
    app = application(lifespan=lifespan(profiles))
    with TestClient(app) as client, TestClient(app) as other:
        assert client.get("/").status_code == other.get("/").status_code == 200
        assert upstream.connections_opened == 2
    assert upstream.wait_until_no_connections()


def test_a_loop_that_died_does_not_bar_the_next_start(profiles: list[SessionProfile]) -> None:
    """A server that was cut off never leaves its lifespan."""
    app = application(lifespan=lifespan(profiles))
    loop = asyncio.new_event_loop()
    running = app.router.lifespan_context(app)
    loop.run_until_complete(running.__aenter__())
    loop.close()
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    with pytest.raises((RuntimeError, KeyError)):
        asyncio.run(running.__aexit__(None, None, None))


@pytest.fixture(params=["directly", "by a dependency", "by an included router"])
def asks_for_unknown(request: pytest.FixtureRequest, profiles: list[SessionProfile]) -> FastAPI:
    """Make applications whose endpoint asks for a profile that is not declared."""
    app = application(lifespan=lifespan(profiles))
    unknown = Annotated[aiohttp.ClientSession, session("ap")]

    async def endpoint(ap: unknown) -> None: ...

    async def needs(value: Annotated[None, Depends(endpoint)]) -> None: ...

    router = APIRouter()
    router.get("/unknown")(needs if request.param == "by a dependency" else endpoint)
    if request.param == "by an included router":
        app.include_router(router)
    else:
        app.get("/unknown")(needs if request.param == "by a dependency" else endpoint)
    return app


def test_an_undeclared_profile_is_found_at_the_start(asks_for_unknown: FastAPI) -> None:
    """The error names it, what was probably meant, and the route."""
    with pytest.raises(UnknownProfileError, match="Did you mean 'api'") as caught:
        TestClient(asks_for_unknown).__enter__()
    assert any("asked for by /unknown" in note for note in caught.value.__notes__)


def test_a_profile_may_be_declared_by_the_inner_lifespan(upstream: Upstream) -> None:
    """What is declared is looked at when the application has started."""

    @asynccontextmanager
    async def inner(app: FastAPI) -> AsyncIterator[None]:
        manager_of(app).add(SessionProfile("api", base_url=upstream.url))
        yield

    with TestClient(application(lifespan=lifespan(inner=inner))) as client:
        assert client.get("/").status_code == 200


def test_what_is_neither_manager_nor_profile_is_refused_at_once(profiles: list[SessionProfile]) -> None:
    """The application's own lifespan in the wrong place, and two profiles of one name."""
    with pytest.raises(TypeError, match=r"not \(function\)"):
        lifespan(lambda _app: None)  # type: ignore[arg-type]
    with pytest.raises(ProfileError):
        lifespan([SessionProfile("api", limit=1), *profiles])


def test_a_closed_manager_is_refused_at_the_start() -> None:
    """The error tells by whom it was closed."""
    manager = SessionManager()
    asyncio.run(manager.close())
    with pytest.raises(SetupError, match="closed already, <SessionManager closed by"):
        TestClient(application(lifespan=lifespan(manager))).__enter__()


def test_the_extra_is_named_where_fastapi_is_missing() -> None:
    """The error is an ImportError with the command to type."""
    program = "import sys; sys.modules['fastapi'] = None; import lastcall.fastapi"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ImportError: lastcall.fastapi needs FastAPI: pip install 'lastcall[fastapi]'" in done.stderr
