"""`lastcall github deliveries`: what is in an inbox, one delivery of it, and another try."""
# ruff: noqa: PLC0415 - the extra is imported when a command that needs it runs

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ._github_extra import needs_extra

if TYPE_CHECKING:
    from lastcall.github.inbox import Summary
    from lastcall.github.store_sqlite import SQLiteInbox

__all__ = ["deliveries"]

_Result = TypeVar("_Result")

_db = click.option(
    "--db",
    default="deliveries.sqlite3",
    show_default=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="GITHUB_WEBHOOK_DB",
    help="File of the inbox.",
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group("deliveries")
def deliveries() -> None:
    """Look into an inbox, also while it is being served."""


@deliveries.command("list")
@_db
@click.option("--state", type=click.Choice(["queued", "running", "done", "dead"]), help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="At most so many.")
@_json
@needs_extra
def list_(db: Path, state: str | None, limit: int, *, as_json: bool) -> None:
    """List deliveries, the newest first."""
    from lastcall.github.inbox import State

    wanted = None if state is None else State(state)
    for summary in _ask(_inbox(db).list(state=wanted, limit=limit)):
        print(json.dumps(asdict(summary)) if as_json else _line(summary))


@deliveries.command("show")
@_db
@click.argument("delivery_id")
@needs_extra
def show(db: Path, delivery_id: str) -> None:
    """Show one delivery and its payload, as JSON."""
    from lastcall.github.event import readable

    delivery = _ask(_inbox(db).get(delivery_id))
    if delivery is None:
        raise click.ClickException(f"there is no delivery {delivery_id} in {db}")
    payload = readable(delivery.content_type, delivery.body)
    print(json.dumps({**asdict(delivery.summary), "payload": payload}, indent=2))


@deliveries.command("replay")
@_db
@click.argument("delivery_ids", nargs=-1)
@click.option("--dead", is_flag=True, help="Every dead one.")
@needs_extra
def replay(db: Path, delivery_ids: tuple[str, ...], *, dead: bool) -> None:
    """Queue deliveries again; the service, when it runs, takes them up within a second."""
    if not delivery_ids and not dead:
        raise click.UsageError("name deliveries, or say --dead")
    unknown = _ask(_replay_all(_inbox(db), delivery_ids, dead=dead))
    if unknown:
        raise click.ClickException(f"there is no delivery {', '.join(unknown)} in {db}")


async def _replay_all(inbox: SQLiteInbox, delivery_ids: tuple[str, ...], *, dead: bool) -> list[str]:
    """Replay and tell; return those that are not there."""
    from lastcall.github.inbox import State

    await inbox.open()
    try:
        everything = await inbox.list(state=State.DEAD, limit=sys.maxsize) if dead else ()
        wanted = (*delivery_ids, *(summary.delivery_id for summary in everything))
        unknown = []
        for delivery_id in wanted:
            was = await inbox.replay(delivery_id)
            if was is None:
                unknown.append(delivery_id)
            else:
                print(f"{delivery_id}  {'is running' if was is State.RUNNING else f'queued, was {was}'}")
        return unknown
    finally:
        await inbox.close()


def _inbox(db: Path) -> SQLiteInbox:
    from lastcall.github.store_sqlite import SQLiteInbox

    return SQLiteInbox(db)


def _ask(question: Coroutine[Any, Any, _Result]) -> _Result:
    from lastcall.github.inbox import InboxError

    try:
        return asyncio.run(question)
    except InboxError as error:
        raise click.ClickException(str(error)) from None


def _line(summary: Summary) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(summary.received_at))
    columns = [
        f"{summary.state:7}",
        when,
        f"{summary.attempts:2}x",
        f"{summary.event:28}",
        summary.delivery_id,
        summary.last_error or "",
    ]
    return "  ".join(columns).rstrip()
