"""An inbox in a file, and deliveries signed as GitHub signs them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lastcall.github.event import JSON
from lastcall.github.handling import Limits
from lastcall.github.inbox import Received, State
from lastcall.github.router import Router
from lastcall.github.store_sqlite import SQLiteInbox
from lastcall.github.tally import Tally
from lastcall.github.worker import Worker
from lastcall.ledger.live import traffic

with warnings.catch_warnings():
    # Starlette prefers a successor of httpx, which not every supported version can use.
    warnings.simplefilter("ignore")
    import starlette.testclient  # noqa: F401

SECRET = "It's a Secret to Everybody"
LIMIT = 10.0
FAST = Limits(deadline_s=5, cancel_s=0.2, attempts_max=3, wait_initial_s=0.01, wait_max_s=0.02)


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    """Take back what an application's page of sessions began: the next test's requests are its own."""
    users = traffic._users
    yield
    while traffic._users > users:
        traffic.end()


def signed(
    body: bytes, event: str = "push", delivery_id: str | None = None, secret: str = SECRET
) -> dict[str, str]:
    """Return the headers of a delivery; the signature is made without the code under test."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": JSON,
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery_id or str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={digest}",
    }


def private_key() -> str:
    """Return a new private key of a GitHub App, PEM."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def received(delivery_id: str, event: str = "push", data: Any = None, key: str | None = None) -> Received:
    """Return a verified delivery."""
    return Received(delivery_id, event, JSON, json.dumps({} if data is None else data).encode(), key)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; bounded."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - other processes fulfil it
            await asyncio.sleep(0.005)


async def until_state(inbox: SQLiteInbox, delivery_id: str, state: State) -> None:
    """Wait until a delivery is in *state*; bounded."""
    async with asyncio.timeout(LIMIT):
        while (await inbox.known([delivery_id])).get(delivery_id) is not state:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the file of an inbox."""
    return tmp_path / "deliveries.sqlite3"


@pytest.fixture
async def inbox(path: Path) -> AsyncIterator[SQLiteInbox]:
    """Open an inbox."""
    opened = SQLiteInbox(path)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def router() -> Router:
    """Make a router without handlers."""
    return Router()


@asynccontextmanager
async def working(
    inbox: SQLiteInbox, router: Router, limits: Limits = FAST, **options: Any
) -> AsyncIterator[Worker]:
    """Run a worker whose handlers get the text "github" as their service."""

    async def github_for(_event: object) -> str:
        return "github"

    worker = Worker(inbox, router, github_for, Tally(), limits=limits, **options)
    worker.start()
    try:
        yield worker
    finally:
        await worker.stop(grace=0.5)
