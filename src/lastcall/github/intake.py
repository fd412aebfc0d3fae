"""The webhook's endpoint: verifies a delivery, stores it, and answers once it is on disk."""

import asyncio
import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .event import FORM, JSON, repository_of
from .inbox import Added, InboxError, Received
from .networks import AllowList
from .signature import verify
from .tally import Tally

__all__ = ["BODY_MAX", "Intake", "Refused", "Store", "WebhookFirst"]

BODY_MAX = 25 * 1024 * 1024
"""Bytes. Source: GitHub Docs, "Webhook events and payloads", Payload cap."""

_BODY_SECONDS = 30.0

_DELIVERY_ID = re.compile(rb"[A-Za-z0-9._:-]{1,100}")
_EVENT = re.compile(rb"[A-Za-z0-9._-]{1,100}")

_KINDS = {kind.encode(): kind for kind in (JSON, FORM)}
_NEEDED = frozenset(
    {b"x-github-delivery", b"x-github-event", b"x-hub-signature-256", b"content-type", b"content-length"}
)

# What is new is answered without words: a server writes a body apart, which costs 8 us of 40.
_ANSWERS = {
    Added.STORED: (202, ""),
    Added.TAKEN: (202, ""),
    Added.PENDING: (202, "stored before, not handled yet"),
    Added.REQUEUED: (202, "stored before, queued again"),
    Added.DONE: (200, "handled before"),
}
_NEW = {Added.STORED, Added.TAKEN, Added.REQUEUED}

_log = logging.getLogger("lastcall.github")


class WebhookFirst:
    """
    ASGI middleware that answers the webhook before the application's own routing and what belongs to it.

    Those take a tenth of the processor's time that a delivery costs. Middlewares that are added to the
    application later stand before this one, so the webhook passes through them.

    Args:
        app: Gets all other requests.

        path: Of the webhook.

        intake: Its endpoint.
    """

    def __init__(self, app: ASGIApp, path: str, intake: "Intake") -> None:
        self._app = app
        self._path = path
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        ours = scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST"
        await (self._intake if ours else self._app)(scope, receive, send)


class Refused(Exception):  # noqa: N818 - it is an answer, and never seen as an error
    """A request that is answered with *status* and *reason*, and not stored."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class Store(Protocol):
    """What an intake gives deliveries to: a worker, or an `Inbox`."""

    async def add(self, received: Received) -> Added:
        """Store a delivery, or find out that it is known; may raise `InboxError`."""


class _Disconnected(Exception):  # noqa: N818 - nobody is left to answer
    """The sender went away before its body was here."""


class Intake:
    """
    The ASGI endpoint of `POST /webhook`.

    Args:
        store: Where deliveries go; None until there is one, and deliveries are refused.

        secrets: A delivery must be signed with one of them.

        tally: Counts answers and events.

        allow: Addresses that may send; None for any.

        ordered: Whether deliveries of one repository are handled one after the other.

        body_max: Bytes.

    Raises:
        ValueError: Without secrets, or with an empty one, with which anybody could sign.
    """

    def __init__(
        self,
        store: Store | None,
        secrets: Sequence[bytes],
        tally: Tally,
        *,
        allow: AllowList | None = None,
        ordered: bool = False,
        body_max: int = BODY_MAX,
    ) -> None:
        if not secrets or not all(secrets):
            raise ValueError("the webhook needs at least one secret, and none that is empty")
        self.store = store
        """Where deliveries go."""

        self._secrets = tuple(secrets)
        self._tally = tally
        self.allow = allow
        self._ordered = ordered
        self._body_max = body_max
        self.open = True
        """Whether deliveries are taken; if not they are answered 503, and GitHub counts them as failed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # On the bare protocol: a Request and a Response cost as much as what is done here.
        try:
            status, words = await self._answer(scope, receive)
        except _Disconnected:
            return
        except Refused as refused:
            status, words = int(refused.status), refused.reason
        self._tally.answers[str(status)] += 1
        for message in _messages(status, words):
            await send(message)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        if self.store is None or not self.open:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not taking deliveries now")
        if self.allow is not None and not _is_from(scope, self.allow):
            raise Refused(HTTPStatus.FORBIDDEN, "this address may not send deliveries")
        headers = _headers(scope)
        delivery_id = _text(headers, b"x-github-delivery", _DELIVERY_ID)
        event = _text(headers, b"x-github-event", _EVENT)
        content_type = _content_type(headers)
        signature = _signature(headers)
        body = await _read(receive, headers.get(b"content-length", b""), self._body_max)
        if not verify(signature, body, self._secrets):
            raise Refused(HTTPStatus.UNAUTHORIZED, "the signature does not fit the body and the secret")
        if not body:
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is empty")
        key = repository_of(content_type, body) if self._ordered else None
        return await self._add(self.store, Received(delivery_id, event, content_type, body, key))

    async def _add(self, store: Store, received: Received) -> tuple[int, str]:
        try:
            added = await store.add(received)
        except InboxError as error:
            _log.error("delivery %s could not be stored: %s", received.delivery_id, error)
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the delivery cannot be stored now") from None
        if added in _NEW:
            self._tally.count(self._tally.events, received.event)
        return _ANSWERS[added]


def _messages(status: int, words: str) -> tuple[Message, Message]:
    body = words.encode() + b"\n" if words else b""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def _is_from(scope: Scope, allow: AllowList) -> bool:
    try:
        return ip_address(scope["client"][0] if scope.get("client") else "") in allow
    except ValueError:
        return False  # a unix socket, say


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Return those headers that matter; one that is there twice is refused, not guessed at."""
    found = [header for header in scope["headers"] if header[0] in _NEEDED]
    headers = dict(found)
    if len(headers) != len(found):
        raise Refused(HTTPStatus.BAD_REQUEST, "a header of the delivery is there twice")
    return headers


def _text(headers: dict[bytes, bytes], name: bytes, form: re.Pattern[bytes]) -> str:
    """Return a header that must be there, and of a form that can go into a log."""
    value = headers.get(name)
    if value is None or not form.fullmatch(value):
        what = "missing" if value is None else "malformed"
        raise Refused(HTTPStatus.BAD_REQUEST, f"the header {name.decode()} is {what}")
    return value.decode()


def _content_type(headers: dict[bytes, bytes]) -> str:
    """Return the kind of body; a charset is ignored, because GitHub sends UTF-8 whatever it says."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind not in _KINDS:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON} or {FORM}")
    return _KINDS[kind]


def _signature(headers: dict[bytes, bytes]) -> bytes:
    value = headers.get(b"x-hub-signature-256")
    if value is None:
        raise Refused(
            HTTPStatus.UNAUTHORIZED, "the header x-hub-signature-256 is missing: give the webhook a secret"
        )
    return value


async def _read(receive: Receive, announced: bytes, body_max: int) -> bytes:
    """Return the body; refuse it as soon as it is seen to be too long, or takes too long."""
    if announced.isdigit() and len(announced) < 20 and int(announced) > body_max:  # noqa: PLR2004 - 64 bits
        raise _too_large(body_max)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body, more = await _piece(receive)
            if more:
                body = await _rest(receive, bytearray(body), body_max)
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the body took too long") from None
    if len(body) > body_max:
        raise _too_large(body_max)
    return body


async def _rest(receive: Receive, body: bytearray, body_max: int) -> bytes:
    """Return the body that has begun, or as much of it as shows that it is too long."""
    more = True
    while more and len(body) <= body_max:
        piece, more = await _piece(receive)
        body += piece
    return bytes(body)


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    """Return the next piece of the body, and whether more follow."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Disconnected
    return message.get("body", b""), message.get("more_body", False)


def _too_large(body_max: int) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is over {body_max} bytes")
