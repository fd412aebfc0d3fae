"""One session for all handles of a loop and profile: opened by the first, closed by the last."""

import asyncio
import weakref
from asyncio import AbstractEventLoop

from aiohttp import ClientSession, ClientTimeout

from lastcall.sessions import SessionProfile, shared_manager
from lastcall.sessions.closing import close_sessions
from lastcall.sessions.connector import SharedConnector

from .errors import RequestError
from .wire import Wire

__all__ = ["Pool", "borrow", "join"]

_GRACE = 5.0
"""Seconds for which the last user's close waits for what is still at work."""

_PROFILE = SessionProfile("llm", limit=0, limit_per_host=0, timeout=ClientTimeout(total=None))
"""Of "llm" unless a program declares its own: how many are at once is a handle's concern, as is time."""

_pools: dict[tuple[AbstractEventLoop, str], "Pool"] = {}


class Pool:
    """
    A session, the wire over it, and the handles that use it.

    Attributes:
        session: Shared or borrowed.

        wire: Over it.

        users: Handles that made a request on it and were not closed; one that was forgotten is not among
            them.
    """

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.wire = Wire(session)
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        shared = getattr(session, "shared", None)
        self._shared = shared if isinstance(shared, SharedConnector) else None

    @property
    def is_open(self) -> bool:
        """Whether the session takes new requests."""
        shared = self._shared
        return (shared is None or shared.ending is None) and not self.session.closed


async def join(user: object, profile: str) -> Pool:
    """
    Return the pool of the running loop and *profile*, its session open, with *user* among its users.

    Raises:
        UnknownProfileError: If no profile has that name.
    """
    key = asyncio.get_running_loop(), profile
    pool = _pools.get(key)
    if pool is None or not pool.is_open:
        manager = shared_manager()
        if profile == _PROFILE.name and all(known.name != profile for known in manager.profiles):
            manager.add(_PROFILE)
        session = await manager.get(profile)
        _forget_closed_loops()
        # Another may have come this far meanwhile: to get a session is no wait, but may become one.
        pool = _pools.get(key)
        if pool is None or pool.session is not session:
            pool = _pools[key] = Pool(session)
    pool.users.add(user)
    return pool


def borrow(session: ClientSession) -> Pool:
    """
    Return a pool over a session that somebody else opened, and closes.

    Raises:
        RequestError: If it is closed, or belongs to another loop.
    """
    if session.closed:
        raise RequestError("the session it borrows is closed: keep it open for as long as the handle is used")
    if session._loop is not asyncio.get_running_loop():
        raise RequestError(
            "the session it borrows belongs to another event loop; on each loop borrow one of its own"
        )
    return Pool(session)


async def leave(user: object, pool: Pool, by: str) -> None:
    """
    Take *user* out of a pool of the running loop; its session is closed with the last.

    Args:
        user: Was returned the pool by `join`.

        pool: The pool.

        by: Who asks for it, "file:line".
    """
    pool.users.discard(user)
    key = next((key for key, known in tuple(_pools.items()) if known is pool), None)
    if key is None or pool.users:
        return
    del _pools[key]
    if pool.is_open:
        await close_sessions((pool.session,), by=by, grace=_GRACE)  # type: ignore[arg-type]


def _forget_closed_loops() -> None:
    for key in [key for key in tuple(_pools) if key[0].is_closed()]:
        _pools.pop(key, None)
