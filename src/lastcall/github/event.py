"""One delivery as a handler sees it, parsed late and leniently from what was stored."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from msgspec import MsgspecError
from msgspec.json import decode

from lastcall.errors import LastcallError

__all__ = ["FORM", "JSON", "Event", "PayloadError", "parse_event", "readable", "repository_of"]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

_FORM_FIELDS_MAX = 20
_SHOWN_CHARACTERS = 200_000


class PayloadError(LastcallError, ValueError):
    """A stored body that holds no event: not JSON, or JSON that is not an object."""


@dataclass(frozen=True, slots=True)
class Event:
    """
    What GitHub tells of: given to handlers.

    GitHub sends events in no particular order and may send one twice; a handler that needs the present
    state asks the API for it.
    """

    event: str
    """Its kind, from `X-GitHub-Event`: "pull_request", "push", or one that did not exist yesterday."""

    data: dict[str, Any]
    """The payload as GitHub sent it, unknown fields included. The handler's own copy."""

    delivery_id: str
    """The GUID from `X-GitHub-Delivery`; a redelivery has the same one."""

    attempt: int = 1
    """Counted from one, for this handler: over one after a failure."""

    @property
    def action(self) -> str | None:
        """The payload's "action", or None for an event without one."""
        action = self.data.get("action")
        return action if isinstance(action, str) else None

    @property
    def repository(self) -> str | None:
        """The repository as "owner/name", or None for an event that concerns none."""
        name = _member(self.data, "repository", "full_name")
        return name if isinstance(name, str) else None

    @property
    def installation_id(self) -> int | None:
        """The installation of the GitHub App that the event is for, or None."""
        number = _member(self.data, "installation", "id")
        return number if isinstance(number, int) else None


def parse_event(event: str, delivery_id: str, content_type: str, body: bytes) -> Event:
    """
    Return the event in a stored body.

    Args:
        event: Its kind, as the header said.

        delivery_id: Its GUID.

        content_type: `JSON`, or `FORM` for a body with the JSON in its field "payload".

        body: As received. Bytes that are not UTF-8 are replaced: one odd commit message must not cost the
            whole event.

    Raises:
        PayloadError: If there is no JSON object in it.
    """
    try:
        data = _read(content_type, body)
    except RecursionError:
        raise PayloadError("the body is nested too deeply to be read") from None
    except ValueError as error:
        raise PayloadError(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise PayloadError(f"the body is a JSON {type(data).__name__}, not an object")
    return Event(event, data, delivery_id)


def repository_of(content_type: str, body: bytes) -> str | None:
    """Return the key under which deliveries are ordered: the repository's id, None where there is none."""
    try:
        data = parse_event("", "", content_type, body).data
    except PayloadError:
        return None
    number = _member(data, "repository", "id")
    return str(number) if isinstance(number, int) else None


def readable(content_type: str, body: bytes) -> dict[str, Any] | str:
    """Return the payload, or, as text, the beginning of a body that holds none that JSON can hold."""
    try:
        data = parse_event("", "", content_type, body).data
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    except (PayloadError, ValueError):  # NaN and half characters can be read, and not written
        return body.decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
    return data


def _read(content_type: str, body: bytes) -> Any:
    if content_type == JSON:
        try:
            return decode(body)  # takes half the time of json
        except (MsgspecError, ValueError, RecursionError):
            pass  # it is strict: json reads NaN and half characters, and says what is wrong
    text = body.decode("utf-8-sig", "replace")
    return json.loads(_payload_field(text) if content_type == FORM else text)


def _payload_field(text: str) -> str:
    values = parse_qs(text, max_num_fields=_FORM_FIELDS_MAX).get("payload")
    if not values:
        raise ValueError('the form has no field "payload"')
    return values[0]


def _member(data: dict[str, Any], name: str, member: str) -> object:
    value = data.get(name)
    return value.get(member) if isinstance(value, dict) else None
