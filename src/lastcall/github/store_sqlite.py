"""The embedded inbox: one table in one SQLite file, of the standard library; works from SQLite 3.35 on."""

import asyncio
import contextlib
import os
import socket
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from . import sqlite_rows as rows
from .group_commit import GroupCommit
from .inbox import Added, Delivery, HandlerRecord, InboxError, Received, State, Summary, Verdict

__all__ = ["SQLiteInbox"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_owners_here: set[str] = set()
"""Owners that are open in this process."""

_STATEMENTS = 500
"""Statements kept prepared: one for each number of rows that is written at once."""

_SCHEMA_VERSION = 2
_SCHEMA = f"""
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    content_type TEXT NOT NULL,
    key TEXT,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    received_at REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0,
    finished_at REAL,
    lease_owner TEXT,
    lease_until REAL,
    last_error TEXT,
    handlers TEXT NOT NULL DEFAULT '{{}}'
);
CREATE INDEX deliveries_by_state ON deliveries (state, seq);
CREATE INDEX deliveries_by_key ON deliveries (key, seq) WHERE key IS NOT NULL;
CREATE INDEX deliveries_suspect ON deliveries (state, seq) WHERE crashes >= {rows.SUSPECT};
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
PRAGMA user_version = {_SCHEMA_VERSION};
"""
# Bodies are apart because a change of state rewrites its whole row.


class SQLiteInbox:
    """
    An `Inbox` in a SQLite file, with write-ahead log and `synchronous=FULL`.

    Several processes on one machine may share the file; never put it on a network drive.

    Args:
        path: Of the file; it is made if need be, its folder is not.

        lease_s: Seconds after which a delivery whose worker says nothing more is taken up again. At start
            that happens at once for workers of this machine that are dead.

        crashes_max: A delivery whose worker died so often with it is dead: it is what kills them. From the
            second time on such deliveries are handled one at a time, so that none is blamed for another.

        delay_max_s: No delay of a `Verdict` is longer, so a due time further ahead comes from a clock that
            jumped, and is ignored.

        busy_s: Seconds to wait for a lock that somebody else holds on the file; less than GitHub waits for
            an answer, which is 10.

        clock: Returns the wall clock's time in seconds since the epoch.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lease_s: float = 30.0,
        crashes_max: int = 10,
        delay_max_s: float = 6 * 3600.0,
        busy_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._lease_s = lease_s
        self._crashes_max = crashes_max
        self._delay_max_s = delay_max_s
        self._busy_s = busy_s
        self._clock = clock
        self._writer = GroupCommit(self._connect_to_write, f"lastcall inbox {self.path.name}")

    async def open(self) -> None:
        """Open the file, and queue again what dead processes of this machine had leased."""
        try:
            await self._writer.start()
        except sqlite3.Error as error:
            raise self._error("opened", error) from error
        _owners_here.add(self.owner)
        await self._write(self._take_over)

    async def close(self) -> None:
        """Write what was asked for so far and close the file; idempotent."""
        await self._writer.stop()
        _owners_here.discard(self.owner)

    async def add(self, received: Received, *, take: bool = False) -> Added:
        """Store a delivery, or find out that it is known."""
        now = self._clock()
        # What has a key has to wait for those before it, of which only a claim knows.
        lease = rows.Lease(self.owner, now, now + self._lease_s) if take and received.key is None else None
        return await self._together(rows.add_all, rows.Arrival(received, now, lease))

    async def claim(self, limit: int) -> Sequence[Delivery]:
        """Lease what is due, the oldest first."""
        now = self._clock()
        lease = rows.Lease(self.owner, now, now + self._lease_s)
        latest = now + self._delay_max_s

        def claim(connection: sqlite3.Connection) -> list[Delivery]:
            rows.expire(connection, self.owner, now, self._lease_s, self._crashes_max)
            return rows.claim(connection, lease, latest, limit)

        return await self._write(claim)

    async def progress(self, delivery_id: str, handlers: Mapping[str, HandlerRecord]) -> None:
        """Record how handlers fared so far."""
        await self._write(lambda connection: rows.progress(connection, self.owner, delivery_id, handlers))

    async def settle(self, delivery_id: str, verdict: Verdict) -> bool:
        """Let go of a delivery; False if its lease was lost."""
        settlement = rows.Settlement(self.owner, delivery_id, verdict, self._clock())
        return await self._together(rows.settle_all, settlement)

    async def release(self, delivery_ids: Sequence[str]) -> None:
        """Give deliveries back untouched."""
        await self._write(lambda connection: rows.release(connection, self.owner, delivery_ids))

    async def renew(self) -> None:
        """Extend the leases."""
        until = self._clock() + self._lease_s
        await self._write(lambda connection: rows.renew(connection, self.owner, until))

    async def replay(self, delivery_id: str) -> State | None:
        """Queue a delivery again; return its state before."""
        return await self._write(lambda connection: rows.replay(connection, delivery_id))

    async def check(self) -> None:
        """Write the schema version again, to see whether the file and its disk can be written."""
        await self._write(_write_version)

    async def purge(self, *, done_s: float, dead_s: float) -> int:
        """Delete what has been done, or dead, for longer than that many seconds."""
        now = self._clock()
        return await self._write(lambda connection: rows.purge(connection, now - done_s, now - dead_s))

    async def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery."""
        return await self._read(lambda connection: rows.get(connection, delivery_id))

    async def list(
        self, *, state: State | None = None, limit: int = 50, before: str | None = None
    ) -> Sequence[Summary]:
        """Return deliveries, the newest first."""
        return await self._read(lambda connection: rows.listed(connection, state, limit, before))

    async def known(self, delivery_ids: Sequence[str]) -> Mapping[str, State]:
        """Return the states of those that are in the inbox."""
        return await self._read(lambda connection: rows.known(connection, delivery_ids))

    async def counts(self) -> Mapping[State, int]:
        """Return how many there are in each state."""
        return await self._read(rows.counts)

    async def _together(
        self, write: Callable[[sqlite3.Connection, Sequence[_Item]], Sequence[_Result]], item: _Item
    ) -> _Result:
        """Write *item* with what else is given to *write* at about the same time."""
        try:
            return await self._writer.run(write, item)
        except sqlite3.Error as error:
            raise self._error("written", error) from error

    async def _write(self, write: Callable[[sqlite3.Connection], _Result]) -> _Result:
        return await self._together(lambda connection, items: [write(connection) for _ in items], None)

    async def _read(self, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run *read* on a connection and in a thread of its own: readers do not wait for the writer."""

        def run() -> _Result:
            with contextlib.closing(self._connect()) as connection:
                return read(connection)

        try:
            return await asyncio.to_thread(run)
        except sqlite3.Error as error:
            raise self._error("read", error) from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=self._busy_s, isolation_level=None, cached_statements=_STATEMENTS
        )

    def _connect_to_write(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take_over(self, connection: sqlite3.Connection) -> None:
        dead = [owner for owner in rows.owners(connection) if _is_dead(owner)]
        rows.take_over(connection, dead, self._clock(), self._crashes_max)

    def _error(self, done: str, error: sqlite3.Error) -> InboxError:
        return InboxError(f"the inbox {self.path} cannot be {done}: {error}")


def _prepare(connection: sqlite3.Connection) -> None:
    """Set what holds for a writing connection, and make the table in a new file."""
    if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
        raise sqlite3.OperationalError("it allows no write-ahead log; use a file on a local disk")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")  # macOS; elsewhere it does nothing
    connection.execute("BEGIN IMMEDIATE")  # two processes may start at once
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
    connection.execute("COMMIT")
    if version not in {0, _SCHEMA_VERSION}:
        raise sqlite3.OperationalError(
            f"it has schema version {version}, this lastcall knows {_SCHEMA_VERSION}"
        )
    # A read-only file can be opened and looked at all the same.
    connection.execute("BEGIN IMMEDIATE")
    _write_version(connection)
    connection.execute("COMMIT")


def _write_version(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _is_dead(owner: str) -> bool:
    """Tell whether an owner is known to be dead: a process of this machine that is no more."""
    host, _, rest = owner.partition(":")
    number, _, _ = rest.partition(":")
    if host != socket.gethostname() or not number.isdigit():
        return False
    pid = int(number)
    if pid == os.getpid():
        # In a container every start has the same pid. Another inbox of this very process is none of ours.
        return owner not in _owners_here
    if sys.platform == "win32":
        return False  # os.kill(pid, 0) would end that process; its leases run out instead
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
