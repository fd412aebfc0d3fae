"""The sessions a manager hands out: shared ones that borrowers cannot close, and lent ones that they may."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import ClientResponse, ClientSession

from .calls import Ending
from .connector import SharedConnector, nothing, warn_borrower
from .profile import SessionProfile

__all__ = ["LentSession", "SharedSession"]


class _Quiet:
    """Comes before `ClientSession`, whose `__init_subclass__` warns of every subclass."""

    def __init_subclass__(cls) -> None:
        """Do nothing."""


# aiohttp 4 has slots in its place.
_ATTRS: frozenset[str] = getattr(ClientSession, "ATTRS", frozenset())


class SharedSession(_Quiet, ClientSession):
    """
    The session of one loop and profile, shared by all who ask for it.

    Use it like any `aiohttp.ClientSession`. Its manager closes it; `close()` and `detach()` do nothing but
    issue a `BorrowedSessionWarning` that names the caller's line, and leaving `async with session:` does
    nothing, so that code written for a session of its own works with a shared one.

    Args:
        profile: How it is opened, on the running loop.

        release: Called once with the session when its closing begins: from then on nobody gets it any more.

    Raises:
        SessionClosedError: By every request, once the manager has begun to close it.
    """

    ATTRS = _ATTRS | {"shared", "opened_on", "_release", "_request"}

    def __init__(self, profile: SessionProfile, release: "Callable[[SharedSession], None]") -> None:
        connector = SharedConnector(profile.name, max_age=profile.max_age, **profile.connector_options())
        super().__init__(connector=connector, **profile.session_options())
        self.shared = connector
        self.opened_on = asyncio.get_running_loop()
        self._release = release

    def begin_closing(self, ending: Ending) -> None:
        """Refuse new requests from here on, and leave the manager; the first to close it is named."""
        self.shared.ending = ending = self.shared.ending or ending
        # Only from now on: an override that every request passed through would cost each two microseconds.
        self._request = lambda *_args, **_kwargs: _refuse(ending)  # type: ignore[method-assign]
        self._release(self)

    def close(self) -> Coroutine[Any, Any, None]:
        """Do nothing but warn: a borrower does not close what it did not open."""
        # Not a coroutine function: the caller's line is known however the call is awaited.
        warn_borrower("close()", self.shared.session)
        return nothing()

    def detach(self) -> None:
        """Do nothing but warn: a borrower does not take the connector away from others."""
        warn_borrower("detach()", self.shared.session)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Leave it open for the others."""

    def __repr__(self) -> str:
        """Tell what it is for and how it is at this moment."""
        shared = self.shared
        if self.closed:
            by = shared.ending.closed_by if shared.ending else "someone"
            return f"<lastcall session {shared.session!r} closed by {by}>"
        loop = "running" if self._loop.is_running() else "closed" if self._loop.is_closed() else "stopped"
        state = f"closing, asked by {shared.ending.closed_by}" if shared.ending else "open"
        return (
            f"<lastcall session {shared.session!r} {state}: {shared.in_use} in use, {shared.idle} idle,"
            f" {shared.waiting} waiting, loop {loop}>"
        )

    def forget(self, ending: Ending) -> list[object]:
        """Become closed without touching a transport; see `SharedConnector.forget`."""
        self.begin_closing(ending)
        self._connector = None
        return self.shared.forget()


class LentSession(_Quiet, ClientSession):
    """
    A light session over a shared connector, for code that insists on closing what it gets.

    It has headers and cookies of its own. Closing it, or forgetting to, closes nothing else. Once the shared
    session is being closed, its requests raise `SessionClosedError` too.
    """

    ATTRS = _ATTRS | {"shared"}

    def __init__(
        self,
        connector: SharedConnector,
        *,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            connector=connector,
            connector_owner=False,
            headers=headers,
            cookies=cookies,
            cookie_jar=aiohttp.CookieJar(),
            **options,
        )
        self.shared = connector

    def _request(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, ClientResponse]:
        ending = self.shared.ending
        return super()._request(*args, **kwargs) if ending is None else _refuse(ending)

    def __repr__(self) -> str:
        """Tell whose connections it uses."""
        return f"<lastcall session lent by {self.shared.session!r} {'closed' if self.closed else 'open'}>"

    def __del__(self) -> None:  # type: ignore[override]
        """Let go of the connector first: a lent session that was forgotten leaks nothing."""
        self._connector = None
        super().__del__()


async def _refuse(ending: Ending) -> ClientResponse:
    raise ending.error()
