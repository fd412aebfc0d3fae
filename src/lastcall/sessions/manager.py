"""The manager: opens at most one session per loop and profile, and closes what it opened."""

import asyncio
import time
from asyncio import AbstractEventLoop
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from lastcall.errors import ProfileError, UnknownProfileError

from .calls import Ending
from .closing import ClosedSession, close_sessions
from .keeper import ask, keep
from .keeper import close_on_sigterm as keeper_closes_on_sigterm
from .lines import callers_line
from .profile import SessionProfile
from .session import LentSession, SharedSession

__all__ = ["SessionManager"]

_ELSEWHERE_LIMIT = 5.0
"""Seconds beyond the grace for which the loops of other threads are waited for."""


class SessionManager:
    """
    Opens sessions and shares them: one per (event loop, profile), each closed on every way out.

    Use it with `async with`, or not: at the end of a loop the keeper closes what is still open there. A
    manager may be made anywhere, also at import, and used from any number of loops and threads.

        async with SessionManager(SessionProfile("github", base_url="https://api.github.com")) as sessions:
            session = await sessions.get("github")

    Args:
        profiles: What can be asked for by name. "default" is always there; declare a profile of that name to
            say how it is opened.

        grace: Seconds for which `close` waits for open responses, in total.

        close_on_sigterm: Also close when SIGTERM ends the process, see `lastcall.sessions.close_on_sigterm`;
            has an effect only when the manager is made in the main thread.

    Raises:
        ProfileError: If two different profiles have the same name.
    """

    def __init__(self, *profiles: SessionProfile, grace: float = 5.0, close_on_sigterm: bool = False) -> None:
        self._grace = grace
        self._profiles: dict[str, SessionProfile] = {}
        # By loop, not weakly and not by id: a session refers to its loop, and ids are used again.
        self._open: dict[AbstractEventLoop, dict[str, SharedSession]] = {}
        self._ending: Ending | None = None
        for profile in profiles:
            self.add(profile)
        if close_on_sigterm:
            keeper_closes_on_sigterm()

    @property
    def profiles(self) -> tuple[SessionProfile, ...]:
        """What can be asked for, in order of declaration; "default" comes last if it was not declared."""
        return tuple((self._profiles | self._undeclared()).values())

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._ending is not None

    def add(self, profile: SessionProfile) -> None:
        """
        Declare *profile*; to declare the same one again does nothing.

        Raises:
            ProfileError: If a different profile of that name is declared, or "default" is in use as it was.
        """
        in_use = any(profile.name in sessions for sessions in tuple(self._open.values()))
        known = (self._profiles | (self._undeclared() if in_use else {})).get(profile.name)
        if known is not None and known != profile:
            raise ProfileError(
                profile.name,
                f"this name stands for another profile, {known!r}; give the new one another name",
            )
        self._profiles[profile.name] = profile

    async def get(self, name: str = "default") -> SharedSession:
        """
        Return the session of the running loop and the profile *name*; the first call opens it.

        Costs two look-ups. Nobody but the manager closes what it returns.

        Raises:
            UnknownProfileError: If no profile has that name.
            SessionClosedError: If the manager is closed.
        """
        try:
            return self._open[asyncio.get_running_loop()][name]
        except KeyError:
            # No await from here to the entry in the registry: that is what makes creation single-flight.
            return self._open_session(name)

    get_session = get
    """The name under which some programs know it."""

    async def lend(
        self,
        name: str = "default",
        *,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> LentSession:
        """
        Return a light session over the connections of `get(name)`, for code that closes what it gets.

        It has the profile's timeout, proxy and `trust_env`, but neither its headers, which may hold secrets,
        nor its cookies. Closing or forgetting it harms nobody.

        Args:
            name: The profile whose connections it uses.

            headers: Sent with every request of this session.

            cookies: Names and values its own jar starts with.

        Raises:
            UnknownProfileError: If no profile has that name.
            SessionClosedError: If the manager is closed.
        """
        session = await self.get(name)
        options = self._profile(name).transport_options()
        return LentSession(session.shared, headers=headers, cookies=cookies, **options)

    def close(
        self, *, grace: float | None = None, by: str | None = None
    ) -> Coroutine[Any, Any, tuple[ClosedSession, ...]]:
        """
        Close every session, on all loops, and open none any more; idempotent.

        Sessions of loops that run in other threads are closed there. A loop that stands still is left to its
        keeper.

        Args:
            grace: Seconds to wait for open responses, in total; None for the manager's own.

            by: Who asks for it, for errors and reports; None for the calling line.

        Returns:
            An awaitable of one `ClosedSession` each, in the order of closing; what was still at work is named
            in a warning on the logger "lastcall" too.

        Raises:
            ExceptionGroup: After all were closed, if any close failed.
        """
        # Not a coroutine function: the caller's line is known however the call is awaited.
        return self._close(by or callers_line(), self._grace if grace is None else grace)

    def close_loop(
        self, *, grace: float | None = None, by: str | None = None
    ) -> Coroutine[Any, Any, tuple[ClosedSession, ...]]:
        """
        Close the sessions of the running loop only; the next `get` opens anew. Otherwise like `close`.

        Args:
            grace: As for `close`.

            by: Who asks for it, where that is not the calling line.
        """
        return self._close_loop(by or callers_line(), self._grace if grace is None else grace)

    async def __aenter__(self) -> Self:
        """Return the manager."""
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Coroutine[Any, Any, object]:
        """Close every session."""
        return self._leave(callers_line())

    def __repr__(self) -> str:
        """Tell what is open where, or who closed it."""
        if self._ending is not None:
            return f"<SessionManager closed by {self._ending.closed_by}>"
        count = sum(map(len, tuple(self._open.values())))
        return (
            f"<SessionManager open: {len(self.profiles)} profiles,"
            f" {count} sessions on {len(self._open)} loops>"
        )

    def _open_session(self, name: str) -> SharedSession:
        if self._ending is not None:
            raise self._ending.error()
        loop = asyncio.get_running_loop()
        session = SharedSession(self._profile(name), self._release)
        self._open.setdefault(loop, {})[name] = session
        keep(session)
        return session

    def _profile(self, name: str) -> SessionProfile:
        profiles = self._profiles | self._undeclared()
        if name not in profiles:
            raise UnknownProfileError(name, tuple(profiles))
        return profiles[name]

    def _undeclared(self) -> dict[str, SessionProfile]:
        return {} if "default" in self._profiles else {"default": SessionProfile()}

    def _release(self, session: SharedSession) -> None:
        """Take *session* out of the registry, and its loop with its last one."""
        sessions = self._open.get(session.opened_on, {})
        if sessions.get(session.shared.session) is session:
            del sessions[session.shared.session]
        if not sessions:
            self._open.pop(session.opened_on, None)

    async def _leave(self, by: str) -> None:
        await self._close(by, self._grace)

    async def _close(self, by: str, grace: float) -> tuple[ClosedSession, ...]:
        self._ending = self._ending or Ending("manager", by, time.time())
        elsewhere = self._ask_others(by, grace)
        waits = [self._close_loop(by, grace), *(_answer(asked, grace) for asked in elsewhere)]
        closed: list[ClosedSession] = []
        failed: list[Exception] = []
        for wait in waits:
            try:
                closed += await wait
            except Exception as error:  # noqa: BLE001 - the others still have to be waited for
                failed.append(error)
        if failed:
            raise ExceptionGroup("sessions could not be closed in order", failed)
        return tuple(closed)

    async def _close_loop(self, by: str, grace: float) -> tuple[ClosedSession, ...]:
        sessions = tuple(self._open.pop(asyncio.get_running_loop(), {}).values())
        return await close_sessions(sessions, by=by, grace=grace)

    def _ask_others(self, by: str, grace: float) -> list["Future[tuple[ClosedSession, ...]]"]:
        """Have the loops that run in other threads close their sessions; return what to wait for."""
        here = asyncio.get_running_loop()
        asked = []
        for loop, sessions in tuple(self._open.items()):
            if loop is not here and loop.is_running():
                closing = close_sessions(tuple(sessions.values()), by=by, grace=grace)
                asked.append(ask(loop, closing))
        return [future for future in asked if future is not None]


async def _answer(asked: "Future[tuple[ClosedSession, ...]]", grace: float) -> tuple[ClosedSession, ...]:
    async with asyncio.timeout(grace + _ELSEWHERE_LIMIT):
        return await asyncio.wrap_future(asked)
