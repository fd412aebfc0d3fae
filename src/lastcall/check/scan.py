"""Phase one: from files to facts, reading only what may matter, and parsing only what does."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .cache import Entry, FactsCache
from .facts.extract import MAX_BYTES, UnreadableError, extract
from .facts.model import Facts
from .files import Found
from .finding import Problem
from .needles import Needle, contains

__all__ = ["Scan"]

WORTH_A_PROCESS = 1_500_000
"""Bytes of source from which parsing in several processes pays for starting them."""


COMMENTS: tuple[Needle, ...] = ((b"lastcall:",), (b"noqa", b"LC"))
"""Words of comments that are meant for us."""


HELD_BYTES = 100_000_000
"""Bytes of files kept in memory, so that names learned late need no second reading."""


class _Job(NamedTuple):
    data: bytes
    module: str
    is_package: bool


class Scan:
    """The files of a project, and what is known of each so far."""

    def __init__(self, files: Sequence[Found], cache: FactsCache, jobs: int) -> None:
        self.files = files
        self.cache = cache
        self.jobs = jobs
        self.problems: dict[str, Problem] = {}
        self.facts: dict[str, Facts] = {}
        """From shown path to facts, in no particular order."""
        self._held: dict[str, bytes] = {}
        """What was read and may have to be looked at again, by shown path."""
        self._room = HELD_BYTES
        self._looks: dict[frozenset[str], tuple[Needle, ...]] = {}
        self._unions: dict[tuple[frozenset[str], frozenset[str]], frozenset[str]] = {}
        self._known = {file.shown: self._entry(file) for file in files}

    def _entry(self, file: Found) -> Entry:
        entry = self.cache.entries.get(file.shown)
        if entry is None or entry.stamp != file.stamp:
            fresh = Entry(file.stamp)
            if entry is not None:
                fresh.digest, fresh.facts, fresh.problem = entry.digest, entry.facts, entry.problem
                fresh.absent = frozenset({"stale"})
            self.cache.entries[file.shown] = entry = fresh
            self.cache.changed = True
        return entry

    @property
    def commented(self) -> list[str]:
        """The files in which comments for us may be, by shown path, sorted."""
        return sorted(path for path, entry in self._known.items() if entry.commented)

    def unread_text(self) -> bytes:
        """Return what stands in the files that matter and could not be parsed."""
        return b"\n".join(self._held.get(path, b"") for path in self.problems)

    def look(self, needles: Sequence[Needle], wanted: Iterable[str] = ()) -> bool:
        """
        Learn the facts of the files that hold one of *needles*, and of those that are *wanted* by path.

        Returns:
            Whether any file's facts are new.
        """
        names = {_name(needle): needle for needle in needles}
        self._looks.clear()
        forced = set(wanted)
        before = len(self.facts)
        pending: list[tuple[Found, _Job]] = []
        for file in self.files:
            if file.shown in self.facts or file.shown in self.problems:
                continue
            job = self._consider(file, names, forced=file.shown in forced)
            if job is not None:
                pending.append((file, job))
        for (file, _), outcome in zip(pending, self._run([job for _, job in pending]), strict=True):
            self._learn(file, outcome)
        return len(self.facts) > before

    def _consider(self, file: Found, names: dict[str, Needle], *, forced: bool) -> _Job | None:
        """Return what has to be parsed of a file, or None if nothing does."""
        entry = self._known[file.shown]
        stale = "stale" in entry.absent
        if not stale and (entry.facts is not None or entry.problem):
            self._learn(file, entry.problem or entry.facts)
            return None
        missing = self._missing(entry.absent, names)
        if not missing and not forced and not stale:
            return None
        data = self._read(file)
        if data is None:
            return None
        if stale and entry.digest and entry.digest == _digest(data):
            entry.absent = frozenset()
            self._learn(file, entry.problem or entry.facts)
            return None
        if stale:
            entry.absent, entry.facts, entry.problem, missing = frozenset(), None, "", tuple(names.values())
        if forced or contains(data, missing):
            entry.digest = _digest(data)
            return _Job(data, file.module, file.is_package)
        entry.absent = self._and_absent(entry.absent, frozenset(names))
        self.cache.changed = True
        return None

    def _missing(self, absent: frozenset[str], names: dict[str, Needle]) -> tuple[Needle, ...]:
        """Return the needles not yet looked for, the same object for files that are alike in this."""
        if absent not in self._looks:
            self._looks[absent] = tuple(needle for name, needle in names.items() if name not in absent)
        return self._looks[absent]

    def _and_absent(self, before: frozenset[str], names: frozenset[str]) -> frozenset[str]:
        """Return both sets as one, the same object for the thousands of files that share it."""
        key = (before, names)
        if key not in self._unions:
            self._unions[key] = before | names
        return self._unions[key]

    def _read(self, file: Found) -> bytes | None:
        if file.stamp[1] > MAX_BYTES:
            self.problems[file.shown] = Problem(
                file.shown, f"too large to be source: {file.stamp[1]:,} bytes"
            )
            return None
        if file.shown in self._held:
            return self._held[file.shown]
        try:
            data = _content(file.path, file.stamp[1])
        except OSError as error:
            self.problems[file.shown] = Problem(file.shown, (error.strerror or str(error)).lower())
            return None
        self._known[file.shown].commented = contains(data, COMMENTS)
        self._room -= len(data)
        if self._room > 0:
            self._held[file.shown] = data
        return data

    def _learn(self, file: Found, outcome: Facts | str | None) -> None:
        entry = self._known[file.shown]
        if isinstance(outcome, str):
            entry.problem = outcome
            self.problems[file.shown] = Problem(file.shown, outcome)
        elif outcome is not None:
            entry.facts = outcome
            self.facts[file.shown] = outcome

    def _run(self, jobs: list[_Job]) -> Iterable[Facts | str]:
        if jobs:
            self.cache.changed = True
        workers = self.jobs or min(os.cpu_count() or 1, 8)
        size = sum(len(job.data) for job in jobs)
        if workers < 2 or size < WORTH_A_PROCESS or not _can_fork():  # noqa: PLR2004
            return map(_extract, jobs)
        return _in_processes(jobs, workers)


def _in_processes(jobs: list[_Job], workers: int) -> list[Facts | str]:
    # Imported here: most runs need no second process, and these take long to import.
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(pool.map(_extract, jobs, chunksize=max(1, len(jobs) // (workers * 4))))


def _can_fork() -> bool:
    """Tell whether processes can be had cheaply: forked, which no other thread may be in the way of."""
    return sys.platform == "linux" and threading.active_count() == 1


def _extract(job: _Job) -> Facts | str:
    try:
        return extract(job.data, job.module, is_package=job.is_package)
    except UnreadableError as error:
        return str(error)


def _content(path: str, size: int) -> bytes:
    """Return what is in a file, in as few calls of the system as can be: most files are only looked at."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(handle, size + 1)
        while len(data) > size and (more := os.read(handle, MAX_BYTES)):
            data += more
        return data
    finally:
        os.close(handle)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _name(needle: Needle) -> str:
    return "&".join(word.decode("utf-8", "replace") for word in needle)
