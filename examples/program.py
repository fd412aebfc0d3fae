"""What the two programs have in common: their arguments, whom they ask, and what they tell at the end."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Messages = list[dict[str, Any]]
"""One chat: who says what."""

Completion = dict[str, Any]
"""What a model answers: a `chat.completion` of OpenAI's API."""

Handle = Callable[[Messages], Awaitable[Completion]]
"""Asks a model and returns what it answers."""


@dataclass
class Task:
    """One chat to be answered; it keeps its handle, as the nodes of an agent do."""

    messages: Messages
    handle: Handle
    answer: str | None = None
    error: Exception | None = None

    def take(self, completion: Completion) -> None:
        """Keep what the model said."""
        self.answer = str(completion["choices"][0]["message"]["content"])


class Endpoint(NamedTuple):
    """Whom to ask."""

    base_url: str
    api_key: str
    model: str


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Return the arguments, the chats of the file among them as `requests`."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="The model is asked at OPENAI_BASE_URL with OPENAI_API_KEY; when that is unset, "
        "a server that lastcall.testing starts in this process answers.",
    )
    parser.add_argument("--jsonl", type=Path, required=True, help='one {"messages": [...]} a line')
    parser.add_argument("--concurrent", type=_at_least_one, default=5, metavar="N", help="how many at once")
    parser.add_argument("--rounds", type=_at_least_one, default=1, metavar="N", help="ask the file N times")
    parser.add_argument(
        "--model",
        default=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        help="default: %(default)s, or OPENAI_MODEL",
    )
    parser.add_argument("--hold", action="store_true", help="wait for a line on stdin before ending")
    arguments = parser.parse_args()
    try:
        arguments.requests = list(read_requests(arguments.jsonl)) * arguments.rounds
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        parser.error(f"{arguments.jsonl}: {reason}")
    return arguments


def read_requests(path: Path) -> Iterator[Messages]:
    """Yield the chats of a JSON Lines file; raise ValueError, with the line's number, for a bad one."""
    found = False
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                messages = json.loads(line)["messages"]
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON: {error.msg} at column {error.colno}") from None
            except (KeyError, TypeError):
                raise ValueError(f'line {number} is no object with "messages"') from None
            found = True
            yield messages
    if not found:
        raise ValueError("the file holds no chat")


@contextmanager
def endpoint(model: str) -> Iterator[Endpoint]:
    """Yield whom to ask: what the environment says, or an embedded server."""
    base_url = os.environ.get("OPENAI_BASE_URL")
    if base_url:
        yield Endpoint(base_url.rstrip("/"), os.environ.get("OPENAI_API_KEY", "none"), model)
        return
    from lastcall.testing import OpenAIServer  # noqa: PLC0415 (only where it is needed)

    with OpenAIServer() as server:
        print(f"OPENAI_BASE_URL is not set: asking the embedded server at {server.base_url}", file=sys.stderr)
        yield Endpoint(server.base_url, "none", model)


def tell(tasks: Sequence[Task], seconds: float, *, hold: bool) -> int:
    """Print how it went and return the exit code; with *hold* wait, so that somebody can look."""
    errors = [task.error for task in tasks if task.error]
    if errors:
        print(f"the first error: {type(errors[0]).__name__}: {errors[0]}", file=sys.stderr)
    failed = f", {len(errors)} failed" if errors else ""
    print(f"{len(tasks) - len(errors)} answers in {seconds:.2f} s{failed}", flush=True)
    if hold:
        sys.stdin.readline()
    return 1 if errors else 0


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return int(text)
