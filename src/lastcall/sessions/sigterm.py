"""SIGTERM, whose default action ends a process at once: closing before it does."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

__all__ = ["close_before_dying", "close_with_uvicorn"]


def close_before_dying(close: Callable[[], None]) -> bool:
    """
    Have *close* called on SIGTERM, before the signal ends the process as it would have done.

    Args:
        close: Called in a thread of its own; must be bounded.

    Returns:
        Whether the handler was installed: False when SIGTERM is handled or ignored already, and outside the
        main thread, where Python allows no handler.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False

    def close_and_die(number: int) -> None:
        try:
            close()
        finally:
            os.kill(os.getpid(), number)

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        # In a thread, because the loop may be running beneath this very frame: it must go on, to close.
        threading.Thread(target=close_and_die, args=(number,), name="lastcall sigterm", daemon=True).start()

    signal.signal(signal.SIGTERM, handle)
    return True


def close_with_uvicorn(loop: asyncio.AbstractEventLoop, close: Callable[[], Awaitable[None]]) -> None:
    """
    Have *close* awaited at the end of the shutdown of a uvicorn server that runs on *loop*, if one does.

    After its shutdown uvicorn restores the previous action of SIGTERM and raises the signal again, inside the
    loop: the default action ends the process before the loop is cleaned up (seen in uvicorn 0.54).
    """
    if threading.current_thread() is not threading.main_thread():
        return  # uvicorn handles signals, and so dies of them, in the main thread only
    uvicorn = sys.modules.get("uvicorn.server")
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if uvicorn is None or not isinstance(server, uvicorn.Server):
        return
    shutdown = server.shutdown

    async def shutdown_and_close(*args: Any, **kwargs: Any) -> None:
        try:
            await shutdown(*args, **kwargs)
        finally:
            if asyncio.get_running_loop() is loop:
                await close()

    server.shutdown = shutdown_and_close
