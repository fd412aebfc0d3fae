"""A thread that writes down the state of a process, for the case that it dies without a word."""

from __future__ import annotations

import _thread
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Recorder"]

_SOON = 0.05
_SHARE = 20
_STOP_LIMIT = 1.0


class Recorder:
    """
    Writes again and again, until it is stopped.

    The thread is a bare one: it is in none of the lists of `threading`, which programs look at and wait for.

    Args:
        write: Called at first soon after the start, then every *period*. It must not raise.

        period: Seconds between two writings. It grows when a writing is slow: at most a twentieth of a
            processor is used.
    """

    def __init__(self, write: Callable[[], None], period: float) -> None:
        self._write = write
        self._period = period
        self._stopping: _thread.LockType | None = None
        self._stopped = _thread.allocate_lock()
        self._native_id = 0

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._stopping is not None

    def start(self) -> None:
        """Begin, unless it runs already or it is too late for a thread."""
        if self._stopping is not None:
            return
        stopping, stopped = _thread.allocate_lock(), _thread.allocate_lock()
        stopping.acquire()
        stopped.acquire()
        try:
            _thread.start_new_thread(self._run, (stopping, stopped))
        except RuntimeError:
            return
        self._stopping, self._stopped = stopping, stopped

    def stop(self) -> None:
        """End the thread and wait for it, a second at most."""
        stopping, self._stopping = self._stopping, None
        if stopping is not None:
            stopping.release()
            self._stopped.acquire(timeout=_STOP_LIMIT)
            self._wait_for_the_system()

    def _run(self, stopping: _thread.LockType, stopped: _thread.LockType) -> None:
        self._native_id = _thread.get_native_id()
        pause = min(_SOON, self._period)
        try:
            while not stopping.acquire(timeout=pause):
                begun = time.thread_time()
                self._write()
                pause = max(self._period, _SHARE * (time.thread_time() - begun))
        finally:
            stopped.release()

    def _wait_for_the_system(self) -> None:
        # From 3.12 on Python warns of a fork with threads, and counts those the system still has.
        if sys.platform != "linux" or sys.version_info < (3, 12):
            return
        task = Path(f"/proc/self/task/{self._native_id}")
        deadline = time.monotonic() + _STOP_LIMIT
        while task.exists() and time.monotonic() < deadline:
            time.sleep(0)
