"""A base for services that use a session: they open their own, or borrow one that is open."""

from collections.abc import Awaitable
from types import TracebackType
from typing import Self

from aiohttp import ClientSession

from lastcall.errors import OwnershipError

from .lines import callers_line
from .manager import SessionManager
from .profile import SessionProfile

__all__ = ["SessionOwner"]


class SessionOwner:
    """
    A service that owns a session, or borrows one; the same class does for a script and for an application.

        class Service(SessionOwner):
            def __init__(self, token: str, *, session: ClientSession | None = None) -> None:
                super().__init__(session=session)
                self._headers = {"Authorization": f"Bearer {token}"}

            async def user(self) -> Any:
                async with self.session.get("https://api.example.com/user", headers=self._headers) as answer:
                    return await answer.json()

    `async with Service(token) as service:` owns: the session is opened on entering, and closed on leaving,
    within the few seconds that a `SessionManager` takes. Once left it may be entered again. `Service(token,
    session=shared)` borrows: it is ready at once, costs nothing to make, so may be made for each request,
    and never closes the session, not even with `async with`.

    A subclass needs no hook: it uses `self.session` whenever it makes a request.

    Args:
        session: One to borrow; whoever opened it closes it. None to own one.

        profile: How its own session is opened; None for the class's `profile`.
    """

    profile: SessionProfile = SessionProfile()
    """How the service's own session is opened; a subclass may set another one."""

    # Stated for the class, so that a subclass that calls no super().__init__() (a dataclass) owns a session.
    _session: ClientSession | None = None
    _manager: SessionManager | None = None
    _borrows: bool = False

    def __init__(
        self, *, session: ClientSession | None = None, profile: SessionProfile | None = None
    ) -> None:
        self._session = session
        self._borrows = session is not None
        if profile is not None:
            self.profile = profile

    @property
    def session(self) -> ClientSession:
        """
        The session to make requests with: the borrowed one, or its own while that is open.

        Raises:
            OwnershipError: If the service owns its session, and is outside `async with`.
        """
        if self._session is None:
            raise self._error(
                "it opens its session when it is entered, and was not",
                "service = {}(...); await service.call()",
            )
        if self._manager is not None and self._manager.closed:
            raise self._error(
                f"its session ended with its `async with`, {self._session!r}",
                "async with {}(...) as service: ...; await service.call()  # after the block",
            )
        return self._session

    async def __aenter__(self) -> Self:
        """
        Return the service, its own session open.

        Raises:
            OwnershipError: If the service owns its session, and that is open already.
        """
        if self._borrows:
            return self
        if self._manager is not None and not self._manager.closed:
            raise self._error(
                "it was entered twice at once, and the first to leave would close the other's session",
                "async with service: ...  # while another task is inside",
            )
        manager = SessionManager(self.profile)
        self._session = await manager.get(self.profile.name)
        self._manager = manager
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        """Close its own session; leave a borrowed one open."""
        # Not a coroutine function: the line of the `async with` is known however this is awaited.
        return self._close(callers_line())

    def __repr__(self) -> str:
        """Tell whether it owns or borrows, and how its session is."""
        name = type(self).__name__
        if self._borrows:
            return f"<{name} borrows {self._session!r}>"
        if self._session is None:
            return f"<{name} owns a session, not open yet>"
        return f"<{name} owns {self._session!r}>"

    async def _close(self, by: str) -> None:
        if self._manager is not None:
            await self._manager.close(by=by)

    def _error(self, problem: str, wrong: str) -> OwnershipError:
        name = type(self).__name__
        return OwnershipError(name, problem, wrong.format(name))
