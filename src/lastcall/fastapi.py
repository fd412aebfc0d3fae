"""
FastAPI and Starlette: sessions opened with the application, handed to its endpoints, and closed with it.

    app = FastAPI(lifespan=lifespan(SessionProfile("github", base_url="https://api.github.com")))

    @app.get("/user")
    async def user(github: Annotated[ClientSession, session("github")]) -> Any:
        async with github.get("/user") as response:
            return await response.json()

The manager is kept in the application's state, and in the lifespan's for mounted applications; never in a
ContextVar, since requests do not see what a lifespan sets there.
"""

import asyncio
import inspect
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, cast

from aiohttp import ClientSession

from lastcall._fastapi_page import sessions_page
from lastcall.errors import SetupError, UnknownProfileError
from lastcall.sessions import SessionManager, SessionProfile, application_sessions, check_given
from lastcall.sessions import SharedSession as ManagedSession

try:
    from fastapi import Depends
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection
    from starlette.routing import Host, Mount
    from starlette.types import Lifespan
except ImportError as error:
    raise ImportError(
        "lastcall.fastapi needs FastAPI: pip install 'lastcall[fastapi]'", name=error.name
    ) from error

__all__ = [
    "SharedSession",
    "get_manager",
    "get_session",
    "lifespan",
    "manager_of",
    "session",
    "sessions_page",
]

_KEY = "lastcall_sessions"
"""In a lifespan's state the manager; in an application's state the managers, by the loop they started on."""


def lifespan(
    manager_or_profiles: SessionManager | SessionProfile | Iterable[SessionProfile] | None = None,
    inner: Lifespan[Any] | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]:
    """
    Return a lifespan that opens an application's sessions and, at its shutdown, drains and closes them.

    Give it to the outermost application: `FastAPI(lifespan=lifespan(...))`. It can be started any number of
    times in a row, and several applications may have it.

    Args:
        manager_or_profiles: Profiles, or None for "default" alone: each start makes a manager of its own and
            closes it. Or a manager, of which each shutdown closes the sessions of the application's loop; it
            stays usable, for the next start and for other loops.

        inner: The application's own lifespan, an `app.router.lifespan_context` for example. It is entered
            after the manager and left before it, so its start-up and shutdown may use `manager_of(app)`; its
            state is kept.

    Raises:
        TypeError: For something that is neither manager nor profile.

        ProfileError: If two different profiles have the same name.

        SetupError: On start, if the application is started already, or the manager given is closed.

        UnknownProfileError: On start, if an endpoint asks for a profile that is not declared.
    """
    given = check_given("lifespan(..., inner=...)", _as_tuple(manager_or_profiles))
    enter = asynccontextmanager(inner) if inspect.isasyncgenfunction(inner) else inner or _nothing

    @asynccontextmanager
    async def run(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        loop = asyncio.get_running_loop()
        managers = _managers(app)
        if loop in managers:
            raise SetupError(f"{_name(app)} is started already: end the one lifespan before the next begins")
        async with application_sessions(given, by=f"the shutdown of {_name(app)}") as manager:
            managers[loop] = manager
            try:
                async with enter(app) as inner_state:
                    _check_declared(app, manager)
                    yield _state(app, manager, inner_state)
            finally:
                del managers[loop]

    return run


def manager_of(where: HTTPConnection | Starlette) -> SessionManager:
    """
    Return the manager of a request, a websocket or an application; for Starlette, and for inner lifespans.

        session = await manager_of(request).get("github")

    A mounted application that was not started itself has the manager of the one it is mounted in.

    Raises:
        SetupError: If there is none, because the lifespan does not run, or not on this loop.
    """
    app, scope = (where, {}) if isinstance(where, Starlette) else (where.app, where.scope)
    managers: dict[AbstractEventLoop, SessionManager] = getattr(app.state, _KEY, {})
    manager = managers.get(asyncio.get_running_loop())
    if manager is None and not managers:
        manager = scope.get("state", {}).get(_KEY)
    if manager is None:
        raise _missing(app, scope, managers)
    return manager


async def get_manager(connection: HTTPConnection) -> SessionManager:
    """Return the application's manager: `Annotated[SessionManager, Depends(get_manager)]`."""
    return manager_of(connection)


async def get_session(connection: HTTPConnection) -> ManagedSession:
    """Return the session of the profile "default", as `SharedSession` does."""
    return await manager_of(connection).get()


SharedSession = Annotated[ClientSession, Depends(get_session)]
"""The session of the profile "default", for a parameter of an endpoint or of another dependency."""


def session(name: str = "default") -> Any:
    """
    Return the dependency on the session of a profile.

        async def user(github: Annotated[ClientSession, session("github")]) -> Any: ...

    Args:
        name: A profile of the manager; that it is declared is checked when the application starts.
    """
    return Depends(_GetSession(name))


@dataclass(frozen=True, slots=True)
class _GetSession:
    """A dependency; two of the same name are one to FastAPI, which calls it once in a request."""

    name: str

    async def __call__(self, connection: HTTPConnection) -> ManagedSession:
        return await manager_of(connection).get(self.name)


@asynccontextmanager
async def _nothing(_app: object) -> AsyncIterator[None]:
    yield


def _as_tuple(given: object) -> tuple[object, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Iterable) else (given,)


def _managers(app: Starlette) -> dict[AbstractEventLoop, SessionManager]:
    """Return the managers that *app* runs with, by loop; those of loops that died half way are left out."""
    managers: dict[AbstractEventLoop, SessionManager] = getattr(app.state, _KEY, {})
    setattr(app.state, _KEY, managers)
    for loop in [loop for loop in managers if loop.is_closed()]:
        del managers[loop]
    return managers


def _state(app: Starlette, manager: SessionManager, inner: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the lifespan's state: the inner one, and the manager where mounted applications look for it."""
    ours = {_KEY: manager} if any(isinstance(route, Mount | Host) for route in _routes(app.routes)) else {}
    # Where nobody needs it nothing is asked for, not even {}: servers without state (hypercorn before 0.17)
    # would not start.
    return {**(inner or {}), **ours} or cast("Mapping[str, Any]", inner)


def _name(app: object) -> str:
    return repr(str(getattr(app, "title", type(app).__name__)))


def _check_declared(app: Starlette, manager: SessionManager) -> None:
    """Raise for the first endpoint that asks for an unknown profile; one not seen here fails when called."""
    declared = tuple(profile.name for profile in manager.profiles)
    for route in _routes(app.routes):
        for name in _names_asked_for(getattr(route, "dependant", None)):  # codespell:ignore dependant
            if name not in declared:
                error = UnknownProfileError(name, declared)
                error.add_note(f"asked for by {getattr(route, 'path', route)}; add it to lifespan(...)")
                raise error


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes and those of included routers; not of mounts, which may have a manager of their own."""
    for route in routes:
        yield route
        # Recent versions of FastAPI keep an included router as such: its routes are found behind it.
        router = getattr(route, "original_router", None)
        yield from _routes(getattr(router, "routes", ()))


def _names_asked_for(asking: Any) -> Iterator[str]:
    """Yield the profiles that an endpoint or dependency needs, by what FastAPI noted of its parameters."""
    if isinstance(call := getattr(asking, "call", None), _GetSession):
        yield call.name
    for needed in getattr(asking, "dependencies", ()):
        yield from _names_asked_for(needed)


def _missing(
    app: Starlette, scope: Mapping[str, Any], managers: Mapping[AbstractEventLoop, SessionManager]
) -> SetupError:
    """Return the error that says why there is no manager, and what to do."""
    name = _name(app)
    if managers:
        return SetupError(
            f"{name} was started on another event loop than this request's: start it and call it on one loop,"
            " in tests with one client or one loop_scope for both"
        )
    if "app_root_path" in scope:
        return SetupError(
            f"{name} is mounted, so its own lifespan does not run: give lastcall.fastapi.lifespan(...), with"
            " the profiles of both, to the application that it is mounted in"
        )
    return SetupError(
        f"the lifespan of {name} does not run: write FastAPI(lifespan=lastcall.fastapi.lifespan(...)),"
        " in tests `with TestClient(app) as client:`, and start the server with its lifespan on"
    )
