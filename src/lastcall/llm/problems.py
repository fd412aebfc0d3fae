"""What an answer that is no success means: the error to raise, without a key in it."""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from yarl import URL

from lastcall.pacing import retry_after

from .errors import AnswerError, LLMError, RateLimitedError, StatusError

__all__ = ["UNREADABLE", "Answered", "Redactor", "answer_error", "error_object", "status_error"]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What comes of JSON that is none; a `ValueError` only with newer versions of msgspec."""

_TOO_MANY, _MOVED, _REFUSED, _NOT_FOUND, _UNAUTHORISED = 429, 300, 400, 404, 401
_EXCERPT = 300
_HIDDEN = "[hidden]"
_SHORT_WORD = 8


class Answered(Protocol):
    """What is read of an answer."""

    status: int
    body: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """In any case."""


class Redactor:
    """
    Takes a key out of what a server says: some repeat the one they were sent.

    Args:
        key: What must not appear. A short plain word, as "none" for servers without keys, is left.
    """

    def __init__(self, key: str | None) -> None:
        is_word = not key or len(key) < 4 or (key.isalpha() and len(key) < _SHORT_WORD)  # noqa: PLR2004
        forms = set() if is_word or not key else {key, json.dumps(key)[1:-1], key.replace("/", "\\/")}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return *text* without the key."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return text

    def data(self, data: bytes) -> bytes:
        """Return *data* without the key."""
        for form in self._forms:
            data = data.replace(form.encode(), _HIDDEN.encode())
        return data

    def clean(self, error: LLMError) -> None:
        """Take the key out of all that *error* carries."""
        error.problem = self.text(error.problem)
        error.body = self.data(error.body)
        chunks: tuple[bytes, ...] = getattr(error, "chunks", ())
        if chunks:
            error.chunks = tuple(map(self.data, chunks))  # type: ignore[attr-defined]
        for name in ("request_id", "code", "kind"):
            if isinstance(value := getattr(error, name, None), str):
                setattr(error, name, self.text(value))


def status_error(answer: Answered, url: URL) -> StatusError:
    """Return the error for an answer with a status of 300 or above, from the request to *url*."""
    said = error_object(answer.body)
    status = answer.status
    kind = RateLimitedError if status == _TOO_MANY else StatusError
    error = kind(
        f"answered {status} {_phrase(status)}{_because(answer, said)}{_hint(answer, url)}",
        status=status,
        request_id=answer.headers.get("x-request-id"),
        body=answer.body,
        retry_after=retry_after(answer.headers, now=time.time()),
    )
    error.code, error.kind = _text(said.get("code")), _text(said.get("type"))
    told = answer.headers.get("x-should-retry")
    error.should_retry = {"true": True, "false": False}.get((told or "").lower())
    return error


def answer_error(answer: Answered, what: str) -> AnswerError:
    """Return the error for an answer of status 200 that is not what was asked for; *what* says why."""
    return AnswerError(
        what,
        status=answer.status,
        request_id=answer.headers.get("x-request-id"),
        body=answer.body,
    )


def error_object(body: bytes) -> Mapping[str, Any]:
    """Return what a body says of an error: message, type, code, as far as they are there; may be empty."""
    try:
        data = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    if not isinstance(data, dict):
        return {}
    # vLLM writes the object bare, FastAPI a "detail", and many a mere string.
    error = data.get("error", data.get("detail", data))
    if isinstance(error, dict):
        return error
    return {"message": error if isinstance(error, str) else json.dumps(error)} if error else {}


def _because(answer: Answered, said: Mapping[str, Any]) -> str:
    text = _text(said.get("message")) or answer.body[: 4 * _EXCERPT].decode("utf-8", "replace")
    text = " ".join(text.split())
    return f": {text[:_EXCERPT]}{'...' if len(text) > _EXCERPT else ''}" if text else ""


def _hint(answer: Answered, url: URL) -> str:
    if _MOVED <= answer.status < _REFUSED:
        to = _elsewhere(answer.headers.get("location"), url)
        return f"; it sends to {to}, and a request with a key is not sent elsewhere: give that as base_url"
    if answer.status == _NOT_FOUND and not url.path.startswith("/v1"):
        return f" (asked for {url.path}; most servers want a base_url that ends with /v1)"
    if answer.status == _UNAUTHORISED:
        return " (the key is api_key=, or OPENAI_API_KEY in the environment)"
    return ""


def _elsewhere(location: str | None, url: URL) -> str:
    """Return where a redirect leads, without its query."""
    try:
        to = url.join(URL(location or ""))
        return str(to.origin().with_path(to.path))
    except ValueError:
        return "an address that is none"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(a status of its own)"


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)
