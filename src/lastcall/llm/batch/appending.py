"""A file that only grows: lines are written by a thread, in groups, each group kept by the disk."""

import asyncio
import contextlib
import os
import select
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from lastcall.llm.errors import LLMError

__all__ = ["Appender", "OutputError"]

_FULL = 32 * 2**20
"""Bytes that may wait to be written before whoever writes should pause."""


class OutputError(LLMError):
    """
    Results could not be written: a full disk, a limit, a file taken away.

    Attributes:
        lines: How many results are not in the file; they will be asked for again.
    """

    lines: int = 0

    def __str__(self) -> str:
        """Return the problem alone: no server was asked."""
        return self.problem


class Appender:
    """
    Appends lines to a file in a thread; what comes while it writes and syncs goes into the next group.

    A group is written at once and then synced, so that a process that is killed loses what came during one
    sync, and a machine that fails no more. After a failure the file ends with its last whole line, and
    nothing more is written until `close`, which tries once more.

    Args:
        fd: A descriptor to write to; it is borrowed.

        name: Of the file, for messages.

        on_failure: Called once, in the loop, when a group could not be written.

        room: Set while there is room for more, cleared while too much waits to be written.
    """

    def __init__(
        self, fd: int, name: str, *, on_failure: Callable[[OSError], None], room: asyncio.Event
    ) -> None:
        self._fd = fd
        self._name = name
        self._on_failure = on_failure
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self._size = os.fstat(fd).st_size
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._work = threading.Condition(threading.Lock())
        self._ending = False
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="lastcall output", daemon=True)
        self._thread.start()
        room.set()

    def write(self, line: bytes) -> None:
        """Have a line written soon; never blocks."""
        with self._work:
            self._waiting.append(line)
            self._waiting_bytes += len(line)
            self._work.notify()
        if self._waiting_bytes > _FULL:
            self._room.clear()

    async def close(self) -> None:
        """
        Write what waits, sync, and end the thread.

        Raises:
            OutputError: If lines are left that could not be written.
        """
        with self._work:
            self._ending = True
            self._work.notify()
        await asyncio.to_thread(self._thread.join)
        try:
            if self._failure is not None and self._waiting:
                self._write_group(self._waiting)  # there may be room again
                self._waiting = []
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> OutputError:
        lost = len(self._waiting)
        told = OutputError(
            f"{self._name} cannot be written: {error.strerror or error};"
            f" {lost:,} result{'' if lost == 1 else 's'} of this run {'is' if lost == 1 else 'are'} not in it"
        )
        told.lines = lost
        return told

    def _run(self) -> None:
        while group := self._next_group():
            try:
                self._write_group(group)
            except OSError as error:
                self._fail(group, error)
                return
            if not self._room.is_set():
                self._tell(self._room.set)

    def _next_group(self) -> list[bytes]:
        """Wait for lines and take all there are; none at the end."""
        with self._work:
            while not self._waiting and not self._ending:
                self._work.wait()
            group, self._waiting, self._waiting_bytes = self._waiting, [], 0
            return group

    def _write_group(self, group: list[bytes]) -> None:
        try:
            _write_all(self._fd, b"".join(group))
            if self._is_regular:
                os.fsync(self._fd)
        except OSError:
            self._cut_off_what_was_begun()
            raise
        self._size = os.fstat(self._fd).st_size

    def _cut_off_what_was_begun(self) -> None:
        if self._is_regular:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)

    def _fail(self, group: list[bytes], error: OSError) -> None:
        with self._work:
            self._waiting[:0] = group
            self._failure = error
        self._tell(self._room.set)  # whoever waits for room must hear of the failure instead
        self._tell(lambda: self._on_failure(error))

    def _tell(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(function)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # a pipe or terminal that another program has left so
            select.select([], [fd], [])


def sync_directory(path: Path) -> None:
    """Have the disk keep that a file of this name exists; does nothing where a directory cannot be opened."""
    with contextlib.suppress(OSError):
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
