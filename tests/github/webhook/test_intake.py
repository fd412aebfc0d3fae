"""The intake: what is not GitHub's is refused with 4xx, what is GitHub's is on disk before the answer."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from lastcall.github.event import FORM, repository_of
from lastcall.github.inbox import State
from lastcall.github.intake import Intake
from lastcall.github.networks import AllowList
from lastcall.github.signature import sign, verify
from lastcall.github.store_sqlite import SQLiteInbox
from lastcall.github.tally import Tally

from .conftest import SECRET, signed

BODY = b'{"action": "opened"}'


@pytest.fixture
def intake(inbox: SQLiteInbox) -> Intake:
    """Make an intake with two secrets, a new one and the old one."""
    return Intake(inbox, [b"new", SECRET.encode()], Tally(), body_max=1000)


@pytest.fixture
async def client(intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    """Call it without a server between; an exception in it would be one here."""
    app = Starlette(routes=[Route("/webhook", intake, methods=["POST"])])
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as open_client:
        yield open_client


async def test_a_signed_delivery_is_on_disk_when_it_is_answered(
    client: httpx.AsyncClient, path: Path
) -> None:
    """202 comes after the commit: another connection sees the bytes."""
    answer = await client.post("/webhook", content=BODY, headers=signed(BODY))
    assert answer.status_code == 202
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT body, state FROM deliveries JOIN bodies USING (seq)").fetchall() == [
            (BODY, "queued")
        ]
    other.close()


async def test_handled_and_pending_deliveries_are_told_apart(
    client: httpx.AsyncClient, inbox: SQLiteInbox
) -> None:
    """Pending is 202, done is 200; neither is stored again."""
    headers = signed(BODY, delivery_id="1")
    assert [(await client.post("/webhook", content=BODY, headers=headers)).status_code for _ in "ab"] == [
        202,
        202,
    ]
    await inbox.claim(1)
    from lastcall.github.inbox import Verdict

    await inbox.settle("1", Verdict(State.DONE, {}))
    assert (await client.post("/webhook", content=BODY, headers=headers)).status_code == 200


def without(name: str) -> dict[str, str]:
    """Return right headers but one."""
    return {key: value for key, value in signed(BODY).items() if key != name}


REFUSED: dict[str, tuple[int, dict[str, str | bytes]]] = {
    "no signature": (401, {**without("X-Hub-Signature-256")}),
    "an empty signature": (401, {**signed(BODY), "X-Hub-Signature-256": ""}),
    "a signature that is not ASCII": (401, {**signed(BODY), "X-Hub-Signature-256": b"sha256=\xe9\xff"}),
    "a bare prefix": (401, {**signed(BODY), "X-Hub-Signature-256": "sha256="}),
    "an empty secret": (401, {**signed(BODY, secret="")}),
    "another secret": (401, {**signed(BODY, secret="other")}),
    "another body": (401, {**signed(BODY + b" ")}),
    "SHA-1": (401, {**without("X-Hub-Signature-256"), "X-Hub-Signature": "sha1=" + "0" * 40}),
    "SHA-1 in the place of SHA-256": (401, {**signed(BODY), "X-Hub-Signature-256": "sha1=" + "0" * 40}),
    "no event": (400, {**without("X-GitHub-Event")}),
    "no GUID": (400, {**without("X-GitHub-Delivery")}),
    "an odd GUID": (400, {**signed(BODY), "X-GitHub-Delivery": "a b\tc"}),
    "a long GUID": (400, {**signed(BODY), "X-GitHub-Delivery": "a" * 101}),
    "an event with a quote": (400, {**signed(BODY), "X-GitHub-Event": 'push"'}),
    "no content type": (415, {**without("Content-Type")}),
    "another content type": (415, {**signed(BODY), "Content-Type": "text/xml"}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=list(REFUSED))
async def test_what_is_odd_or_forged_is_refused_and_not_stored(
    client: httpx.AsyncClient, inbox: SQLiteInbox, case: str
) -> None:
    """The answer is 4xx and says nothing secret; a forged request burns no GUID."""
    status, headers = REFUSED[case]
    answer = await client.post("/webhook", content=BODY, headers=list(headers.items()))  # type: ignore[arg-type]
    assert answer.status_code == status
    assert SECRET not in answer.text
    assert not await inbox.list()


async def test_a_header_that_is_there_twice_is_refused(client: httpx.AsyncClient) -> None:
    """Which of two GUIDs is meant is not guessed."""
    headers = [*signed(BODY).items(), ("X-GitHub-Delivery", "2")]
    assert (await client.post("/webhook", content=BODY, headers=headers)).status_code == 400


@pytest.mark.parametrize("secret", ["new", SECRET])
async def test_each_secret_is_good_while_one_is_replaced(client: httpx.AsyncClient, secret: str) -> None:
    """Deliveries signed with the old and the new one are both taken."""
    answer = await client.post("/webhook", content=BODY, headers=signed(BODY, secret=secret))
    assert answer.status_code == 202


async def test_an_unknown_charset_is_no_error(client: httpx.AsyncClient) -> None:
    """Bytes need no charset."""
    headers = {**signed(BODY), "Content-Type": "application/json; charset=nope"}
    assert (await client.post("/webhook", content=BODY, headers=headers)).status_code == 202


async def test_a_form_is_taken_and_read_late(client: httpx.AsyncClient, inbox: SQLiteInbox) -> None:
    """The signature covers the form's bytes; its field holds the JSON."""
    body = urlencode({"payload": json.dumps({"repository": {"id": 5}})}).encode()
    headers = {**signed(body), "Content-Type": FORM}
    assert (await client.post("/webhook", content=body, headers=headers)).status_code == 202
    (delivery,) = await inbox.claim(1)
    assert repository_of(delivery.content_type, delivery.body) == "5"


async def test_an_empty_body_is_refused(client: httpx.AsyncClient) -> None:
    """It holds no event, signed or not."""
    assert (await client.post("/webhook", content=b"", headers=signed(b""))).status_code == 400


async def test_a_body_is_refused_as_soon_as_it_is_too_long(client: httpx.AsyncClient) -> None:
    """By its announced length, or, without one, after the first bytes too many; not read to its end."""
    long = b"x" * 1001
    assert (await client.post("/webhook", content=long, headers=signed(long))).status_code == 413
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1000:
            sent += 1
            yield b"x" * 100

    assert (await client.post("/webhook", content=endless(), headers=signed(b""))).status_code == 413
    assert sent < 20


@pytest.mark.parametrize("begun", [True, False])
async def test_a_body_that_does_not_come_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    """A sender cannot hold a delivery open for ever, neither half way nor with its headers alone."""
    monkeypatch.setattr("lastcall.github.intake._BODY_SECONDS", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        if begun:
            yield b"x"
        await asyncio.sleep(30)
        yield b""

    assert (await client.post("/webhook", content=stuck(), headers=signed(b"x"))).status_code == 408


async def test_a_body_just_short_enough_is_taken(client: httpx.AsyncClient) -> None:
    """The limit itself is allowed."""
    body = b'"' + b"x" * 998 + b'"'
    assert (await client.post("/webhook", content=body, headers=signed(body))).status_code == 202


async def test_only_listed_addresses_may_send(client: httpx.AsyncClient, intake: Intake) -> None:
    """A stranger is refused before anything is read; IPv4 written as IPv6 is the same address."""
    intake.allow = AllowList([ip_network("198.51.100.0/24")])
    assert (await client.post("/webhook", content=BODY, headers=signed(BODY))).status_code == 403
    intake.allow = AllowList([ip_network("192.0.2.0/24")])
    assert (await client.post("/webhook", content=BODY, headers=signed(BODY))).status_code == 202


async def test_githubs_networks_are_asked_for() -> None:
    """A failed refresh leaves yesterday's."""
    from ipaddress import ip_address

    answers: Iterator[Any] = iter([["192.0.2.0/24", "2001:db8::/32"], OSError("down")])

    async def fetch() -> list[str]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer

    allow = AllowList((), fetch)
    await allow.refresh()
    with pytest.raises(OSError, match="down"):
        await allow.refresh()
    assert ip_address("::ffff:192.0.2.7") in allow
    assert ip_address("2001:db8::1") in allow
    assert ip_address("198.51.100.1") not in allow


async def test_an_inbox_that_cannot_be_written_is_503(client: httpx.AsyncClient, inbox: SQLiteInbox) -> None:
    """GitHub counts it as failed, and the sweeper has it sent again."""
    await inbox.close()
    answer = await client.post("/webhook", content=BODY, headers=signed(BODY))
    assert answer.status_code == 503
    assert "sqlite" not in answer.text


async def test_an_intake_without_a_secret_cannot_be_made(inbox: SQLiteInbox) -> None:
    """Neither none nor an empty one, with which anybody could sign."""
    for secrets in ([], [b""], [b"good", b""]):
        with pytest.raises(ValueError, match="secret"):
            Intake(inbox, secrets, Tally())


def test_the_signature_is_that_of_githubs_documentation() -> None:
    """The test values of "Validating webhook deliveries"."""
    value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign("It's a Secret to Everybody", b"Hello, World!") == value
    assert verify(value.encode(), b"Hello, World!", [b"other", b"It's a Secret to Everybody"])
    assert not verify(value.encode(), b"Hello, World!", [b"", b"other"])
