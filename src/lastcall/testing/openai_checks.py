"""What OpenAI's API refuses, and what a request that is in order says.

Source: OpenAI API reference, "Chat Completions", "Completions", "Embeddings", "Responses".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"

REQUIRED = {CHAT: "messages", TEXT: "prompt", EMBEDDINGS: "input", RESPONSES: "input"}
"""From the path of each POST to the parameter it cannot do without, beside the model."""

DIMENSIONS_MAX = 4096
"""The longest vector of an embedding."""

CHOICES_MAX = 128
"""The most choices a request may ask for."""


class RefusedError(Exception):
    """A request that the API answers with an error object."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        """Keep what the error object will say."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def check(path: str, body: Mapping[str, Any]) -> None:
    """Raise `RefusedError` for a body that the API would refuse at *path* ("/v1/..." )."""
    if not body:
        raise RefusedError(400, "We could not parse the JSON body of your request: it must be a JSON object.")
    if not isinstance(body.get("model"), str):
        raise RefusedError(400, "you must provide a model parameter")
    if (needed := REQUIRED[path]) not in body:
        message = f"Missing required parameter: '{needed}'."
        raise RefusedError(400, message, param=needed, code="missing_required_parameter")
    if needed == "messages":
        _check_messages(body["messages"])
    _check_range(body, "dimensions", DIMENSIONS_MAX)
    _check_range(body, "n", CHOICES_MAX)
    if body.get("stream_options") is not None and body.get("stream") is not True:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RefusedError(400, message, param="stream_options")


def texts_of(path: str, body: Mapping[str, Any]) -> list[str]:
    """
    Return the texts of a request that is in order, maybe none.

    Returns:
        Of a chat the text of each message, of `/v1/responses` the instructions and the text of each
        item, else each prompt or input. A list of numbers is one text of tokens.
    """
    given = body[REQUIRED[path]]
    if path == RESPONSES and body.get("instructions"):
        given = [{"content": body["instructions"]}, *(given if isinstance(given, list) else [given])]
    if not isinstance(given, list) or (given and all(isinstance(item, int) for item in given)):
        given = [given]
    return [_text_of(item.get("content") if isinstance(item, dict) else item) for item in given]


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        message = "Invalid type for 'messages': expected an array of at least one message."
        raise RefusedError(400, message, param="messages", code="invalid_type")
    for index, item in enumerate(messages):
        if not isinstance(item, dict) or not isinstance(item.get("role"), str):
            where = f"messages[{index}].role"
            message = f"Missing required parameter: '{where}'."
            raise RefusedError(400, message, param=where, code="missing_required_parameter")


def _check_range(body: Mapping[str, Any], name: str, largest: int) -> None:
    number = body.get(name)
    if number is not None and (not isinstance(number, int) or not 1 <= number <= largest):
        message = f"Invalid '{name}': expected an integer from 1 to {largest}."
        raise RefusedError(400, message, param=name)


def _text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or a list of parts some of which are texts."""
    if isinstance(content, list):
        return " ".join(
            str(part["text"]) if isinstance(part, dict) else str(part)
            for part in content
            if not isinstance(part, dict) or "text" in part
        )
    return "" if content is None else str(content)
