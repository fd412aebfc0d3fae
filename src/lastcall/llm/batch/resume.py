"""What an output already holds, and how it is put in order when a later run has answered anew."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from lastcall.llm.errors import LLMError

from .appending import sync_directory
from .index import FAILED, KEY, VALUE, IdIndex, key_of
from .results import ID_PREFIX, LINE_PREFIX

__all__ = ["ForeignFileError", "Found", "read_output", "settle"]

_OK = range(200, 300)
_DIGEST_DIGITS = 32
_BUFFER = 2**20


class ForeignFileError(LLMError):
    """A file that is to be written to holds something else than results of a batch; it was left alone."""

    def __str__(self) -> str:
        """Return the problem alone: no server was asked."""
        return self.problem


@dataclass(slots=True)
class Found:
    """What was found in an output."""

    index: IdIndex = field(default_factory=IdIndex)
    """Of each id its last line: half the hash of the request it answers, or `FAILED`."""

    lines: int = 0
    """How many there are."""

    superseded: int = 0
    """Lines that a later line of the same id has taken the place of, and such as are no results."""

    torn: int = 0
    """Bytes of a last line that was never finished, and was cut off."""


class _Response(msgspec.Struct):
    status_code: int = 0


class _Result(msgspec.Struct):
    id: str
    response: _Response | None
    custom_id: str | None = None
    error: Any = None


_result = msgspec.json.Decoder(_Result)


def read_output(file: BinaryIO, name: str, *, mend: bool = True) -> Found:
    """
    Read what an output holds, and mend its end.

    A last line without its end is completed if it is a whole result, else it is cut off.

    Args:
        file: Opened for reading and appending; read from its beginning.

        name: Of the file, for messages.

        mend: Whether to mend the end, or only to read.

    Raises:
        ForeignFileError: If its first line is no result of a batch; then nothing was changed.
    """
    found = Found()
    for offset, line in _lines_with_offsets(file):
        key, value = _read_line(line)
        if not line.endswith(b"\n"):
            if found.lines == 0 and not _may_be_ours(line):
                raise _foreign(name)
            found.torn = 0 if key is not None else len(line)
            if mend:
                _mend(file, offset, is_whole=key is not None)
            if found.torn:
                break
        if key is None and found.lines == 0:
            raise _foreign(name)
        found.lines += 1
        if key is None or found.index.put(key, value) is not None:
            found.superseded += 1
    return found


def _lines_with_offsets(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    offset = 0
    for line in file:
        yield offset, line
        offset += len(line)


def _read_line(line: bytes) -> tuple[bytes | None, bytes]:
    """Return the key of a result and what is known of it; no key for what is no result."""
    try:
        result = _result.decode(line)
    except (ValueError, RecursionError):
        return None, FAILED
    if result.id.startswith(LINE_PREFIX):
        # It tells of a line of the input that was no request; its custom_id may be that of another line.
        return key_of(result.id), FAILED
    if result.custom_id is None:
        return None, FAILED
    return key_of(result.custom_id), _value_of(result)


def _value_of(result: _Result) -> bytes:
    is_ok = result.response is not None and result.response.status_code in _OK and result.error is None
    digits = result.id.removeprefix(ID_PREFIX)
    if not is_ok or digits == result.id or len(digits) != _DIGEST_DIGITS:
        return FAILED
    try:
        return bytes.fromhex(digits)[:VALUE]
    except ValueError:
        return FAILED


def _may_be_ours(line: bytes) -> bool:
    start = f'{{"id":"{ID_PREFIX}'.encode()
    return line.startswith(start) or start.startswith(line)


def _foreign(name: str) -> ForeignFileError:
    return ForeignFileError(
        f"{name} exists, and its first line is no result of a batch; it was left alone: name another file"
    )


def _mend(file: BinaryIO, offset: int, *, is_whole: bool) -> None:
    """Complete or cut off the last line."""
    if is_whole:
        os.write(file.fileno(), b"\n")  # it is opened for appending
    else:
        os.ftruncate(file.fileno(), offset)
    os.fsync(file.fileno())


def settle(path: Path, order: bytes | None = None) -> int:
    """
    Leave of each id only its last line, by writing the file anew and putting it in the old one's place.

    Answers that are dropped because their request has changed since are kept, in a file of the same name with
    ".replaced" at its end. If anything fails, the old file stays as it is.

    Args:
        path: The output; no link.

        order: Keys of 12 bytes each in the order the lines are to have; what it does not name comes last.
            None keeps the order there is.

    Returns:
        How many lines were dropped.

    Raises:
        OSError: If there is no room, or no permission.
    """
    new = path.with_name(f".{path.name}.settling")
    try:
        with path.open("rb", _BUFFER) as old, new.open("wb", _BUFFER) as into:
            last = _last_lines(old)
            if order is not None:
                _copy_in_order(old, into, last, order)
            dropped = _copy_the_rest(old, into, last, path)
            into.flush()
            os.fsync(into.fileno())
        shutil.copymode(path, new)
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    sync_directory(path)
    return dropped


_COPIED = 1 << 63
"""Marks the offset of a line that was copied."""


def _last_lines(old: BinaryIO) -> IdIndex:
    """Return, for each key, where its last line begins."""
    last = IdIndex()
    for offset, line in _lines_with_offsets(old):
        key, _ = _read_line(line)
        if key is not None:
            last.put(key, offset.to_bytes(VALUE, "big"))
    return last


def _copy_in_order(old: BinaryIO, into: BinaryIO, last: IdIndex, order: bytes) -> None:
    for at in range(0, len(order), KEY):
        key = order[at : at + KEY]
        offset = int.from_bytes(last.get(key) or b"", "big")
        if offset & _COPIED or last.get(key) is None:
            continue
        old.seek(offset)
        into.write(old.readline())
        last.put(key, (offset | _COPIED).to_bytes(VALUE, "big"))


def _copy_the_rest(old: BinaryIO, into: BinaryIO, last: IdIndex, path: Path) -> int:
    """Copy each key's last line unless it was copied; keep answers that go, in a file of their own."""
    dropped = 0
    with contextlib.ExitStack() as stack:
        replaced: BinaryIO | None = None
        for offset, line in _lines_with_offsets(old):
            key, value = _read_line(line)
            place = int.from_bytes((last.get(key) if key else None) or b"\xff" * VALUE, "big")
            if place & ~_COPIED == offset:
                into.write(b"" if place & _COPIED else line)
                continue
            dropped += 1
            if key is None or value != FAILED:
                if replaced is None:
                    replaced = stack.enter_context(path.with_name(f"{path.name}.replaced").open("ab"))
                replaced.write(line)
        if replaced is not None:
            replaced.flush()
            os.fsync(replaced.fileno())
    return dropped
