"""Which line of the reader's code is at work: of a caller, and of a task wherever it is suspended."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import aiohttp

_NOT_THE_READERS = tuple(
    str(folder) + os.sep
    for folder in (
        Path(aiohttp.__file__).parent,
        Path(asyncio.__file__).parent,
        Path(__file__).parent.parent,
    )
)


def line_of(frame: FrameType | None) -> str:
    """Return "file:line" of *frame*, the file as a reader would type it from the working directory."""
    if frame is None:
        return "an unknown line"
    path = Path(frame.f_code.co_filename)
    with contextlib.suppress(ValueError, OSError):  # elsewhere, or the working directory is gone
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.f_lineno}"


def callers_line(depth: int = 1) -> str:
    """Return "file:line" of who called the caller of this function; *depth* more calls up."""
    return line_of(sys._getframe(depth + 1))


def tasks_line(task: "asyncio.Task[object]") -> str | None:
    """
    Return "file:line" where *task* stands, in the innermost frame outside aiohttp, asyncio and lastcall.

    None when the task is done, or runs no code of the reader's (a bare `gather(session.get(...))`).
    """
    frames = (frame for link in awaits(task) if (frame := _frame(link)) is not None)
    users = [frame for frame in frames if not frame.f_code.co_filename.startswith(_NOT_THE_READERS)]
    return line_of(users[-1]) if users else None


def awaits(task: "asyncio.Task[object]") -> Iterator[object]:
    """Yield what *task* runs, what that awaits, and so on to the innermost awaitable Python can show."""
    link: object = task.get_coro()
    while link is not None:
        yield link
        for attribute in ("cr_await", "gi_yieldfrom", "ag_await"):
            if hasattr(link, attribute):
                link = getattr(link, attribute)
                break
        else:
            return


def _frame(link: object) -> FrameType | None:
    """Return the suspended frame of a coroutine, a generator or an asynchronous generator."""
    for attribute in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(link, attribute, None)
        if isinstance(frame, FrameType):
            return frame
    return None
