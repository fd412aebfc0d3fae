"""
Where the processes of one program leave their reports, and how these become one.

A spool is a private directory. Each process keeps one file in it, replaced as a whole at every writing,
so a reader never sees half a report and a process that is killed leaves its last word.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .records import ProcessInfo
from .report import Report, merge_reports
from .watch import Level

if TYPE_CHECKING:
    from .history import History, Recorded

__all__ = [
    "Entry",
    "Options",
    "Spool",
    "merge_entries",
    "merge_spooled",
    "present_entries",
    "wait_for_stragglers",
]

STRAGGLERS_LIMIT = 1.0
"""Seconds to wait for processes that outlive the main one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every process under `lastcall run` has to know."""

    level: Level = "sessions"
    """The level of the watch."""
    idle_after: float | None = None
    """Seconds without a request after which an open session is suspected at once; None for never."""
    period: float = 1.0
    """Seconds between two writings of a process in which something goes on."""
    sites: bool = False
    """Whether processes also write what is open, line by line."""
    history: bool = False
    """Whether processes also write when each session was opened, in use, and closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one process has left in the spool."""

    ended: bool
    """Whether it was written at the end of the process; if not, it is the last state before."""
    report: Report
    """What is to be said if the process is over now: sessions still open have leaked."""
    live: Report | None = None
    """What is to be said while it runs; None if *ended*."""
    sites: tuple[dict[str, Any], ...] = ()
    """What is open, as `OpenSite.to_json` writes it; empty unless the options ask for it."""

    @property
    def process(self) -> ProcessInfo:
        """The process that wrote it."""
        return self.report.processes[0]


class Spool:
    """
    The directory that the processes of one program share.

    Args:
        directory: An existing spool; `create` makes a new one.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    @classmethod
    def create(cls, options: Options) -> Self:
        """
        Make a new spool that only this user can read.

        Raises:
            OSError: If there is no room for temporary files.
        """
        spool = cls(tempfile.mkdtemp(prefix="lastcall-"))
        spool._replace("options", dataclasses.asdict(options))
        return spool

    def remove(self) -> None:
        """Remove the spool with all that is in it; a process that still writes to it does so in vain."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def options(self) -> Options:
        """
        Return what `create` was given.

        Raises:
            OSError: If the spool is gone.
        """
        return Options(**json.loads((self.directory / "options").read_bytes()))

    def write(self, name: str, entry: Entry) -> None:
        """Replace the entry called *name*; nothing happens if the spool is gone or full."""
        with contextlib.suppress(OSError):
            self._replace(
                f"{name}.json",
                {
                    "ended": entry.ended,
                    "report": entry.report.to_json(),
                    "live": entry.live and entry.live.to_json(),
                    "sites": entry.sites,
                },
            )

    def _replace(self, name: str, document: dict[str, Any]) -> None:
        self._replace_bytes(name, json.dumps(document).encode())

    def _replace_bytes(self, name: str, data: bytes) -> None:
        unfinished = self.directory / f"{name}.new"
        unfinished.write_bytes(data)
        unfinished.replace(self.directory / name)

    def write_history(self, name: str, recorded: Recorded) -> None:
        """
        Add to the history called *name*.

        Args:
            name: As for `write`.

            recorded: Its rows of what has ended are added to those before, all else replaces what was there.

        Raises:
            OSError: If the spool is gone or full; what was there before can be read nevertheless.
        """
        with (self.directory / f"{name}.rows").open("ab") as file:
            file.write(recorded.ended)
        self._replace_bytes(f"{name}.history", recorded.to_bytes())

    def histories(self) -> list[Recorded]:
        """Return the history of every process that has left one, in no order."""
        found = (_read_history(path) for path in self.directory.glob("*.history"))
        return [recorded for recorded in found if recorded is not None]

    def entries(self) -> list[Entry]:
        """Return what every process has left, in no order; what cannot be read is left out."""
        return [entry for path in self.directory.glob("*.json") if (entry := _read(path)) is not None]

    def note(self, pid: int, text: str) -> None:
        """Write down why there is no report of process *pid*; `path/sitecustomize.py` does so, too."""
        with contextlib.suppress(OSError):
            (self.directory / f"{pid}.note").write_text(text, encoding="utf-8")

    def notes(self) -> list[tuple[int, str]]:
        """Return the processes that could not be watched, each as its number and the reason."""
        return [(int(path.stem), path.read_text()) for path in sorted(self.directory.glob("*.note"))]

    @property
    def was_seen(self) -> bool:
        """Whether any Python process has found its way here."""
        return (self.directory / "seen").exists()


def _read(path: Path) -> Entry | None:
    try:
        document = json.loads(path.read_bytes())
        live = document["live"]
        return Entry(
            ended=document["ended"],
            report=Report.from_json(document["report"]),
            live=None if live is None else Report.from_json(live),
            sites=tuple(document["sites"]),
        )
    except (OSError, ValueError, KeyError):
        # Another version of lastcall in another interpreter may write what we cannot read.
        return None


def _read_history(path: Path) -> Recorded | None:
    # Only an HTML report needs it, and every process pays for what is imported at its head.
    from .history import Recorded  # noqa: PLC0415

    try:
        return Recorded.from_bytes(path.read_bytes(), path.with_suffix(".rows").read_bytes())
    except (OSError, ValueError, KeyError):
        return None


def wait_for_stragglers(spool: Spool, limit: float = STRAGGLERS_LIMIT) -> list[Entry]:
    """
    Return the entries of *spool* when no process is left that writes to it.

    Args:
        spool: The spool of a program whose first process has ended.

        limit: Seconds (monotonic) after which to wait no longer. Ctrl-C shortens it to nothing.
    """
    deadline = time.monotonic() + limit
    while True:
        entries = spool.entries()
        left = any(not entry.ended and _is_alive(entry.process.pid) for entry in entries)
        if not left or time.monotonic() >= deadline:
            return entries
        try:
            time.sleep(0.02)
        except KeyboardInterrupt:
            deadline = 0.0


def merge_entries(entries: Iterable[Entry], *, main: int, code: int, ended_at: float) -> Report:
    """
    Make one report of what the processes of a program have left.

    Args:
        entries: From `Spool.entries`; those of processes that opened nothing are left out.

        main: The number of the program's first process.

        code: How that one ended: its exit code, or -N if signal N ended it.

        ended_at: When it ended: wall clock, seconds since the epoch.
    """
    told = [_tell(entry, main, code, ended_at) for entry in entries]
    return merge_reports(report for report in told if _says_something(report))


def merge_spooled(spool: Spool, *, main: int) -> History | None:
    """
    Make one history of what the processes of a program have left in *spool*; None if there is nothing.

    Args:
        spool: The spool, when the program has ended.

        main: The number of the program's first process.
    """
    from .history import merge_histories  # noqa: PLC0415 - as above

    found = [recorded for recorded in spool.histories() if recorded.head["sites"]]
    pids = {recorded.head["pid"] for recorded in found if not recorded.head["is_over"]}
    return merge_histories(found, {pid for pid in pids if pid != main and _is_alive(pid)})


def present_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return *entries* as they are to be told while the program runs: those of the dead as ended ones."""
    return [
        entry
        if entry.ended or _is_alive(entry.process.pid)
        else Entry(ended=True, report=_tell(entry, 0, 0, 0.0))
        for entry in entries
    ]


def _says_something(report: Report) -> bool:
    return bool(report.opened or report.leaks or report.responses or report.pools)


def _tell(entry: Entry, main: int, code: int, ended_at: float) -> Report:
    """Return the report of one process, with what became of it as its state."""
    process = entry.process
    if entry.ended:
        return entry.report
    if process.pid != main and entry.live is not None and _is_alive(process.pid):
        return _with_state(entry.live, "still running; its state so far is shown")
    if process.pid == main:
        how = f"killed by {_signal_name(-code)}" if code < 0 else "ended without a word"
        age = f"of {max(0.0, ended_at - process.reported_at):.1f} s before"
    else:
        how = "killed, or ended without a word"
        age = "of " + time.strftime("%H:%M:%S", time.localtime(process.reported_at))
    return _with_state(entry.report, f"{how}; its last state {age} is shown")


def _with_state(report: Report, state: str) -> Report:
    first, *others = report.processes
    return dataclasses.replace(report, processes=(dataclasses.replace(first, state=state), *others))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_alive(pid: int) -> bool:
    try:
        # A zombie is no longer a process that could write; where there is /proc it can be told apart.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        pass
    if os.name == "nt" or Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
