"""One manager for the whole process, for programs that want a session in one call and no set-up."""

from collections.abc import Coroutine
from typing import Any

from .closing import ClosedSession
from .lines import callers_line
from .manager import SessionManager
from .session import SharedSession

__all__ = ["close_shared_session", "get_shared_session", "shared_manager"]

# Opens and installs nothing until a session is asked for.
_MANAGER = SessionManager()


def shared_manager() -> SessionManager:
    """Return the manager behind `get_shared_session`, to declare profiles or to lend sessions."""
    return _MANAGER


async def get_shared_session(name: str = "default") -> SharedSession:
    """
    Return the session that the whole program shares on the running loop; the first call opens it.

    The keeper closes it at the end of the loop, even if nobody calls `close_shared_session`.

    Args:
        name: A profile declared by `shared_manager().add(SessionProfile(...))`, or "default".

    Raises:
        UnknownProfileError: If no profile has that name.
    """
    return await _MANAGER.get(name)


def close_shared_session(*, grace: float | None = None) -> Coroutine[Any, Any, tuple[ClosedSession, ...]]:
    """
    Close the shared sessions of the running loop, of every profile; the next call opens anew.

    Loops of other threads keep theirs.

    Args:
        grace: Seconds to wait for open responses, in total; None for 5.

    Returns:
        An awaitable of one `ClosedSession` each, in the order of closing.

    Raises:
        ExceptionGroup: After all were closed, if any close failed.
    """
    return _MANAGER.close_loop(grace=grace, by=callers_line())
