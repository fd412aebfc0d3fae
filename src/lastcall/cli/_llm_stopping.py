"""What signals do to a batch: the first asks it to finish what is under way, the next cuts that off."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lastcall.llm.batch.job import Job

__all__ = ["Stopping"]

GRACE = 8.0
"""Seconds from SIGTERM until what is under way is cut off: containers are killed after ten."""

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopping:
    """
    Stops a batch when a signal comes.

    Args:
        job: The batch.

        note: Tells people.
    """

    def __init__(self, job: Job, note: Callable[[str], None]) -> None:
        self._job = job
        self._note = note
        self._cutter: asyncio.TimerHandle | None = None
        self.signal: int | None = None
        """The first that came, or None."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Heed signals from here on, on the running loop."""
        loop = asyncio.get_running_loop()
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        # nohup means: go on when the terminal ends.
        heeded = [number for number in numbers if before[number] is not signal.SIG_IGN]
        for number in heeded:
            try:
                loop.add_signal_handler(number, self._came, number)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda got, _: loop.call_soon_threadsafe(self._came, got))
        try:
            yield
        finally:
            for number in heeded:
                with suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, before[number])
            if self._cutter is not None:
                self._cutter.cancel()

    def _came(self, number: int) -> None:
        if self.signal is not None:
            self._cut()
            return
        self.signal = number
        count = self._job.stop("stopped")
        under_way = f"{count:,} request{'' if count == 1 else 's'} under way"
        if number == signal.SIGINT:
            self._note(f"stopping: {under_way} will be finished first; Ctrl-C again cuts them off")
            return
        self._note(f"stopping: {under_way}, cut off in {GRACE:g} seconds if not finished")
        self._cutter = asyncio.get_running_loop().call_later(GRACE, self._cut)

    def _cut(self) -> None:
        self._note("cutting off what is under way")
        self._job.cut("stopped")
