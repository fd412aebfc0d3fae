"""
aiohttp.web: sessions opened with the application, at hand in its handlers, and closed at its clean-up.

    app.cleanup_ctx.append(sessions_ctx(SessionProfile("github", base_url="https://api.github.com")))

    async def user(request: web.Request) -> web.Response:
        github = await session(request, "github")
        async with github.get("/user") as response:
            return web.json_response(await response.json())
"""

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from lastcall.errors import SetupError
from lastcall.sessions import (
    SessionManager,
    SessionProfile,
    SharedSession,
    application_sessions,
    check_given,
)

__all__ = ["SESSIONS", "session", "sessions_ctx"]

SESSIONS = web.AppKey("SESSIONS", SessionManager)
"""The key of an application's manager: `app[SESSIONS]`, or `request.config_dict[SESSIONS]`."""


def sessions_ctx(
    *profiles_or_manager: SessionProfile | SessionManager,
) -> Callable[[web.Application], AsyncIterator[None]]:
    """
    Return a context for `app.cleanup_ctx`: opens the application's manager, and closes it at the clean-up.

    Append it first: contexts are left in reverse order, so later ones may use sessions to their end.
    Sub-applications find the manager of the application they were added to; one may have its own.

    Args:
        profiles_or_manager: Profiles, none for "default" alone: they make a manager for this application. Or
            one manager, of which the clean-up closes the sessions of the running loop; it stays usable.

    Raises:
        TypeError: For something that is neither manager nor profile.

        ProfileError: If two different profiles have the same name.

        SetupError: On start, if the application has a manager already, or the one given is closed.
    """
    given = check_given("sessions_ctx()", profiles_or_manager)

    async def context(app: web.Application) -> AsyncIterator[None]:
        if SESSIONS in app:
            raise SetupError("the application has a manager already: append sessions_ctx(...) once, with all")
        async with application_sessions(given, by="the clean-up of the application") as manager:
            app[SESSIONS] = manager
            yield

    return context


async def session(request: web.Request, name: str = "default") -> SharedSession:
    """
    Return the session of a profile, from the manager of the request's application or its nearest parent.

    Args:
        request: The request at work.

        name: The profile's name.

    Raises:
        SetupError: If none of the applications has a manager.

        UnknownProfileError: If no profile has that name.
    """
    manager = request.config_dict.get(SESSIONS)
    if manager is None:
        raise SetupError(
            "the application has no session manager: before it starts, write"
            " app.cleanup_ctx.append(lastcall.aiohttp_web.sessions_ctx(...))"
        )
    return await manager.get(name)
