"""
Write the report of a process that is ended by a signal, without the program noticing.

The handler stands where the default action was, and says that it is the default action: to
`signal.getsignal`, and as the "previous handler" of `signal.signal`. Setting the default action puts it
back. `_signal` is patched rather than `signal`, whose functions look their C counterparts up in it at each
call, so a program that did `from signal import signal` before sees no difference either.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["write_before_dying"]

_NAMES = ("SIGTERM", "SIGHUP")
_LIMIT = 2.0


def write_before_dying(write: Callable[[], None]) -> None:
    """
    Have *write* called when a signal whose default action is to end the process does so.

    Nothing happens outside the main thread, where Python sets no handlers.

    Args:
        write: Called in a thread, for at most two seconds: the main thread was interrupted anywhere,
            perhaps while it held a lock that *write* needs.
    """
    # On Windows nothing sends signals to be ended by.
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    numbers = {getattr(signal, name) for name in _NAMES if hasattr(signal, name)}
    disguise = _Disguise(write)
    waiting = {number for number in numbers if _signal.getsignal(number) == _signal.SIG_DFL}
    disguise.put_on(numbers)
    for number in waiting:
        _signal.signal(number, _signal.SIG_DFL)


class _Disguise:
    """A handler that looks like the default action."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._dying = False
        self._set = _signal.signal
        self._get = _signal.getsignal

    def put_on(self, numbers: set[int]) -> None:
        """Stand in for the default action of the signals *numbers*, whenever it is set."""
        handler = self._die

        @functools.wraps(self._set)
        def set_handler(signalnum: int, action: Any, /) -> Any:
            if signalnum in numbers and not callable(action) and action == _signal.SIG_DFL:
                action = handler
            previous = self._set(signalnum, action)
            return _signal.SIG_DFL if previous == handler else previous

        @functools.wraps(self._get)
        def get_handler(signalnum: int, /) -> Any:
            found = self._get(signalnum)
            return _signal.SIG_DFL if found == handler else found

        _signal.signal = set_handler
        _signal.getsignal = get_handler

    def _die(self, number: int, _: FrameType | None) -> None:
        if not self._dying:  # a second signal ends the waiting
            self._dying = True
            _call_bounded(self._write, _LIMIT)
        self._set(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _call_bounded(function: Callable[[], None], limit: float) -> None:
    # Bare locks and threads: those of `threading` take locks that this thread may hold.
    done = _thread.allocate_lock()
    done.acquire()

    def call() -> None:
        try:
            function()
        finally:
            done.release()

    try:
        _thread.start_new_thread(call, ())
    except RuntimeError:  # too late for threads: the interpreter is on its way out
        function()
    else:
        done.acquire(timeout=limit)
