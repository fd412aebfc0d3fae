"""
Facts kept between runs.

JSON, not pickle or marshal: a cache lies in a directory that others may write to, and reading it must not
be able to run code or crash the interpreter. What is not of the expected form counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lastcall._version import __version__

from .facts.model import Facts, facts_from_rows
from .finding import Finding, Problem, Related, Result

__all__ = ["Entry", "FactsCache", "load_result", "store_result"]

FORMAT = 1
"""Raised whenever facts or rules change their meaning between releases."""

MAX_RESULTS = 16
"""Results kept; the oldest go first."""


class Entry:
    """What is known of one file."""

    __slots__ = ("absent", "commented", "digest", "facts", "problem", "stamp")

    def __init__(self, stamp: tuple[int, int]) -> None:
        self.stamp = stamp
        self.digest = ""
        self.absent: frozenset[str] = frozenset()
        """Needles that are not in it."""
        self.facts: Facts | None = None
        self.problem = ""
        self.commented = False
        """Whether it may hold comments that are meant for us."""


class FactsCache:
    """What is known of the files of one project, by path."""

    def __init__(self, folder: Path | None, key: str) -> None:
        self._path = folder / f"facts-{_short(key)}.json" if folder else None
        self._tag = tag()
        self.entries: dict[str, Entry] = {}
        self.changed = False
        if self._path is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
                self._read(self._path)

    def _read(self, path: Path) -> None:
        data = json.loads(path.read_bytes())
        if data["tag"] != self._tag:
            return
        sets = [frozenset(words) for words in data["absent"]]
        entries: dict[str, Entry] = {}
        for name, row in data["files"].items():
            entry = entries[name] = Entry((row[0], row[1]))
            entry.absent, entry.commented = sets[row[2]], bool(row[3])
            if len(row) > 4:  # noqa: PLR2004
                entry.digest, entry.problem = str(row[4]), str(row[5])
                entry.facts = None if row[6] is None else facts_from_rows(row[6])
        self.entries = entries

    def store(self) -> None:
        """Write what is known, if that changed; an unwritable directory is no error."""
        if self._path is None or not self.changed:
            return
        sets: dict[frozenset[str], int] = {}
        rows: dict[str, list[Any]] = {}
        for name, entry in self.entries.items():
            number = sets.setdefault(entry.absent, len(sets))
            row: list[Any] = [*entry.stamp, number, int(entry.commented)]
            if entry.facts is not None or entry.problem:
                row += [entry.digest, entry.problem, entry.facts]
            rows[name] = row
        data = {"tag": self._tag, "absent": [sorted(words) for words in sets], "files": rows}
        _write(self._path, json.dumps(data, separators=(",", ":")))


def tag() -> str:
    """Return what a cache has to agree with: our version, and the Python whose grammar was used."""
    return f"{FORMAT}:{__version__}:{sys.version_info[0]}.{sys.version_info[1]}"


def load_result(folder: Path, key: str) -> Result | None:
    """Return the result of the run that *key* stands for, if it was kept."""
    path = folder / f"result-{_short(key)}.json"
    try:
        data = json.loads(path.read_bytes())
        if data["key"] != key or data["tag"] != tag():
            return None
        findings = tuple(
            Finding(**{**row, "related": tuple(Related(**one) for one in row["related"]), "fix": None})
            for row in data["findings"]
        )
        problems = tuple(Problem(**row) for row in data["problems"])
        return Result(findings, int(data["files"]), problems, tuple(map(str, data["commented"])))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def store_result(folder: Path, key: str, result: Result) -> None:
    """Keep a result, and drop the oldest beyond `MAX_RESULTS`."""
    data = {**asdict(result), "key": key, "tag": tag()}
    _write(folder / f"result-{_short(key)}.json", json.dumps(data, separators=(",", ":")))
    with contextlib.suppress(OSError):
        kept = sorted(folder.glob("result-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[MAX_RESULTS:]:
            path.unlink()


def _short(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write(path: Path, text: str) -> None:
    """Write a file in one step, so that two runs at once never see half of it."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        marker = path.parent / ".gitignore"
        if not marker.exists():
            marker.write_text("*\n", encoding="utf-8")
        import tempfile  # noqa: PLC0415 (a warm run writes nothing)

        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
        Path(name).replace(path)
