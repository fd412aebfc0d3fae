"""Writing to the standard streams so that a closed, full or non-blocking one does no harm."""

from __future__ import annotations

import os
import select
import sys
from typing import Literal, TextIO

import click

__all__ = ["ColorChoice", "color_option", "complain", "has_color", "width_of", "write_all"]

ColorChoice = Literal["auto", "always", "never"]
"""When to use colours: "auto" means on a terminal, unless NO_COLOR is set."""

color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="auto: on a terminal, unless NO_COLOR is set.",
)
"""Gives a command `--color`, as every command that prints findings or figures has it."""

_WIDTH = 80
_WIDTH_MAX = 100


def complain(sentence: str) -> None:
    """Say on stderr, in one line, what is wrong."""
    write_all(sys.stderr, f"lastcall: error: {sentence}\n")


def write_all(stream: TextIO | None, text: str) -> bool:
    """
    Write *text* to *stream* past its buffers, as far as there is someone to read it.

    Returns:
        False if the stream is missing or its other end is gone (EPIPE, EIO of a closed terminal).
    """
    if stream is None:
        return False
    try:
        stream.flush()
        _write_bytes(stream.fileno(), text.encode(stream.encoding, "backslashreplace"))
    except (OSError, ValueError):
        return False
    return True


def _write_bytes(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            # A program that leaves its terminal non-blocking (asyncio does so to a stdin it reads)
            # leaves ours so too: they are one open file.
            select.select([], [fd], [])


def has_color(stream: TextIO | None, choice: ColorChoice) -> bool:
    """Tell whether to use colours on *stream*."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def width_of(stream: TextIO | None) -> int:
    """Return how many columns to fill on *stream*: its terminal's, at most 100; 80 without one."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream else 0
    except (OSError, ValueError):
        columns = 0
    return min(columns, _WIDTH_MAX) if columns else _WIDTH
