"""The sweeper: what GitHub could not hand over is sent again, once, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from lastcall.github import GithubService
from lastcall.github.clients import Clients
from lastcall.github.settings import Settings
from lastcall.github.store_sqlite import SQLiteInbox
from lastcall.github.sweeper import sweep
from lastcall.testing import LoopbackServer

from .conftest import SECRET, private_key, received

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOOK = "/repos/o/r/hooks/7/deliveries"
APP_HOOK = "/app/hook/deliveries"


def attempt(number: int, guid: str, status: int, **ago: float) -> dict[str, Any]:
    """Return an attempt as GitHub lists it."""
    at = (NOW - timedelta(**ago)).isoformat().replace("+00:00", "Z")
    return {"id": number, "guid": guid, "status_code": status, "delivered_at": at}


PAGES = [
    [
        attempt(9, "fresh", 502, seconds=5),
        attempt(8, "sent again", 202, minutes=10),
        attempt(7, "failed twice", 0, hours=1),
        attempt(6, "failed twice", 502, hours=2),
    ],
    [
        attempt(5, "sent again", 502, hours=3),
        attempt(4, "here after all", 504, hours=4),
        attempt(3, "failed", 503, hours=5),
        attempt(2, "too old", 503, days=3, minutes=1),
        attempt(1, "older still", 503, days=4),
    ],
]


def github(url: str, asked: list[str], bearers: list[str]) -> Callable[[], web.Application]:
    """Return what makes a GitHub with the deliveries of the webhook at *url*; notes what it is asked."""

    def app() -> web.Application:
        async def listed(request: web.Request) -> web.Response:
            page = int(request.query.get("page", 1))
            link = f'<{request.url.with_query(per_page=100, page=2)}>; rel="next"'
            return web.json_response(PAGES[page - 1], headers={"Link": link} if page == 1 else {})

        async def again(request: web.Request) -> web.Response:
            asked.append(request.match_info["number"])
            bearers.append(request.headers["Authorization"])
            return web.json_response({}, status=202)

        app = web.Application()
        app.add_routes([web.get(url, listed), web.post(url + "/{number}/attempts", again)])
        return app

    return app


async def test_only_what_was_missed_is_asked_for_again(inbox: SQLiteInbox, tmp_path: Path) -> None:
    """Of each GUID that no attempt brought here in three days the last attempt is repeated, oldest first."""
    asked: list[str] = []
    await inbox.add(received("here after all"))
    settings = Settings(secrets=(SECRET,), token="t", hook="o/r/7", sweep=True, db=tmp_path / "unused")
    with LoopbackServer(github(HOOK, asked, [])) as server:
        async with GithubService("t", base_url=server.url) as service:
            assert await sweep(settings, service, inbox, now=NOW) == 2
    assert asked == ["3", "7"]


async def test_an_apps_deliveries_are_asked_for_as_the_app(inbox: SQLiteInbox, tmp_path: Path) -> None:
    """Its own webhook is swept, with the App's JWT: an installation's token may not."""
    asked: list[str] = []
    bearers: list[str] = []
    with LoopbackServer(github(APP_HOOK, asked, bearers)) as server:
        settings = Settings(
            secrets=(SECRET,), app_id="12", private_key=private_key(), api_url=server.url, sweep=True,
            db=tmp_path / "unused",
        )  # fmt: skip
        async with aiohttp.ClientSession() as session:
            service = Clients(settings, session).for_hooks()
            assert await sweep(settings, service, inbox, now=NOW) == 3
    assert asked == ["3", "4", "7"]
    for bearer in bearers:
        scheme, _, jwt_text = bearer.partition(" ")
        assert scheme == "Bearer"
        assert jwt.decode(jwt_text, options={"verify_signature": False})["iss"] == "12"
