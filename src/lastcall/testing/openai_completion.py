"""What the model without a model says: choices made from the request alone, or told by the script."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .openai_checks import RESPONSES, TEXT, texts_of
from .script import Answer, ToolCall

_PIECE = re.compile(r"\s*\S{1,6}|\s+")
_EXCERPT_WORDS = 12
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers to a request."""

    index: int
    """Counted from zero."""

    tokens: tuple[str, ...]
    """The text in the pieces in which it is streamed; joined they are the text."""

    reasoning: tuple[str, ...]
    """What was thought before, in pieces; often empty."""

    refusal: tuple[str, ...]
    """What is said instead of the text, in pieces; often empty."""

    tool_calls: tuple[ToolCall, ...]
    """Which functions the model wants called; often empty."""

    finish_reason: str
    """"stop", "length" if the request's limit was reached, "tool_calls", or what the script says."""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.tokens)

    @property
    def is_silent(self) -> bool:
        """Whether a refusal or a call stands instead of a text."""
        return not self.tokens and bool(self.refusal or self.tool_calls)

    @property
    def count(self) -> int:
        """Tokens in all."""
        called = sum(len(tokenize(call.arguments)) for call in self.tool_calls)
        return len(self.tokens) + len(self.reasoning) + len(self.refusal) + called


@dataclass(frozen=True, slots=True)
class Completion:
    """What is answered to one request, and what it cost."""

    id: str
    """Begins with "chatcmpl-", "cmpl-" or "resp_"."""

    created: int
    """Seconds since 1970."""

    body: Mapping[str, Any]
    """The request."""

    choices: tuple[Choice, ...]
    """At least one."""

    prompt_tokens: int
    """What was asked, counted as the answers are."""

    extra: Mapping[str, Any]
    """Fields that no reference knows, of the object and of each chunk."""

    reasoning_field: str
    """What the field for reasoning is called."""

    @property
    def model(self) -> str:
        """As the request named it."""
        return str(self.body["model"])

    @property
    def completion_tokens(self) -> int:
        """Of all choices."""
        return sum(choice.count for choice in self.choices)

    @property
    def reasoning_tokens(self) -> int:
        """Of all choices."""
        return sum(len(choice.reasoning) for choice in self.choices)


def tokenize(text: str) -> tuple[str, ...]:
    """Cut a text into pieces of at most six letters, which stand for tokens; joined they are the text."""
    return tuple(_PIECE.findall(text))


def completion_text(prompt: str, choice: int = 0) -> str:
    """
    Return what the model says to *prompt*: always the same, and different for different prompts.

    Args:
        prompt: The text of the last message.

        choice: Which of several choices (`n`), counted from zero.
    """
    words = prompt.split()
    excerpt = " ".join(words[:_EXCERPT_WORDS]) + (" ..." if len(words) > _EXCERPT_WORDS else "")
    which = f" {choice + 1}" if choice else ""
    return f'You asked: "{excerpt}" My answer{which} is {hashlib.sha256(prompt.encode()).hexdigest()[:8]}.'


def complete(
    path: str,
    body: Mapping[str, Any],
    answer: Answer,
    *,
    id: str,  # noqa: A002
    created: int,
) -> Completion:
    """
    Return the completion of a request that is in order.

    Args:
        path: Where it was sent; `/v1/completions` answers each prompt, the others the last text.

        body: The request.

        answer: What the script says of it.

        id: Of the completion.

        created: Seconds since 1970.
    """
    texts = texts_of(path, body)
    calls = tuple(answer.tool_calls) or _demanded(body, answer)
    answered = (texts if path == TEXT else texts[-1:]) or [""]
    each = 1 if path == RESPONSES else body.get("n") or 1
    said = [_tokens(prompt, choice, calls, answer) for prompt in answered for choice in range(each)]
    return Completion(
        id=id,
        created=created,
        body=body,
        choices=tuple(_choice(index, tokens, calls, body, answer) for index, tokens in enumerate(said)),
        prompt_tokens=sum(len(tokenize(text)) for text in texts),
        extra=answer.extra,
        reasoning_field=answer.reasoning_field,
    )


def _tokens(prompt: str, choice: int, calls: Sequence[ToolCall], answer: Answer) -> tuple[str, ...]:
    if answer.tokens is not None:
        return tuple(answer.tokens)
    if answer.text is not None:
        return tokenize(answer.text)
    is_silent = answer.refusal is not None or calls
    return () if is_silent else tokenize(completion_text(prompt, choice))


def _choice(
    index: int,
    tokens: tuple[str, ...],
    calls: tuple[ToolCall, ...],
    body: Mapping[str, Any],
    answer: Answer,
) -> Choice:
    limit = next((body[name] for name in _LIMITS if isinstance(body.get(name), int)), len(tokens))
    is_cut = 0 <= limit < len(tokens)
    reason = "length" if is_cut else "tool_calls" if calls else "stop"
    return Choice(
        index=index,
        tokens=tokens[:limit] if is_cut else tokens,
        reasoning=tokenize(answer.reasoning or ""),
        refusal=tokenize(answer.refusal or ""),
        tool_calls=calls,
        finish_reason=answer.finish_reason or reason,
    )


def _demanded(body: Mapping[str, Any], answer: Answer) -> tuple[ToolCall, ...]:
    """Return the call that a request insists on by its `tool_choice`, unless the script says otherwise."""
    wanted = body.get("tool_choice")
    if wanted == "required":
        wanted = next(iter(body.get("tools") or ()), None)
    if not isinstance(wanted, dict) or (answer.text, answer.tokens, answer.refusal) != (None, None, None):
        return ()
    name = wanted.get("function", wanted).get("name")
    return (ToolCall(str(name)),) if name else ()
