"""What a scripted server is told to do: answers, and the steps that say which request gets which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Cut = Literal["before", "head", "body"]
"""Where a connection is cut: before the answer, within its head, or within its body or stream."""

RetryAfterForm = Literal["seconds", "date", "ms"]
"""`Retry-After: 2`, `Retry-After: <HTTP date>`, or `retry-after-ms: 2000`."""


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

    message: str | None = None
    """The message of the error object; None takes the status's own words."""

    code: str | None = None
    """The code of the error object, for example "rate_limit_exceeded"."""

    body: bytes | None = None
    """The whole body, instead of the one the server would make."""

    content_type: str | None = None
    """Instead of the right one."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to the server's own; one of the same name replaces it."""

    delay: float = 0.0
    """Seconds before the first byte of the answer; `math.inf` never answers."""

    event_delay: float = 0.0
    """Seconds before each write of the body after the first: between the events of a stream."""

    split: int | None = None
    """Write the body in pieces of so many bytes, whatever they cut through."""

    gzip: bool = False
    """Compress the body, whether the client accepts that or not."""

    retry_after: float | None = None
    """Seconds after which the client may come back."""

    retry_after_form: RetryAfterForm = "seconds"
    """How `retry_after` is written; seconds and dates are rounded up to whole seconds."""

    cut: Cut | None = None
    """Close the connection there."""

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
            raise ValueError('reset and cut_after say how to cut: add cut="before", "head" or "body"')

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
