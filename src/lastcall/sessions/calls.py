"""Requests at work on a shared connector: what is noted while they run, and what a report says of them."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from yarl import URL

from lastcall.errors import SessionClosedError

from .lines import tasks_line

__all__ = ["Call", "Ending", "OpenRequest", "began", "described", "summary"]

_GROUPS_SHOWN = 5
_TASKS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that was at work when its session was closed, or while others waited for its connection."""

    method: str
    """In upper case, for example "GET"."""

    host: str
    """Host and, unless it is the scheme's own, port."""

    path: str
    """The path without the query, which may hold secrets."""

    task: str | None
    """Name of the task that made it, or None."""

    line: str | None
    """Where that task stands in the reader's code, "file:line"; None when it is done or runs none of it."""

    seconds: float
    """How long it had been at work."""

    def __str__(self) -> str:
        """Return all of it in one line."""
        place = f" at {self.line}" if self.line else ""
        return f"{self.method} {self.host}{self.path}{place} ({self.task or 'no task'}, {self.seconds:.1f} s)"


Call = tuple[str, URL, "asyncio.Task[object] | None", float]
"""
What is noted of a request while it runs: its method, URL and task, and since when, in seconds of the
monotonic clock. A plain tuple: every request pays for it, and a named one takes five times as long to make.
"""


def began(call: Call) -> float:
    """Return since when *call* runs."""
    return call[3]


def described(call: Call) -> OpenRequest:
    """Resolve what a report needs to know of *call*."""
    method, url, task, since = call
    return OpenRequest(
        method=method,
        host=_host(url),
        path=url.path,
        task=task.get_name() if task else None,
        line=tasks_line(task) if task else None,
        seconds=time.monotonic() - since,
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """That a session is being closed, by whom and since when; makes the error that says so."""

    session: str
    closed_by: str
    closed_at: float
    """Seconds of the wall clock."""

    def error(self) -> SessionClosedError:
        """Return a new error: one that is raised twice would gather the tracebacks of both."""
        return SessionClosedError(self.session, self.closed_by, self.closed_at)


def summary(requests: Iterable[OpenRequest]) -> str:
    """Return *requests* grouped by request line and place, the largest group first, one group a line."""
    groups: dict[tuple[str, str | None], list[OpenRequest]] = {}
    for request in requests:
        groups.setdefault((f"{request.method} {request.host}{request.path}", request.line), []).append(
            request
        )
    lines = []
    for (request_line, place), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        tasks = dict.fromkeys(request.task or "no task" for request in group)
        shown = ", ".join([*islice(tasks, _TASKS_SHOWN), *(["..."] if len(tasks) > _TASKS_SHOWN else [])])
        oldest = max(request.seconds for request in group)
        at = f" at {place}" if place else ""
        lines.append(f"  {len(group)} x {request_line}{at}, up to {oldest:.1f} s ({shown})")
    more = len(lines) - _GROUPS_SHOWN
    return "\n".join(lines[:_GROUPS_SHOWN] + ([f"  and {more} more kinds"] if more > 0 else []))


def _host(url: URL) -> str:
    return f"{url.host}" if url.is_default_port() else f"{url.host}:{url.port}"
