"""A stack walked cheaply: no text, no line numbers, each distinct stack kept once."""

from __future__ import annotations

from asyncio.events import Handle
from pathlib import Path
from types import CodeType, FrameType

__all__ = ["DEPTH", "START_DIRECTORY", "Stack", "line_of", "stack_at"]


def _start_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        # It was removed under the process.
        return Path("/")


# As it was when the program began: it may change it, and the reader's shell does not follow.
START_DIRECTORY = _start_directory()

DEPTH = 24
"""How many frames a stack holds at most, from the innermost outwards."""

_CACHE_LIMIT = 16_384
# A task's frames end here; below it lies only the loop.
_TASK_STEP: CodeType = Handle._run.__code__


class Stack:
    """One distinct way to a line: code objects and offsets, innermost first."""

    __slots__ = ("codes", "offsets")

    codes: tuple[CodeType, ...]
    """The functions. Holding them keeps their ids from being used again."""
    offsets: tuple[int, ...]
    """For each function the instruction it was at, counted in bytes."""

    def __init__(self, codes: tuple[CodeType, ...], offsets: tuple[int, ...]) -> None:
        self.codes = codes
        self.offsets = offsets


# Hashing a code object walks its constants and takes microseconds; its id is hashed at once.
# The value keeps the code objects alive, so that no id is used again while it is a key.
_by_ids: dict[tuple[int, ...], tuple[Stack, tuple[CodeType, ...]]] = {}
_by_text: dict[tuple[object, ...], Stack] = {}


def stack_at(frame: FrameType | None) -> Stack:
    """
    Return the stack that begins at *frame* and ends at its task or after `DEPTH` frames.

    Equal stacks are the same object, also when the same code was compiled twice, as by `exec`.
    """
    key: list[int] = []
    add = key.append
    walked = frame
    room = DEPTH
    while walked is not None and room:
        code = walked.f_code
        if code is _TASK_STEP:
            break
        add(id(code))
        add(walked.f_lasti)
        walked = walked.f_back
        room -= 1
    ids = tuple(key)
    found = _by_ids.get(ids)
    return found[0] if found is not None else _intern(frame, ids)


def _intern(frame: FrameType | None, ids: tuple[int, ...]) -> Stack:
    offsets = ids[1::2]
    codes: list[CodeType] = []
    while frame is not None and len(codes) < len(offsets):
        codes.append(frame.f_code)
        frame = frame.f_back
    text = (
        tuple((code.co_filename, code.co_qualname, code.co_firstlineno) for code in codes),
        offsets,
    )
    # A program that compiles without end would fill both; a stack in use outlives its entry here.
    if len(_by_ids) >= _CACHE_LIMIT:
        _by_ids.clear()
        _by_text.clear()
    stack = _by_text.setdefault(text, Stack(tuple(codes), offsets))
    _by_ids[ids] = (stack, tuple(codes))
    return stack


def line_of(code: CodeType, offset: int) -> int:
    """Return the line, counted from 1, on which the instruction at *offset* begins; 0 if unknown."""
    for number, (line, _, _, _) in enumerate(code.co_positions()):
        if number == offset // 2:
            return line or 0
    return 0
