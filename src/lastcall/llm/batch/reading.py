"""Reads the lines of a batch from a file, plain or compressed, or from a pipe, one at a time."""

import asyncio
import codecs
import gzip
import importlib
import io
import os
import stat
import sys
import threading
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from lastcall.llm.errors import LLMError

from .requests import LINE_MAX

__all__ = ["InputError", "Pump", "is_regular", "numbered_lines", "open_input"]

STDIN = "-"

_BUFFER = 2**18
_AHEAD = 512
_CHUNK = 2**20
_PACKED = 2**14


class InputError(LLMError):
    """The input cannot be read, or not further; its requests up to there were taken up."""

    def __str__(self) -> str:
        """Return the problem alone: no server was asked."""
        return self.problem


def open_input(name: str) -> BinaryIO:
    """
    Open an input for reading; what it is compressed with is told by its name.

    Args:
        name: A path, of a `.gz` or `.zst` file too; "-" is stdin.

    Raises:
        InputError: If there is no such file, or its compression is not supported here.
    """
    try:
        if name == STDIN:
            # A file of its own: a thread that waits in sys.stdin would hinder the end of Python.
            return open(0, "rb", _BUFFER, closefd=False)
        suffix = Path(name).suffix.lower()
        if suffix == ".gz":
            return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(name)), _BUFFER)
        raw = Path(name).open("rb", _BUFFER)  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None
    return io.BufferedReader(_unzst(raw), _BUFFER) if suffix == ".zst" else raw


def _unzst(raw: BinaryIO) -> io.RawIOBase:
    if sys.version_info >= (3, 14):
        return cast("io.RawIOBase", importlib.import_module("compression.zstd").ZstdFile(raw))
    return _ZstFile(raw)


class _ZstFile(io.RawIOBase):
    """Unpacks a file; unlike the package's own reader it knows when the file ends too early."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._packer = importlib.import_module("zstandard").ZstdDecompressor()
        self._frame = self._packer.decompressobj()
        self._unpacked = memoryview(b"")
        self._is_begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            packed = self._frame.unused_data or self._raw.read(_PACKED)
            if not packed:
                if self._is_begun:
                    raise EOFError("the compressed file ends too early")
                return 0
            if self._frame.eof:
                self._frame = self._packer.decompressobj()
            self._unpacked = memoryview(self._frame.decompress(packed))
            self._is_begun = not self._frame.eof
        size = min(len(buffer), len(self._unpacked))
        buffer[:size], self._unpacked = self._unpacked[:size], self._unpacked[size:]
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()

    def fileno(self) -> int:
        return self._raw.fileno()


def is_regular(file: BinaryIO) -> bool:
    """Tell whether it is a file, which never makes its reader wait for long, as pipes and terminals do."""
    return file.closed or stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def numbered_lines(file: BinaryIO, *, limit: int = LINE_MAX) -> Iterator[tuple[int, bytes | None]]:
    """
    Yield each line that is not blank with its number, counted from one.

    Args:
        file: What `open_input` gave.

        limit: Bytes; of a longer line there is None instead, and it is never held whole.

    Raises:
        InputError: If the file cannot be read further: a disk's error, or damaged compression.
    """
    number = 0
    try:
        while line := file.readline(limit + 1):
            number += 1
            if len(line) > limit and not line.endswith(b"\n"):
                _skip_line(file)
                yield number, None
                continue
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if not line.isspace():
                yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"the input cannot be read after line {number}: {error}") from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":  # of one of two packages that may not be there
            raise
        raise InputError(f"the input cannot be read after line {number}: {error}") from error


def _skip_line(file: BinaryIO) -> None:
    while part := file.readline(_CHUNK):
        if part.endswith(b"\n"):
            return


def count_lines(name: str) -> int | None:
    """Return how many lines a plain file has, as fast as it can be read; None for others."""
    path = Path(name)
    if name == STDIN or path.suffix.lower() in {".gz", ".zst"} or not path.is_file():
        return None
    lines, last = 0, b"\n"
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                lines += chunk.count(b"\n")
                last = chunk[-1:]
    except OSError:
        return None
    return lines + (last != b"\n")


class Pump:
    """
    Reads lines in a thread, for an input that may make its reader wait: a pipe, a terminal.

    A few hundred are read ahead. The thread is a daemon: nothing can wake it from a read that nothing ends.

    Args:
        lines: What is to be read there.
    """

    def __init__(self, lines: Iterator[tuple[int, bytes | None]]) -> None:
        self._lines = lines
        self._read: deque[tuple[int, bytes | None]] = deque()
        self._room = threading.Semaphore(_AHEAD)
        self._ended = False
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[tuple[int, bytes | None]]:
        """Start reading."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="lastcall input", daemon=True).start()
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[tuple[int, bytes | None]]:
        while True:
            self._more.clear()
            while self._read:
                item = self._read.popleft()
                self._room.release()
                yield item
            if self._ended and not self._read:
                break
            await self._more.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._lines:
                self._room.acquire()
                self._read.append(item)
                self._wake()
        except BaseException as error:  # noqa: BLE001 - it is raised where the lines are wanted
            self._error = error
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        assert self._loop is not None
        if not self._more.is_set():
            try:
                self._loop.call_soon_threadsafe(self._more.set)
            except RuntimeError:
                return  # the loop is closed: nobody waits
