"""What became of one request of a batch, as an object and as a line of OpenAI's Batch API."""

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from lastcall.llm.errors import (
    AnswerError,
    ConnectionFailedError,
    LLMError,
    RequestError,
    StatusError,
    TimedOutError,
    TruncatedError,
)
from lastcall.llm.outcome import Outcome

from .requests import LineError

__all__ = ["BatchResult", "Usage", "code_of", "read_usage"]

ID_PREFIX = "batch_req_"
"""What the id of each line of an output begins with; the hash of the request follows, in 32 hex digits."""

LINE_PREFIX = "batch_req_line_"
"""What it begins with where there was no request; the number of the line follows."""

_CODES: tuple[tuple[type[LLMError], str], ...] = (
    (TimedOutError, "request_timeout"),
    (TruncatedError, "answer_truncated"),
    (AnswerError, "answer_unreadable"),
    (ConnectionFailedError, "connection_failed"),
    (RequestError, "invalid_request"),
)

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class BatchResult:
    """What became of one request: an outcome or an error, never both, never neither."""

    custom_id: str | None
    """The request's; None for a line that cannot be read."""

    index: int
    """Its place among the requests that were taken up, counted from zero."""

    line: int
    """The number of its line, counted from one."""

    outcome: Outcome | None = None
    """What came back, if it succeeded."""

    error: LLMError | None = None
    """Why it failed, if it did."""

    usage: "Usage | None" = None
    """What the answer says of its tokens and its end, if there is one."""

    digest: bytes = b""
    """16 bytes of a hash of what was asked; b"" where there was no request."""

    @property
    def is_ok(self) -> bool:
        """Whether it was answered."""
        return self.error is None

    @property
    def status(self) -> int | None:
        """HTTP status of the answer, a refusal's too; None if none came."""
        if self.outcome is not None:
            return self.outcome.status
        return None if self.error is None else self.error.status

    @property
    def body(self) -> Any:
        """The answer, decoded; of a failure what the server said, None if it said nothing that is JSON."""
        raw = self.outcome.body if self.outcome is not None else self.error.body if self.error else b""
        try:
            return msgspec.json.decode(raw)
        except ValueError:
            return None

    def as_line(self) -> bytes:
        """
        Return the result as a line of OpenAI's Batch API, its newline included.

        The answer's own bytes stand in it, save that line breaks between its values become blanks. An answer
        with a status of 300 or above is a `response` too; `error` is for what had no answer.

        Source: OpenAI API reference, "Batch", "The request output object".
        """
        outcome = self.outcome
        if outcome is not None:
            body = outcome.body
            if b"\n" in body or b"\r" in body:
                body = _in_one_line(body)
            return (
                b'{"id":"batch_req_%b","custom_id":%b,"response":'
                b'{"status_code":%d,"request_id":%b,"body":%b},"error":null}\n'
            ) % (
                self.digest.hex().encode(),
                _encode(self.custom_id),
                outcome.status,
                _encode(outcome.request_id),
                body,
            )
        assert self.error is not None
        said = {
            "id": self._id(),
            "custom_id": self.custom_id,
            "response": _response(self.error),
            "error": _error(self.error),
        }
        return _encode(said) + b"\n"

    def _id(self) -> str:
        return ID_PREFIX + self.digest.hex() if self.digest else f"{LINE_PREFIX}{self.line}"


def _in_one_line(body: bytes) -> bytes:
    # In JSON a line break can only stand between values.
    return body.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def _response(error: LLMError) -> dict[str, Any] | None:
    if not isinstance(error, StatusError):
        return None
    return {"status_code": error.status, "request_id": error.request_id, "body": _json_or_text(error.body)}


def _json_or_text(body: bytes) -> Raw | str:
    """Return a body as it came if it is JSON, else as a text: a proxy's refusal is a page of HTML."""
    try:
        msgspec.json.decode(body)
        body.decode()
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return Raw(_in_one_line(body))


def _error(error: LLMError) -> dict[str, Any] | None:
    if isinstance(error, StatusError):
        return None
    told: dict[str, Any] = {"code": code_of(error), "message": str(error)}
    if isinstance(error, LineError):
        told["line"] = error.line
    return told


def code_of(error: LLMError) -> str:
    """Return what the error is called in a line of the output; a refusal by its status."""
    if isinstance(error, LineError):
        return error.code
    if isinstance(error, StatusError):
        return str(error.status)
    return next((code for kind, code in _CODES if isinstance(error, kind)), "failed")


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    usage: _Counts | None = None
    choices: list[_Choice] | None = None
    status: str | None = None


_answer = msgspec.json.Decoder(_Answer)


@dataclass(slots=True)
class Usage:
    """The little of an answer that is counted."""

    prompt_tokens: int = 0
    """0 if the server does not say."""

    completion_tokens: int = 0
    """0 if the server does not say."""

    finish_reason: str | None = None
    """The first choice's; of `/v1/responses` the status."""


def read_usage(body: bytes) -> Usage:
    """
    Return what an answer says of its tokens; what is missing, or not as OpenAI has it, counts as nothing.

    Raises:
        ValueError: If the answer is not JSON.
    """
    try:
        answer = _answer.decode(body)
    except msgspec.ValidationError:
        msgspec.json.decode(body)
        return Usage()
    except RecursionError:
        return Usage()
    counts, choices = answer.usage, answer.choices
    reason = choices[0].finish_reason if choices else answer.status
    if counts is None:
        return Usage(finish_reason=reason)
    return Usage(
        counts.prompt_tokens or counts.input_tokens or 0,
        counts.completion_tokens or counts.output_tokens or 0,
        reason,
    )
