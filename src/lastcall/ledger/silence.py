"""Quiet for aiohttp's own "Unclosed ..." lines, once the report says it better."""

from __future__ import annotations

import logging
from functools import partial
from types import TracebackType
from typing import Self

__all__ = ["Silence", "silence_unclosed_messages"]

_MESSAGES = ("Unclosed client session", "Unclosed connector")


def _passes(record: logging.LogRecord) -> bool:
    # The default exception handler joins message and context with newlines.
    return str(record.msg).partition("\n")[0] not in _MESSAGES


class Silence:
    """Keeps aiohttp's "Unclosed ..." lines out of the log until it is undone; a context manager."""

    def __init__(self) -> None:
        # An object of its own, so that undoing one silence leaves the others in place.
        self._filter = partial(_passes)
        self._logger = logging.getLogger("asyncio")
        self._logger.addFilter(self._filter)

    def undo(self) -> None:
        """Let the lines through again. Does nothing the second time."""
        self._logger.removeFilter(self._filter)

    def __enter__(self) -> Self:
        """Return this silence, which is in force already."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Undo it."""
        self.undo()


def silence_unclosed_messages() -> Silence:
    """
    Keep exactly aiohttp's "Unclosed client session" and "Unclosed connector" out of the log.

    These lines are no warnings: aiohttp hands them to the loop's exception handler, which logs them
    at ERROR on the logger "asyncio". Ignoring `ResourceWarning`, by `-W`, `PYTHONWARNINGS` or a
    filter, does not silence them; this does. Everything else on that logger passes, and so do lines
    that an exception handler of the program's own writes.

    Returns:
        A handle whose `undo()` lets the lines through again; also a context manager.
    """
    return Silence()
