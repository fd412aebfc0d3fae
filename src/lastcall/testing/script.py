"""What a scripted server is told to do: answers, and the steps that say which request gets which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Cut = Literal["before", "head", "body", "after"]
"""Where a connection is cut: before the answer, within its head, within its body or stream, or after it."""

LineEnd = Literal["\n", "\r\n", "\r"]
"""How the lines of an event end."""

StreamUsage = Literal["asked", "own", "last", "never"]
"""
Where a stream tells its usage: as `stream_options.include_usage` asks, in a chunk of its own, in the
last chunk with a choice, or nowhere.
"""

RetryAfterForm = Literal["seconds", "date", "ms"]
"""`Retry-After: 2`, `Retry-After: <HTTP date>`, or `retry-after-ms: 2000`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called."""

    name: str
    """Of the function."""

    arguments: str = "{}"
    """JSON, or what a model takes for it."""

    id: str | None = None
    """None lets the server number it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """
    One way to answer a request; without arguments the right one.

    Fields combine: an answer may be late, split, compressed and cut.

    Source: Retry-After is RFC 9110, section 10.2.3; retry-after-ms is what OpenAI's clients read too.
    """

    status: int = 200
    """400 and above answer with an error object instead of a completion."""

    text: str | None = None
    """What the model says; None lets the server make a text from the request."""

    tokens: Sequence[str] | None = None
    """What the model says, in the pieces it is streamed in, however long or empty; instead of *text*."""

    reasoning: str | None = None
    """What the model thinks before it speaks."""

    reasoning_field: str = "reasoning_content"
    """What the field of a message with the reasoning is called; servers differ."""

    refusal: str | None = None
    """What the model says instead of an answer."""

    tool_calls: Sequence[ToolCall] = ()
    """Functions that the model wants called, instead of a text or after one."""

    finish_reason: str | None = None
    """Why the model stopped; None is the right reason."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields added to the object and to each chunk of a stream, such as no reference knows."""

    message: str | None = None
    """The message of the error object; None takes the status's own words."""

    code: str | None = None
    """The code of the error object, for example "rate_limit_exceeded"."""

    body: bytes | None = None
    """The whole body, instead of the one the server would make."""

    raw: bytes | None = None
    """All that is sent, head and body, as it is; then the connection ends."""

    http10: bool = False
    """Answer as HTTP/1.0 does: the end of the connection is the end of the body, whose length is not said."""

    informational: Sequence[int] = ()
    """Statuses from 100 to 199 sent before the answer, for example (100, 103)."""

    content_type: str | None = None
    """Instead of the right one."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to the server's own; one of the same name replaces it."""

    delay: float = 0.0
    """Seconds before the first byte of the answer; `math.inf` never answers."""

    event_delay: float = 0.0
    """Seconds before each write of the body after the first: between the events of a stream."""

    event_line_end: LineEnd = "\n"
    """How the lines of a stream end."""

    event_comment: str | None = None
    """The text of a comment line before each event of a stream."""

    event_name: str | None = None
    """The name of each event (`event: ...`); those of `/v1/responses` have their own."""

    event_space: bool = True
    """Whether a space follows each colon in a stream."""

    event_multiline: bool = False
    """Whether the data of an event is spread over many lines."""

    stream_usage: StreamUsage = "asked"
    """Where a stream of chunks tells its usage."""

    split: int | None = None
    """Write the body in pieces of so many bytes, whatever they cut through; with *raw* the head too."""

    gzip: bool = False
    """Compress the body, whether the client accepts that or not."""

    retry_after: float | None = None
    """Seconds after which the client may come back."""

    retry_after_form: RetryAfterForm = "seconds"
    """How `retry_after` is written; seconds and dates are rounded up to whole seconds."""

    cut: Cut | None = None
    """Close the connection there, without having said so; "after" is what a pool of connections meets."""

    cut_after: int | None = None
    """Bytes of the head or body sent before the cut; None is half of them."""

    reset: bool = False
    """Cut by a reset (RST) instead of an end (FIN)."""

    close: bool = False
    """Say `Connection: close` and close after the answer."""

    done: bool = True
    """Whether a stream ends with `data: [DONE]`."""

    stream_error: str | None = None
    """Break a stream off in the middle with an error event that has this message."""

    def __repr__(self) -> str:
        """Tell what is not as usual."""
        items = ((item.name, getattr(self, item.name)) for item in fields(self))
        return f"Answer({', '.join(f'{k}={v!r}' for k, v in items if v != getattr(_USUAL, k))})"

    def __post_init__(self) -> None:
        """Refuse what could only do nothing."""
        if not 200 <= self.status <= 599:  # noqa: PLR2004
            raise ValueError(f"status must be a final status from 200 to 599, not {self.status}")
        if not (self.delay >= 0 and self.event_delay >= 0):
            raise ValueError("delay and event_delay are seconds, from 0 to math.inf")
        if self.split is not None and self.split < 1:
            raise ValueError(f"split must be a number of bytes of at least 1, not {self.split}")
        if self.cut is None and (self.reset or self.cut_after is not None):
            raise ValueError(
                'reset and cut_after say how to cut: add cut="before", "head", "body" or "after"'
            )
        if self.text is not None and self.tokens is not None:
            raise ValueError("text and tokens are the same in two forms: give one of them")
        if any(not 100 <= status <= 199 or status == 101 for status in self.informational):  # noqa: PLR2004
            raise ValueError(f"informational statuses are from 100 to 199 and not 101: {self.informational}")

    @classmethod
    def rate_limit(cls, retry_after: float | None = None, form: RetryAfterForm = "seconds") -> Answer:
        """Return a 429 that says to come back after *retry_after* seconds, or does not say when."""
        return cls(
            status=429,
            message="Rate limit reached for requests",
            code="rate_limit_exceeded",
            retry_after=retry_after,
            retry_after_form=form,
        )

    @classmethod
    def redirect(cls, location: str, status: int = 307) -> Answer:
        """Return a redirect to *location*, an address or a path."""
        return cls(status=status, headers={"Location": location}, body=b"")


_USUAL = Answer()


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a scripted server read it; its repr shows no secret."""

    number: int
    """Counted from 1, in the order of arrival."""

    attempt: int
    """How often this path was asked with this very body so far, from 1: a retry is a 2."""

    method: str
    """In upper case."""

    path: str
    """Decoded, without the query."""

    connection: int
    """The number of the connection it came on, see `ConnectionRecord.number`."""

    headers: Mapping[str, str] = field(repr=False)
    """The headers, found in any case; read only."""

    json: Mapping[str, Any] = field(repr=False)
    """The body; empty if there was none or it was no JSON object. Not to be changed."""

    @property
    def stream(self) -> bool:
        """Whether it asks for a stream."""
        return self.json.get("stream") is True


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a script: which requests get which answer, and how often."""

    answer: Answer
    """What they get."""

    when: Callable[[Call], bool] | None = None
    """Whether a request is meant; None means any. Called on the server's thread: it must not block."""

    times: int | None = 1
    """How often, after which the step is done; None is for ever."""


class Script:
    """
    What a server answers, step by step; each request takes the first step that means it.

    Steps without a condition are therefore used up in their order. A step that is done is skipped,
    and a request that no step means gets *default*. Steps may be added while the server runs.

    Args:
        steps: The first steps; a bare `Answer` stands for a step that any request takes, once.

        default: The answer to everything else.

    Example:
        `Script(Answer.rate_limit(0.1), Step(Answer(status=500), lambda call: call.attempt == 1, times=None))`
        limits the first request, and fails each other body the first time it is asked.
    """

    def __init__(self, *steps: Step | Answer, default: Answer | None = None) -> None:
        self.default = default or Answer()
        self._steps: list[Step] = []
        self._used: list[int] = []
        self.add(*steps)

    def __repr__(self) -> str:
        """Tell how many steps are still to come."""
        return f"<Script {self.steps_left} of {len(self._steps)} steps left>"

    @property
    def steps_left(self) -> int:
        """How many steps are not done; those without an end count as well."""
        return sum(not _is_done(step, used) for step, used in zip(self._steps, self._used, strict=True))

    def add(self, *steps: Step | Answer) -> None:
        """Put *steps* after those there are."""
        for step in steps:
            self._used.append(0)
            self._steps.append(step if isinstance(step, Step) else Step(step))

    def take(self, call: Call) -> Answer:
        """Return the answer to *call*, and count the step it came from as used once more."""
        for index, step in enumerate(self._steps):
            if not _is_done(step, self._used[index]) and (step.when is None or step.when(call)):
                self._used[index] += 1
                return step.answer
        return self.default


def _is_done(step: Step, used: int) -> bool:
    return step.times is not None and used >= step.times
