"""GitHub's real payloads, signed by code that nobody here wrote; skipped where npm has them not."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from lastcall.github.event import JSON
from lastcall.github.inbox import State
from lastcall.github.intake import Intake
from lastcall.github.router import Router
from lastcall.github.store_sqlite import SQLiteInbox
from lastcall.github.tally import Tally

from .conftest import SECRET, until, working

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "npm-webhooks"
PACKAGES = ("@octokit/webhooks-examples@7.6.1", "@octokit/webhooks-methods@6.0.0")
PAYLOADS = 329


@pytest.fixture(scope="module")
def deliveries() -> list[dict[str, Any]]:
    """Sign all payloads; the packages are kept in `.cache`."""
    if not (CACHE / "complete").exists():
        _install()
    script = Path(__file__).with_name("sign.mjs")
    done = subprocess.run(
        ["node", str(script), SECRET], cwd=CACHE, capture_output=True, text=True, timeout=30, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _install() -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed for Octokit's payloads, and are not here")
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [
        "npm",
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(CACHE),
        *PACKAGES,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=25, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not bring Octokit's payloads within 25 s")
    if done.returncode:
        pytest.skip(f"npm cannot bring Octokit's payloads: {done.stderr.strip().splitlines()[-1:]}")
    (CACHE / "complete").touch()


async def test_every_real_payload_is_accepted_and_handled(
    deliveries: list[dict[str, Any]], inbox: SQLiteInbox, router: Router
) -> None:
    """All 329 are answered 202 and handled, each as what was sent; a space more and none is."""
    handled: dict[str, Any] = {}

    @router.register("*")
    async def note(event: Any, github: object) -> None:
        handled[event.delivery_id] = (event.event, event.data)

    app = Starlette(routes=[Route("/webhook", Intake(inbox, [SECRET.encode()], Tally()), methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

        async def post(number: int, change: bytes = b"") -> int:
            delivery = deliveries[number]
            headers = {
                "Content-Type": JSON,
                "X-GitHub-Event": delivery["event"],
                "X-GitHub-Delivery": str(number),
                "X-Hub-Signature-256": delivery["signature"],
            }
            body = delivery["body"].encode() + change
            return (await client.post("/webhook", content=body, headers=headers)).status_code

        numbers = range(len(deliveries))
        assert set(await asyncio.gather(*(post(number, b" ") for number in numbers))) == {401}
        assert await asyncio.gather(*map(post, numbers)) == [202] * PAYLOADS
        async with working(inbox, router):
            await until(lambda: len(handled) == PAYLOADS)
    assert all(
        handled[str(number)] == (one["event"], json.loads(one["body"]))
        for number, one in enumerate(deliveries)
    )
    assert (await inbox.counts())[State.DONE] == PAYLOADS
