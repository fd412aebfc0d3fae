"""One thread that writes to SQLite: what was asked for while it wrote goes into its next transaction."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

__all__ = ["GroupCommit"]

_Result = TypeVar("_Result")
_Write = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]"]
_Answer = tuple["asyncio.Future[Any]", object, BaseException | None]

_BATCH_MAX = 500


class GroupCommit:
    """
    Runs functions on one connection in one thread, many to a transaction.

    A disk can be told to keep something only some hundred times a second; told of many at once it answers
    all of them after one such wait.

    Args:
        connect: Opens the connection, in autocommit mode; called in the thread.

        name: Of the thread.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._connect = connect
        self._writes: SimpleQueue[_Write | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._opened: asyncio.Future[Any] | None = None
        self._closed = False

    async def start(self) -> None:
        """Start the thread and open the connection; raises what that raises."""
        self._opened = asyncio.get_running_loop().create_future()
        self._thread.start()
        await self._opened

    async def run(self, write: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """
        Run *write* in a transaction and return its result once that is on disk.

        Should the caller be cancelled, it is written all the same.

        Raises:
            sqlite3.Error: If it could not be written; then nothing of it was.
        """
        if self._closed or not self._thread.is_alive():
            raise sqlite3.ProgrammingError("the inbox is closed")
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._writes.put((write, future))
        return await future

    async def stop(self) -> None:
        """Write what was asked for so far, close the connection, and end the thread; idempotent."""
        self._closed = True
        if self._thread.is_alive():
            self._writes.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        assert self._opened is not None
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread was started
            _tell([(self._opened, None, error)])
            return
        _tell([(self._opened, None, None)])
        with contextlib.closing(connection):
            while batch := self._next_batch():
                _tell(_write_all(connection, batch))

    def _next_batch(self) -> list[_Write]:
        """Wait for a write and take what else is there; empty at the end."""
        batch: list[_Write] = []
        write = self._writes.get()
        while write is not None:
            batch.append(write)
            if len(batch) == _BATCH_MAX:
                return batch
            try:
                write = self._writes.get_nowait()
            except Empty:
                return batch
        if batch:
            self._writes.put(None)  # the end is met again after these
        return batch


def _write_all(connection: sqlite3.Connection, batch: list[_Write]) -> list[_Answer]:
    """Run a batch in one transaction; if a write of it is at fault, each in one of its own."""
    try:
        results = _transaction(connection, [write for write, _ in batch])
    except sqlite3.OperationalError as error:
        # The disk or a lock is at fault, not one of the writes: each would wait for it again.
        return [(future, None, error) for _, future in batch]
    except BaseException as error:  # noqa: BLE001 - the one who asked for it gets it
        if len(batch) == 1:
            return [(batch[0][1], None, error)]
        return [answer for one in batch for answer in _write_all(connection, [one])]
    return [(future, result, None) for (_, future), result in zip(batch, results, strict=True)]


def _transaction(
    connection: sqlite3.Connection, writes: list[Callable[[sqlite3.Connection], Any]]
) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = [write(connection) for write in writes]
        connection.execute("COMMIT")
    finally:
        # Some errors, a full disk among them, roll back by themselves.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return results


def _tell(answers: list[_Answer]) -> None:
    """Answer those who wait, each on its loop, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].get_loop(), []).append(answer)
    for loop, answered in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_set_results, answered)


def _set_results(answers: list[_Answer]) -> None:
    for future, result, error in answers:
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
