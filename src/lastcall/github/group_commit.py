"""One thread that writes to SQLite: what was asked for while it wrote goes into its next transaction."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["GroupCommit", "OneByOneError"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Write = Callable[[sqlite3.Connection, Sequence[_Item]], Sequence[_Result]]
_Job = tuple[_Write[Any, Any], Any, "asyncio.Future[Any]"]
_Answer = tuple[object, BaseException | None]

_BATCH_MAX = 200

_TURNS = 4
"""Turns of the loop for which a batch gathers. A busy loop takes in many requests in them, an idle one is
through them in microseconds: fewer and larger commits under load, and no waiting without."""


class OneByOneError(Exception):
    """Raised by a write that could not do its items at once; it is called again with each alone."""


class GroupCommit:
    """
    Runs functions on one connection in one thread, many to a transaction.

    A disk can be told to keep something only some hundred times a second; told of many at once it answers
    all of them after one such wait. A thread that runs beside a busy loop waits for the interpreter after
    each statement, so what can be written in one statement should be: a function gets all the items that
    were given with it.

    Args:
        connect: Opens the connection, in autocommit mode; called in the thread.

        name: Of the thread.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._connect = connect
        self._batches: SimpleQueue[list[_Job]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: asyncio.Future[None] | None = None
        self._jobs: list[_Job] = []
        self._writing = False
        self._open = False

    async def start(self) -> None:
        """Start the thread and open the connection; raises what that raises. Belongs to this loop then."""
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        self._thread.start()
        await self._opened
        self._open = True

    def run(self, write: _Write[_Item, _Result], item: _Item) -> "asyncio.Future[_Result]":
        """
        Have *write* called in a transaction, and return a future of its result, done once that is on disk.

        Should the caller be cancelled, it is written all the same.

        Args:
            write: Called with the connection, and with the items of all those who gave this function at
                about the same time, in their order; returns a result for each, or raises `OneByOneError`.

            item: What to write.

        Raises:
            sqlite3.Error: Now, if it is closed; by the future, if it could not be written: then nothing of
                it was.
        """
        if not self._open:
            raise sqlite3.ProgrammingError("the inbox is closed")
        return self._submit(write, item)

    async def stop(self) -> None:
        """Write what was asked for so far, close the connection, and end the thread; idempotent."""
        was_open, self._open = self._open, False
        if was_open:
            with contextlib.suppress(sqlite3.Error):
                await self._submit(_nothing, None)  # comes after all that was asked for
        if self._thread.is_alive():
            self._batches.put([])
            await asyncio.to_thread(self._thread.join)

    def _submit(self, write: _Write[_Item, _Result], item: _Item) -> "asyncio.Future[_Result]":
        assert self._loop is not None
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._jobs.append((write, item, future))
        if not self._writing:
            self._writing = True
            self._gather(_TURNS)
        return future

    def _gather(self, turns: int) -> None:
        assert self._loop is not None
        if turns:
            self._loop.call_soon(self._gather, turns - 1)
            return
        batch, self._jobs = self._jobs[:_BATCH_MAX], self._jobs[_BATCH_MAX:]
        self._batches.put(batch)

    def _written(self, batch: list[_Job], answers: list[_Answer]) -> None:
        for (_, _, future), (result, error) in zip(batch, answers, strict=True):
            if future.done():
                continue  # the caller was cancelled
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
        self._writing = bool(self._jobs)
        if self._jobs:
            self._gather(_TURNS)

    def _run(self) -> None:
        assert self._opened is not None
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread was started
            self._tell(self._opened.set_exception, error)
            return
        self._tell(self._opened.set_result, None)
        with contextlib.closing(connection):
            while batch := self._batches.get():
                self._tell(self._written, batch, _write_all(connection, batch))

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(callback, *args)


def _nothing(_connection: sqlite3.Connection, items: Sequence[None]) -> Sequence[None]:
    return items


def _write_all(connection: sqlite3.Connection, batch: list[_Job]) -> list[_Answer]:
    """Write a batch in one transaction; if a write of it is at fault, each in one of its own."""
    try:
        try:
            return _transaction(connection, batch, _by_function(batch))
        except OneByOneError:
            return _transaction(connection, batch, [[number] for number in range(len(batch))])
    except sqlite3.OperationalError as error:
        # The disk or a lock is at fault, not one of the writes: each would wait for it again.
        return [(None, error)] * len(batch)
    except BaseException as error:  # noqa: BLE001 - the one who asked for it gets it
        if len(batch) == 1:
            return [(None, error)]
        return [answer for one in batch for answer in _write_all(connection, [one])]


def _by_function(batch: list[_Job]) -> list[list[int]]:
    """Return the places in *batch* of those jobs that are written with one call."""
    places: dict[object, list[int]] = {}
    for place, (write, _, _) in enumerate(batch):
        places.setdefault(write, []).append(place)
    return list(places.values())


def _transaction(connection: sqlite3.Connection, batch: list[_Job], calls: list[list[int]]) -> list[_Answer]:
    answers: list[_Answer] = [(None, None)] * len(batch)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for places in calls:
            write = batch[places[0]][0]
            results = write(connection, [batch[place][1] for place in places])
            for place, result in zip(places, results, strict=True):
                answers[place] = result, None
        connection.execute("COMMIT")
    finally:
        # Some errors, a full disk among them, roll back by themselves.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return answers
