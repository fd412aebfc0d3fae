"""What a batch would be, before it is sent: how many requests, how many tokens, roughly, and for how long."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from .driver import Item
from .requests import LineError

__all__ = ["Estimate", "count_tokens", "estimate"]

_LETTERS_PER_TOKEN = 4
_TOKENS_PER_WIDE_LETTER = 0.75
_TOKENS_PER_MESSAGE = 4
_EXAMPLES = 5


@dataclass(slots=True)
class Estimate:
    """What was found, and what can be guessed from it."""

    requests: int = 0
    """To be sent."""

    refused: Counter[str] = field(default_factory=Counter)
    """From an error's code to how many lines it is said of."""

    examples: list[str] = field(default_factory=list)
    """What is wrong with the first few of those lines, with their numbers."""

    models: Counter[str] = field(default_factory=Counter)
    """From a model to how many requests name it."""

    prompt_tokens: int = 0
    """Of all prompts, roughly: a token for four letters of English."""

    completion_tokens_max: int = 0
    """What the requests allow their answers, of those that set a limit."""

    unlimited: int = 0
    """Requests that set no limit to their answers."""

    other_parts: int = 0
    """Parts of messages that are no text (images, sound): their tokens are not counted."""


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


class _Body(msgspec.Struct):
    model: str | None = None
    messages: list[_Message] | None = None
    prompt: str | list[str] | None = None
    input: str | list[str] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None


_decode = msgspec.json.Decoder(_Body).decode


def estimate(items: Iterable[Item]) -> Estimate:
    """Read everything that would be sent, and return what can be said of it."""
    found = Estimate()
    for item in items:
        if isinstance(item, LineError):
            found.refused[item.code] += 1
            if len(found.examples) < _EXAMPLES:
                found.examples.append(str(item))
        elif item is not None:
            found.requests += 1
            _add(found, item.path, item.body)
    return found


def count_tokens(text: str) -> float:
    """
    Return how many tokens a text has, very roughly: tokenizers differ, and so do languages.

    Source: OpenAI, "What are tokens and how to count them": four characters of English each. Beyond ASCII
    three quarters of a token for each letter are assumed.
    """
    wide = 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))
    return (len(text) - wide) / _LETTERS_PER_TOKEN + wide * _TOKENS_PER_WIDE_LETTER


def _add(found: Estimate, path: str, data: bytes) -> None:
    try:
        body = _decode(data)
    except msgspec.ValidationError:  # a shape that other servers know
        body = _Body()
    found.models[body.model or "?"] += 1
    found.prompt_tokens += round(_prompt_tokens(found, body))
    most = next(filter(None, (body.max_completion_tokens, body.max_tokens, body.max_output_tokens)), None)
    if path.endswith("/embeddings"):
        return
    if most is None:
        found.unlimited += 1
    else:
        found.completion_tokens_max += most * (body.n or 1)


def _prompt_tokens(found: Estimate, body: _Body) -> float:
    tokens = 0.0
    for message in body.messages or ():
        tokens += _TOKENS_PER_MESSAGE
        parts = [_Part(message.content)] if isinstance(message.content, str) else message.content or ()
        for part in parts:
            tokens += count_tokens(part.text or "")
            found.other_parts += part.text is None
    for given in (body.prompt, body.input):
        tokens += sum(map(count_tokens, [given] if isinstance(given, str) else given or ()))
    return tokens
