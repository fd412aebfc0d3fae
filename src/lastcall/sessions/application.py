"""The sessions of a web application: a manager from its start to its end, whichever framework runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lastcall.errors import SetupError

from .manager import SessionManager
from .profile import SessionProfile

__all__ = ["application_sessions", "check_given"]

Given = SessionManager | SessionProfile


def check_given(caller: str, given: tuple[object, ...]) -> tuple[Given, ...]:
    """
    Return what an application gave to *caller*: one manager, or any number of profiles.

    Raises:
        TypeError: If it is something else, or a manager with something beside it.

        ProfileError: If two different profiles have the same name.
    """
    profiles = tuple(one for one in given if isinstance(one, SessionProfile))
    if len(given) == 1 and isinstance(given[0], SessionManager):
        return (given[0],)
    if len(profiles) != len(given):
        kinds = ", ".join(type(one).__name__ for one in given)
        raise TypeError(f"{caller} takes one SessionManager or any number of SessionProfiles, not ({kinds})")
    SessionManager(*profiles)  # refuses at import what would fail at the start
    return profiles


@asynccontextmanager
async def application_sessions(given: tuple[Given, ...], by: str) -> AsyncIterator[SessionManager]:
    """
    Provide an application's manager while it runs, and close its sessions at the end.

    Args:
        given: From `check_given`. Profiles make a manager for this start alone, which is closed. Of a manager
            the sessions of the running loop are closed; it stays usable, for the next start or other loops.

        by: Who closes, for errors and reports.

    Raises:
        SetupError: If the manager given is closed.

        ExceptionGroup: After all were closed, if any close failed.
    """
    profiles = [one for one in given if isinstance(one, SessionProfile)]
    manager = next((one for one in given if isinstance(one, SessionManager)), None)
    if manager is not None and manager.closed:
        raise SetupError(f"the application's manager is closed already, {manager!r}: make one that is not")
    sessions = manager or SessionManager(*profiles)
    try:
        yield sessions
    finally:
        await (manager.close_loop(by=by) if manager else sessions.close(by=by))
