"""The files a batch writes: opened without harm to what is in them, and never the one it reads."""

import os
import stat
from pathlib import Path

from lastcall.llm.errors import RequestError

from .appending import OutputError, sync_directory
from .reading import STDIN
from .resume import Found, read_output

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["OutputFile", "check_places"]

_COMPRESSED = {".gz", ".zst"}


class OutputFile:
    """
    A file of results, open for appending, for this process alone.

    Args:
        name: A path; "-" is stdout. What is no regular file (a pipe, a device) is written to and never read.

    Raises:
        OutputError: If it cannot be opened, or another process writes to it.

        ForeignFileError: If it holds something else than results of a batch; then it was left as it is.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self.fd = os.dup(1) if name == STDIN else os.open(name, _flags(), 0o666)
        except OSError as error:
            raise OutputError(f"{name} cannot be written: {error.strerror or error}") from None
        self.is_regular = name != STDIN and stat.S_ISREG(os.fstat(self.fd).st_mode)
        self.found = Found()
        try:
            if self.is_regular:
                self._lock()
                with open(self.fd, "rb", closefd=False) as file:
                    self.found = read_output(file, name)
                sync_directory(self.path)
        except OSError as error:
            os.close(self.fd)
            raise OutputError(f"{name} cannot be read: {error.strerror or error}") from None
        except BaseException:
            os.close(self.fd)
            raise
        self._is_open = True

    @property
    def path(self) -> Path:
        """Where it is, links followed."""
        return Path(self.name).resolve()

    def empty(self) -> None:
        """Begin the file anew."""
        if self.is_regular:
            os.ftruncate(self.fd, 0)
            self.found = Found()

    def close(self) -> None:
        """Close it, and let others write to it; idempotent."""
        if self._is_open:
            self._is_open = False
            os.close(self.fd)

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock until now may have put a new file in the place of this one.
            is_ours = os.path.samestat(os.fstat(self.fd), os.stat(self.name))  # noqa: PTH116
        except BlockingIOError:
            is_ours = False
        except OSError:
            return  # a file system without locks
        if not is_ours:
            raise OutputError(f"{self.name} is being written by another process: wait for its end")


def _flags() -> int:
    return os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def check_places(source: str, *targets: tuple[str, str]) -> None:
    """
    Refuse to write to what is read, or twice to one file; links of both kinds are seen through.

    Args:
        source: Of the input; "-" is stdin.

        targets: For each file to be written what it is called, and its name; "-" is stdout.

    Raises:
        RequestError: If two are one file, or a target's name promises compression.
    """
    origin = _identity(source, 0)
    seen: dict[object, str] = {}
    for called, name in targets:
        if Path(name).suffix.lower() in _COMPRESSED:
            raise RequestError(f"{called} is written plain, to be appended to; {name} is no name for that")
        if (identity := _identity(name, 1)) == origin:
            raise RequestError(f"{called} {name} is the input: it would be written while it is read")
        if identity in seen:
            raise RequestError(f"{called} and {seen[identity]} are both {name}")
        seen[identity] = called


def _identity(name: str, descriptor: int) -> object:
    """Return what is equal for two names of one file, and for nothing else."""
    try:
        status = os.fstat(descriptor) if name == STDIN else os.stat(name)  # noqa: PTH116
    except OSError:
        return Path(name).resolve()
    # A terminal, a pipe or /dev/null may be read and written at once.
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else object()
