"""
The keeper: closes the sessions of a loop just before that loop ends, whoever forgot to.

It stands on a ladder, each rung of which catches what slipped by the one above: an async generator that the
loop finalises while it still runs; the loop's own `close`; `atexit`. Forked children forget what they
inherit. Nothing is installed before the first session is opened.
"""

import asyncio
import atexit
import contextlib
import functools
import logging
import os
import sys
import threading
import time
from asyncio import AbstractEventLoop, events
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from .calls import Ending
from .closing import close_sessions
from .lines import awaits
from .session import SharedSession
from .sigterm import close_before_dying, close_with_uvicorn

__all__ = ["ask", "close_on_sigterm", "keep"]

logger = logging.getLogger("lastcall")

T = TypeVar("T")

GENERATORS_LIMIT = 5.0
"""Seconds for which generators of the user may still make requests while they clean up."""

EXIT_LIMIT = 5.0
"""Seconds for which the end of the process waits for a loop that runs in another thread."""

_ROUNDS = 3
"""How often sessions that were opened while others were closed are closed too."""

_keepers: dict[AbstractEventLoop, "Keeper"] = {}
_inherited: list[object] = []


class _Process:
    """What there is once in a process; a forked child starts afresh."""

    lock = threading.Lock()
    installed = False
    watches_forks = False


def keep(session: SharedSession) -> None:
    """See to it that *session* is closed when the running loop ends at the latest."""
    loop = session.opened_on
    with _Process.lock:
        _install()
        for gone in [known for known in _keepers if known.is_closed()]:
            _keepers.pop(gone).forget("the end of its loop")
        keeper = _keepers.get(loop)
        if keeper is None:
            keeper = _keepers[loop] = Keeper(loop)
    # Those that their managers closed before are let go of here; a long-lived loop may see many.
    keeper.sessions = [*(kept for kept in keeper.sessions if not kept.closed), session]


def close_on_sigterm() -> bool:
    """
    From here on close all sessions of the process on SIGTERM, then let the signal end the process as before.

    Only the default action is replaced: a program that handles SIGTERM itself ends in an orderly way, and the
    keeper closes then. A second SIGTERM ends the process at once.

    Returns:
        Whether it is so from here on: False when SIGTERM is handled or ignored already, and outside the main
        thread, where Python allows no handler.
    """
    return close_before_dying(functools.partial(_finish_all, "the keeper on SIGTERM"))


class Keeper:
    """
    Keeps the sessions of one loop; made on that loop while it runs.

    Attributes:
        sessions: What is open on the loop, of all managers, in the order of opening.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.sessions: list[SharedSession] = []
        self._guard: AsyncGenerator[None, None] | None = None
        # Without hooks (nest_asyncio) nobody would finalise it, and Python would complain of that.
        if sys.get_asyncgen_hooks().firstiter and not getattr(loop, "_asyncgens_shutdown_called", False):
            self._guard = self._wait_for_the_end()
            with contextlib.suppress(StopIteration):
                self._guard.__anext__().send(None)
        close_with_uvicorn(loop, functools.partial(self.close_all, "the keeper after uvicorn's shutdown"))
        self._unwrap = _wrap_close(loop, self._before_close)

    async def close_all(self, by: str) -> None:
        """Close what is open on the running loop; failures are logged, since nobody could catch them."""
        for _ in range(_ROUNDS):
            sessions = tuple(self.sessions)
            if not sessions:
                return
            try:
                await close_sessions(sessions, by=by, grace=0.0)
            except* Exception:
                logger.exception("sessions were closed by %s, not in order", by)
            finally:
                self.sessions = [session for session in self.sessions if not session.closed]

    def finish(self, by: str, *, running: bool = True) -> None:
        """
        Close what is open, from outside the loop.

        Args:
            by: Who asks for it.

            running: Whether to close on a loop that runs, in another thread, as well.
        """
        if self.loop.is_closed():
            self.forget("the end of its loop")
        elif not self.loop.is_running():
            if self.sessions:
                _run(self.loop, self.close_all(by))
        elif running and events._get_running_loop() is not self.loop:
            done = ask(self.loop, self.close_all(by))
            with contextlib.suppress(TimeoutError, CancelledError):
                _ = done and done.result(EXIT_LIMIT)

    def forget(self, why: str) -> list[object]:
        """Mark every session closed without touching a connection; return what they held."""
        kept: list[object] = [self]
        for session in self.sessions:
            kept += session.forget(Ending(session.shared.session, why, time.time()))
        self.sessions = []
        return kept

    async def _wait_for_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if self.sessions:
                await _generators_at_rest()
                await self.close_all("the keeper at the end of the loop")

    def _before_close(self) -> None:
        """Close before the loop does, and take the keeper away from it."""
        try:
            self.finish("the keeper as its loop was closed", running=False)
        finally:
            with _Process.lock:
                _keepers.pop(self.loop, None)
            self._unwrap()
            self._dismiss_guard()

    def _dismiss_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None and not self.sessions:
            # It has nothing left to do, so that one step ends it; it may also have been interrupted half-way.
            with contextlib.suppress(StopIteration, RuntimeError):
                guard.aclose().send(None)


def _wrap_close(loop: AbstractEventLoop, before: Callable[[], None]) -> Callable[[], None]:
    """Have *before* called by `loop.close()`, on this loop only; return what undoes it."""
    if not hasattr(loop, "__dict__"):  # then atexit is the rung that is left
        return lambda: None
    original = loop.close
    had_own = "close" in vars(loop)

    def close() -> None:
        try:
            if not loop.is_running():  # else asyncio's own error says what is wrong
                before()
        finally:
            original()

    def unwrap() -> None:
        if vars(loop).get("close") is not close:
            return  # somebody wrapped it again
        if had_own:
            loop.close = original  # type: ignore[method-assign]
        else:
            del loop.close

    loop.close = close  # type: ignore[method-assign]
    return unwrap


async def _generators_at_rest() -> None:
    """
    Wait until other async generators that the loop is finalising are done, within a limit.

    They are finalised all at once, and one of them may still want to make a request.
    """
    await asyncio.sleep(0)  # a task that has not begun does not show what it will await
    others = asyncio.all_tasks() - {asyncio.current_task()}
    cleaning = [task for task in others if any(_is_aclose(link) for link in awaits(task))]
    if cleaning:
        await asyncio.wait(cleaning, timeout=GENERATORS_LIMIT)


def _is_aclose(link: object) -> bool:
    return type(link).__name__ == "async_generator_athrow"


def _run(loop: AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run *coroutine* on a *loop* that does not run."""
    if events._get_running_loop() is None:
        loop.run_until_complete(coroutine)
        return
    with ThreadPoolExecutor(1) as other_thread:  # another loop runs in this one
        other_thread.submit(loop.run_until_complete, coroutine).result()


def ask(loop: AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> "Future[T] | None":
    """Start *coroutine* on a *loop* that runs in another thread; None when it has just been closed."""
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        return None


def _install() -> None:
    """Register, once in a process, what its end and its forks call."""
    if _Process.installed:
        return
    _Process.installed = True
    if hasattr(os, "register_at_fork") and not _Process.watches_forks:
        _Process.watches_forks = True
        os.register_at_fork(after_in_child=_forget_inherited)
    atexit.unregister(_at_exit)  # a child of os.fork inherits it, one of multiprocessing may not
    atexit.register(_at_exit)
    util, process = (sys.modules.get(f"multiprocessing.{name}") for name in ("util", "process"))
    if util and process and process.parent_process() is not None:
        # Before Python 3.13 a child of multiprocessing runs no atexit functions. Its threads have not been
        # waited for at this point, so their loops are left to themselves.
        util.Finalize(None, _at_exit, kwargs={"running": False}, exitpriority=0)


def _at_exit(*, running: bool = True) -> None:
    _finish_all("the keeper at the end of the process", running=running)


def _finish_all(by: str, *, running: bool = True) -> None:
    """Close the sessions of every loop, the newest loop first."""
    for keeper in reversed(tuple(_keepers.values())):
        try:
            keeper.finish(by, running=running)
        except Exception:  # the other loops still have to be closed
            logger.exception("the sessions of a loop could not be closed by %s", by)


def _forget_inherited() -> None:
    """
    Forget the parent's sessions in a forked child.

    Their sockets are the parent's, and so is the epoll set: closing or collecting a connection here would
    make the parent's next request on it hang. So all of it is kept, untouched, to the end of the child.
    """
    _Process.lock = threading.Lock()
    _Process.installed = False
    for keeper in tuple(_keepers.values()):
        _inherited.extend(keeper.forget("a fork: a child opens sessions of its own"))
    _keepers.clear()
