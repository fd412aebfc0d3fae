"""Closing sessions: bounded whatever peers do, explained to whoever is cut off, last opened first closed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .calls import Ending, OpenRequest, summary
from .connector import SharedConnector
from .session import SharedSession

__all__ = ["ClosedSession", "close_sessions"]

logger = logging.getLogger("lastcall")

FLUSH_LIMIT = 0.25
"""Seconds for which connections may still send what is in their buffers, before they are aborted."""

_TURNS_TO_LEAVE = 3
"""Loop turns in which those who were cut off can leave: a websocket says goodbye to its peer."""


@dataclass(frozen=True, slots=True)
class ClosedSession:
    """How one session was closed."""

    session: str
    """Name of its profile."""

    closed_by: str
    """Who asked for it: "file:line", or which keeper."""

    seconds: float
    """How long it took, the wait for open responses included."""

    cut_off: tuple[OpenRequest, ...]
    """Requests still at work when the grace was over, in the order in which they began; mostly empty."""

    aborted: int
    """Connections that could not be closed in order, mostly since the peer did not read."""


async def close_sessions(
    sessions: Sequence[SharedSession], *, by: str, grace: float
) -> tuple[ClosedSession, ...]:
    """
    Close *sessions* of the running loop, the last opened first, each one whatever happens to the others.

    A cancellation ends the grace, not the closing: it goes on its way when all are closed, within a second.

    Args:
        sessions: In the order of opening.

        by: Who asks for it, for errors and messages.

        grace: Seconds to wait for open responses, in total.

    Returns:
        One `ClosedSession` each, in the order of closing.

    Raises:
        ExceptionGroup: After all were closed, if any close failed.
    """
    patience = _Patience(grace)
    closed: list[ClosedSession] = []
    failed: list[Exception] = []
    for session in reversed(sessions):
        try:
            closed.append(await _close(session, by, patience))
        except Exception as error:  # noqa: BLE001 - the others still have to be closed
            failed.append(error)
    group = ExceptionGroup("sessions could not be closed in order", failed) if failed else None
    if patience.cancelled is not None:
        raise patience.cancelled from group
    if group is not None:
        raise group
    return tuple(closed)


class _Patience:
    """Waits for others while closing; being cancelled makes it impatient, and is remembered."""

    def __init__(self, grace: float) -> None:
        self._deadline = time.monotonic() + grace
        self.cancelled: asyncio.CancelledError | None = None

    async def grant(self, wait: Callable[[float], Awaitable[bool]]) -> bool:
        """Wait for what is left of the grace."""
        return await self.bear(wait(max(0.0, self._deadline - time.monotonic())))

    async def bear(self, waiting: Awaitable[bool | None]) -> bool:
        """Wait for *waiting*, which has a limit of its own."""
        try:
            return bool(await waiting)
        except asyncio.CancelledError as error:
            self.cancelled = error
            self._deadline = 0.0
            return False


async def _close(session: SharedSession, by: str, patience: _Patience) -> ClosedSession:
    started = time.monotonic()
    connector = session.shared
    session.begin_closing(Ending(connector.session, by, time.time()))
    await patience.grant(connector.settled)
    cut_off = connector.at_work()
    connector.cut()
    for _ in range(_TURNS_TO_LEAVE):
        await patience.bear(asyncio.sleep(0))
    aborted = await _hang_up(connector, patience)
    # Nothing is left for aiohttp to wait for: by itself it would wait for ever for a peer that does not read.
    await patience.bear(asyncio.wait_for(connector.close_for_good(), FLUSH_LIMIT))
    if cut_off:
        logger.warning(
            "session %r was closed by %s while %d requests were at work, which were cut off:\n%s",
            connector.session,
            by,
            len(cut_off),
            summary(cut_off),
        )
    return ClosedSession(connector.session, by, time.monotonic() - started, cut_off, aborted)


async def _hang_up(connector: SharedConnector, patience: _Patience) -> int:
    """Close every connection, those that cannot be flushed the hard way; return how many those were."""
    connector.hang_up()
    if await patience.bear(connector.gone(FLUSH_LIMIT)):
        return 0
    aborted = connector.hang_up(abort=True)
    await patience.bear(connector.gone(FLUSH_LIMIT))
    return aborted
