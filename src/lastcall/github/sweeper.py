"""The sweeper: finds deliveries that GitHub could not hand over, and has them sent again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from .clients import Clients
from .inbox import Inbox
from .service import GithubService
from .settings import Settings
from .tally import Tally

__all__ = ["sweep", "sweep_forever"]

_WINDOW = timedelta(days=3)
"""GitHub sends nothing again that is older. Source: GitHub Docs, "Redelivering webhooks"."""

_EVERY_S = 600.0
_SETTLED = timedelta(minutes=2)
"""A failure younger than this may be one that is being sent again."""

_DELIVERIES_MAX = 5000

_log = logging.getLogger("lastcall.github")


async def sweep_forever(settings: Settings, clients: Clients, inbox: Inbox, tally: Tally) -> None:
    """Sweep at once and then every ten minutes, until cancelled; a failure is logged."""
    while True:
        try:
            asked = await sweep(settings, clients.for_hooks(), inbox)
        except Exception as error:  # noqa: BLE001 - GitHub may be down just now
            _log.warning("failed deliveries could not be asked for: %s: %s", type(error).__name__, error)
        else:
            tally.redelivered += asked
        await asyncio.sleep(_EVERY_S)


async def sweep(
    settings: Settings, github: GithubService, inbox: Inbox, *, now: datetime | None = None
) -> int:
    """
    Ask GitHub once for failed deliveries of the last three days, and to send again those that are missed.

    A GUID is missed if no attempt at it succeeded and the inbox does not have it; dead work is left to a
    person, who replays it.

    Args:
        settings: Whose webhook: the repository's that `hook` names, else the GitHub App's.

        github: May read and redeliver that webhook's deliveries.

        inbox: Open.

        now: With a time zone; None for the present.

    Returns:
        How many GitHub was asked to send again.
    """
    url = _hook_url(settings)
    missed = await _missed(github, url, now or datetime.now(UTC))
    known = await inbox.known(tuple(missed))
    asked = 0
    for delivery_id, number in missed.items():
        if delivery_id in known:
            continue
        await github.gh.post(f"{url}/{number}/attempts", data={})
        _log.info("GitHub is asked to send delivery %s again", delivery_id)
        asked += 1
    return asked


async def _missed(github: GithubService, url: str, now: datetime) -> dict[str, int]:
    """Return GUIDs of which no attempt succeeded, the oldest first, each with the id of its last attempt."""
    attempts: dict[str, int] = {}
    succeeded: set[str] = set()
    async for delivery in _listed(github, url, now - _WINDOW):
        guid = str(delivery["guid"])
        attempts.setdefault(guid, int(delivery["id"]))
        if _is_ok(delivery) or _time(delivery) > now - _SETTLED:
            succeeded.add(guid)
    return {guid: number for guid, number in reversed(attempts.items()) if guid not in succeeded}


async def _listed(github: GithubService, url: str, oldest: datetime) -> AsyncIterator[dict[str, Any]]:
    """Yield attempts, the newest first, no older than *oldest* and not without bound."""
    count = 0
    async with aclosing(github.gh.getiter(f"{url}?per_page=100")) as listed:
        async for delivery in listed:
            count += 1
            if _time(delivery) < oldest or count > _DELIVERIES_MAX:
                return
            yield delivery


def _hook_url(settings: Settings) -> str:
    if settings.hook is None:
        return "/app/hook/deliveries"
    owner, name, number = settings.hook.split("/")
    return f"/repos/{owner}/{name}/hooks/{number}/deliveries"


def _is_ok(delivery: dict[str, Any]) -> bool:
    return 200 <= int(delivery.get("status_code") or 0) < 300  # noqa: PLR2004 - HTTP


def _time(delivery: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(delivery["delivered_at"]))
