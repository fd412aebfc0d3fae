"""What `SQLiteInbox` does with its rows: each function runs inside a transaction of its caller."""
# ruff: noqa: S608 - the statements are put together from constants; values are bound

import functools
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .group_commit import OneByOneError
from .inbox import Added, Delivery, HandlerRecord, Received, State, Summary, Verdict

__all__ = [
    "SUSPECT",
    "Arrival",
    "Lease",
    "Settlement",
    "add_all",
    "claim",
    "counts",
    "expire",
    "get",
    "known",
    "listed",
    "owners",
    "progress",
    "purge",
    "release",
    "renew",
    "replay",
    "settle_all",
    "take_over",
]

_SUMMARY = (
    "delivery_id, event, state, attempts, crashes, received_at, not_before, finished_at, last_error, handlers"
)

_BODY = "(SELECT body FROM bodies WHERE bodies.seq = deliveries.seq)"

SUSPECT = 2
"""Crashes after which a delivery is handled alone: one of those leased when a worker died killed it."""

_PURGE_BATCH = 500
"""Rows to delete in one go, so that a delivery that comes in meanwhile need not wait for long."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leases, when, and until when; seconds of the wall clock."""

    owner: str
    now: float
    until: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery that comes in."""

    received: Received
    now: float
    lease: Lease | None
    """To be handled at once, by this owner; None to be queued."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A verdict on a delivery."""

    owner: str
    delivery_id: str
    verdict: Verdict
    now: float


def add_all(connection: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[Added]:
    """
    Insert deliveries; queue one again that is there and dead.

    Raises:
        OneByOneError: If some of several are there already.
    """
    values = [value for arrival in arrivals for value in _new_row(arrival)]
    inserted = connection.execute(_insert(len(arrivals)), values)
    if inserted.rowcount == len(arrivals):
        _insert_bodies(connection, inserted.lastrowid or 0, arrivals)
        return [Added.STORED if arrival.lease is None else Added.TAKEN for arrival in arrivals]
    if len(arrivals) > 1:
        raise OneByOneError
    return [_add_again(connection, arrivals[0].received.delivery_id)]


def claim(connection: sqlite3.Connection, lease: Lease, latest: float, limit: int) -> list[Delivery]:
    """
    Lease what is due.

    Args:
        connection: Inside a transaction.

        lease: For whom.

        latest: A due time beyond this comes from a clock that jumped: such a row is due now.

        limit: At most so many. Of those that may have killed a worker one at a time is leased, so that no
            other one has its crashes counted.
    """
    found = connection.execute(
        "UPDATE deliveries SET state = 'running', lease_owner = ?, lease_until = ?, attempts = attempts + 1"
        " WHERE seq IN ("
        "  SELECT seq FROM deliveries AS d WHERE state = 'queued' AND (not_before <= ? OR not_before > ?)"
        f"  AND (crashes < {SUSPECT} OR seq = ("
        f"   SELECT min(seq) FROM deliveries WHERE state = 'queued' AND crashes >= {SUSPECT}"
        "    AND (not_before <= ? OR not_before > ?)"
        f"   AND NOT EXISTS (SELECT 1 FROM deliveries WHERE state = 'running' AND crashes >= {SUSPECT})))"
        "  AND (key IS NULL OR NOT EXISTS ("
        "   SELECT 1 FROM deliveries AS e WHERE e.key = d.key AND e.seq < d.seq"
        "   AND e.state IN ('queued', 'running')"
        "  )) ORDER BY seq LIMIT ?"
        f" ) RETURNING seq, {_SUMMARY}, content_type, {_BODY}",
        (lease.owner, lease.until, *(lease.now, latest) * 2, limit),
    ).fetchall()
    # RETURNING promises no order.
    return [_delivery(row[1:]) for row in sorted(found, key=lambda row: int(row[0]))]


def expire(connection: sqlite3.Connection, owner: str, now: float, lease_s: float, crashes_max: int) -> None:
    """Queue again what others leased and did not renew; a lease too long was given by a clock that jumped."""
    _queue_after_crash(
        connection,
        "lease_owner <> ? AND (lease_until < ? OR lease_until > ?)",
        (owner, now, now + 2 * lease_s),
        (now, crashes_max),
    )


def take_over(connection: sqlite3.Connection, dead: Iterable[str], now: float, crashes_max: int) -> None:
    """Queue again what owners that are dead had leased."""
    for owner in dead:
        _queue_after_crash(connection, "lease_owner = ?", (owner,), (now, crashes_max))


def owners(connection: sqlite3.Connection) -> list[str]:
    """Return who has leases."""
    found = connection.execute("SELECT DISTINCT lease_owner FROM deliveries WHERE state = 'running'")
    return [owner for (owner,) in found]


def progress(
    connection: sqlite3.Connection, owner: str, delivery_id: str, handlers: Mapping[str, HandlerRecord]
) -> None:
    """Record how handlers fared, if the lease still holds."""
    connection.execute(
        "UPDATE deliveries SET handlers = ? WHERE delivery_id = ? AND state = 'running' AND lease_owner = ?",
        (_dump(handlers), delivery_id, owner),
    )


def settle_all(connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> list[bool]:
    """
    Write verdicts; False for one whose lease does not hold any more.

    Raises:
        OneByOneError: If that is so for some of several.
    """
    now = max(one.now for one in settlements)
    alike: dict[tuple[object, ...], list[str]] = {}
    for one in settlements:
        alike.setdefault(_settled(one, now), []).append(one.delivery_id)
    settled = sum(_settle_alike(connection, values, names) for values, names in alike.items())
    if settled == len(settlements):
        return [True] * settled
    if len(settlements) > 1:
        raise OneByOneError
    return [False]


def release(connection: sqlite3.Connection, owner: str, delivery_ids: Sequence[str]) -> None:
    """Queue leased deliveries as if they had not been taken."""
    connection.executemany(
        "UPDATE deliveries SET state = 'queued', attempts = attempts - 1,"
        " lease_owner = NULL, lease_until = NULL"
        " WHERE delivery_id = ? AND state = 'running' AND lease_owner = ?",
        [(delivery_id, owner) for delivery_id in delivery_ids],
    )


def renew(connection: sqlite3.Connection, owner: str, until: float) -> None:
    """Extend an owner's leases."""
    connection.execute(
        "UPDATE deliveries SET lease_until = ? WHERE state = 'running' AND lease_owner = ?", (until, owner)
    )


def replay(connection: sqlite3.Connection, delivery_id: str) -> State | None:
    """Queue again: for a dead delivery the handlers that did not succeed, for a done one all of them."""
    state = _state(connection, delivery_id)
    if state in {None, State.RUNNING}:
        return state
    (text,) = connection.execute(
        "SELECT handlers FROM deliveries WHERE delivery_id = ?", (delivery_id,)
    ).fetchone()
    succeeded = {name: one for name, one in _load(text).items() if one.done and state is not State.DONE}
    connection.execute(
        "UPDATE deliveries SET state = 'queued', not_before = 0, crashes = 0, finished_at = NULL,"
        " handlers = ? WHERE delivery_id = ?",
        (_dump(succeeded), delivery_id),
    )
    return state


def purge(connection: sqlite3.Connection, done_before: float, dead_before: float) -> int:
    """Delete some of what finished before those times; only the oldest rows of each state are looked at."""
    deleted = 0
    for state, before in ((State.DONE, done_before), (State.DEAD, dead_before)):
        old = connection.execute(
            "DELETE FROM deliveries WHERE finished_at < ? AND seq IN"
            " (SELECT seq FROM deliveries WHERE state = ? ORDER BY seq LIMIT ?) RETURNING seq",
            (before, str(state), _PURGE_BATCH),
        ).fetchall()
        connection.executemany("DELETE FROM bodies WHERE seq = ?", old)
        deleted += len(old)
    return deleted


def get(connection: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    """Return a delivery."""
    row = connection.execute(
        f"SELECT {_SUMMARY}, content_type, {_BODY} FROM deliveries WHERE delivery_id = ?", (delivery_id,)
    ).fetchone()
    return None if row is None else _delivery(row)


def listed(
    connection: sqlite3.Connection, state: State | None, limit: int, before: str | None
) -> list[Summary]:
    """Return deliveries, the newest first."""
    where, values = "1", [] if state is None else [str(state)]
    if state is not None:
        where = "state = ?"
    if before is not None:
        where += " AND seq < (SELECT seq FROM deliveries WHERE delivery_id = ?)"
        values.append(before)
    found = connection.execute(
        f"SELECT {_SUMMARY} FROM deliveries WHERE {where} ORDER BY seq DESC LIMIT ?", (*values, limit)
    )
    return [_summary(row) for row in found]


def known(connection: sqlite3.Connection, delivery_ids: Sequence[str]) -> dict[str, State]:
    """Return the states of those that are there."""
    states = {one: _state(connection, one) for one in delivery_ids}
    return {delivery_id: state for delivery_id, state in states.items() if state is not None}


def counts(connection: sqlite3.Connection) -> dict[State, int]:
    """Return how many there are in each state."""
    found = dict(connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
    return {state: found.get(str(state), 0) for state in State}


@functools.cache
def _insert(count: int) -> str:
    return (
        "INSERT INTO deliveries (delivery_id, event, content_type, key, received_at,"
        " state, attempts, lease_owner, lease_until) VALUES "
        + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * count)
        + " ON CONFLICT (delivery_id) DO NOTHING"
    )


def _new_row(arrival: Arrival) -> tuple[object, ...]:
    received, lease = arrival.received, arrival.lease
    leased = ("queued", 0, None, None) if lease is None else ("running", 1, lease.owner, lease.until)
    return (
        received.delivery_id, received.event, received.content_type, received.key, arrival.now, *leased
    )  # fmt: skip


def _insert_bodies(connection: sqlite3.Connection, last: int, arrivals: Sequence[Arrival]) -> None:
    """Insert the bodies of deliveries that have just been inserted, up to the row *last*."""
    values: list[object] = []
    for seq, arrival in enumerate(arrivals, last - len(arrivals) + 1):
        values += seq, arrival.received.body
    connection.execute(
        f"INSERT INTO bodies (seq, body) VALUES {', '.join(['(?, ?)'] * len(arrivals))}", values
    )


def _add_again(connection: sqlite3.Connection, delivery_id: str) -> Added:
    state = _state(connection, delivery_id)
    if state is State.DEAD:
        replay(connection, delivery_id)
        return Added.REQUEUED
    return Added.DONE if state is State.DONE else Added.PENDING


def _settled(one: Settlement, now: float) -> tuple[object, ...]:
    verdict = one.verdict
    queued = verdict.state is State.QUEUED
    due, finished = (now + verdict.delay, None) if queued else (0, now)
    return str(verdict.state), _dump(verdict.handlers), verdict.error, due, finished, one.owner


def _settle_alike(connection: sqlite3.Connection, values: tuple[object, ...], names: list[str]) -> int:
    # The plus keeps the state's index from being used: the GUIDs' finds fewer rows.
    return connection.execute(
        "UPDATE deliveries SET state = ?, handlers = ?, last_error = ?, not_before = ?, finished_at = ?,"
        " lease_owner = NULL, lease_until = NULL WHERE lease_owner = ? AND +state = 'running'"
        f" AND delivery_id IN ({', '.join('?' * len(names))})",
        (*values, *names),
    ).rowcount


def _queue_after_crash(
    connection: sqlite3.Connection, which: str, values: tuple[object, ...], limits: tuple[float, int]
) -> None:
    """Queue leased rows again, and count a crash of each; give up those that have had too many."""
    now, crashes_max = limits
    connection.execute(
        "UPDATE deliveries SET crashes = crashes + 1, lease_owner = NULL, lease_until = NULL,"
        " last_error = 'its worker died or was not heard of any more',"
        " state = CASE WHEN crashes + 1 >= ? THEN 'dead' ELSE 'queued' END,"
        " finished_at = CASE WHEN crashes + 1 >= ? THEN ? END"
        f" WHERE state = 'running' AND {which}",
        (crashes_max, crashes_max, now, *values),
    )


def _state(connection: sqlite3.Connection, delivery_id: str) -> State | None:
    row = connection.execute("SELECT state FROM deliveries WHERE delivery_id = ?", (delivery_id,)).fetchone()
    return None if row is None else State(row[0])


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(_summary(row[:10]), content_type=row[10], body=row[11])


def _summary(row: Sequence[Any]) -> Summary:
    delivery_id, event, state, *numbers, last_error, handlers = row
    attempts, crashes, received_at, not_before, finished_at = numbers
    return Summary(
        delivery_id=delivery_id,
        event=event,
        state=State(state),
        attempts=attempts,
        crashes=crashes,
        received_at=received_at,
        not_before=not_before,
        finished_at=finished_at,
        last_error=last_error,
        handlers=_load(handlers),
    )


def _dump(handlers: Mapping[str, HandlerRecord]) -> str:
    return _dumped(tuple(handlers.items())) if handlers else "{}"


@functools.lru_cache(maxsize=1000)
def _dumped(handlers: tuple[tuple[str, HandlerRecord], ...]) -> str:
    # Most deliveries are done by the same handlers at their first attempt, so most of these are alike.
    return json.dumps({name: asdict(one) for name, one in handlers})


def _load(text: str) -> dict[str, HandlerRecord]:
    return {} if text == "{}" else {name: HandlerRecord(**one) for name, one in json.loads(text).items()}
