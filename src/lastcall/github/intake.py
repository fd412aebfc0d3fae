"""The webhook's endpoint: verifies a delivery, stores it, and answers once it is on disk."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from ipaddress import ip_address

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from .event import FORM, JSON, repository_of
from .inbox import Added, Inbox, InboxError, Received
from .networks import AllowList
from .signature import verify
from .tally import Tally

__all__ = ["BODY_MAX", "Intake", "Refused"]

BODY_MAX = 25 * 1024 * 1024
"""Bytes. Source: GitHub Docs, "Webhook events and payloads", Payload cap."""

_BODY_SECONDS = 30.0

_DELIVERY_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_EVENT = re.compile(r"[A-Za-z0-9._-]{1,100}")

_ANSWERS = {
    Added.STORED: (202, "stored"),
    Added.PENDING: (202, "stored before, not handled yet"),
    Added.REQUEUED: (202, "stored before, queued again"),
    Added.DONE: (200, "handled before"),
}

_log = logging.getLogger("lastcall.github")


class Refused(Exception):  # noqa: N818 - it is an answer, and never seen as an error
    """A request that is answered with *status* and *reason*, and not stored."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class Intake:
    """
    The ASGI endpoint of `POST /webhook`.

    Args:
        inbox: Where deliveries go; None until there is one, and deliveries are refused.

        secrets: A delivery must be signed with one of them.

        tally: Counts answers and events.

        stored: Called after something was stored, to wake a worker.

        allow: Addresses that may send; None for any.

        ordered: Whether deliveries of one repository are handled one after the other.

        body_max: Bytes.

    Raises:
        ValueError: Without secrets, or with an empty one, with which anybody could sign.
    """

    def __init__(
        self,
        inbox: Inbox | None,
        secrets: Sequence[bytes],
        tally: Tally,
        *,
        stored: Callable[[], None] = lambda: None,
        allow: AllowList | None = None,
        ordered: bool = False,
        body_max: int = BODY_MAX,
    ) -> None:
        if not secrets or not all(secrets):
            raise ValueError("the webhook needs at least one secret, and none that is empty")
        self.inbox = inbox
        self._secrets = tuple(secrets)
        self._tally = tally
        self.stored = stored
        """Called after something was stored."""

        self.allow = allow
        self._ordered = ordered
        self._body_max = body_max
        self.open = True
        """Whether deliveries are taken; if not they are answered 503, and GitHub counts them as failed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Refused as refused:
            response = PlainTextResponse(refused.reason + "\n", refused.status)
        self._tally.answers[str(response.status_code)] += 1
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self.inbox is None or not self.open:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not taking deliveries now")
        self._check_address(request)
        delivery_id = _header(request, "x-github-delivery", _DELIVERY_ID)
        event = _header(request, "x-github-event", _EVENT)
        content_type = _content_type(request)
        signature = _signature(request)
        body = await _read(request, self._body_max)
        if not verify(signature, body, self._secrets):
            raise Refused(HTTPStatus.UNAUTHORIZED, "the signature does not fit the body and the secret")
        if not body:
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is empty")
        key = repository_of(content_type, body) if self._ordered else None
        return await self._store(self.inbox, Received(delivery_id, event, content_type, body, key))

    async def _store(self, inbox: Inbox, received: Received) -> Response:
        try:
            added = await inbox.add(received)
        except InboxError as error:
            _log.error("delivery %s could not be stored: %s", received.delivery_id, error)
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the delivery cannot be stored now") from None
        if added in {Added.STORED, Added.REQUEUED}:
            self._tally.count(self._tally.events, received.event)
            self.stored()
        status, words = _ANSWERS[added]
        return PlainTextResponse(words + "\n", status)

    def _check_address(self, request: Request) -> None:
        if self.allow is None:
            return
        host = request.client.host if request.client else ""
        try:
            allowed = ip_address(host) in self.allow
        except ValueError:
            allowed = False  # a unix socket, say
        if not allowed:
            raise Refused(HTTPStatus.FORBIDDEN, "this address may not send deliveries")


def _header(request: Request, name: str, form: re.Pattern[str]) -> str:
    """Return a header that must be there once, and of a form that can go into a log."""
    values = request.headers.getlist(name)
    if len(values) != 1 or not form.fullmatch(values[0]):
        what = "missing" if not values else "there twice" if len(values) > 1 else "malformed"
        raise Refused(HTTPStatus.BAD_REQUEST, f"the header {name} is {what}")
    return values[0]


def _content_type(request: Request) -> str:
    """Return the kind of body; a charset is ignored, because GitHub sends UTF-8 whatever it says."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {JSON, FORM}:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON} or {FORM}")
    return kind


def _signature(request: Request) -> bytes:
    values = request.headers.getlist("x-hub-signature-256")
    if len(values) != 1:
        raise Refused(
            HTTPStatus.UNAUTHORIZED, "one header x-hub-signature-256 is needed: give the webhook a secret"
        )
    return values[0].encode("latin-1")


async def _read(request: Request, body_max: int) -> bytes:
    """Return the body; refuse it as soon as it is seen to be too long, or takes too long."""
    too_large = Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is over {body_max} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > body_max:  # noqa: PLR2004 - 64 bits
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > body_max:
                    raise too_large
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the body took too long") from None
    return bytes(body)
