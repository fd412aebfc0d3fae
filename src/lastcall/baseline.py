"""
Known leaks and findings by fingerprint: what may stay for now, in a file that is committed.

    {
      "version": 1,
      "entries": [
        {
          "fingerprint": "9f2c01ab34cd",
          "count": 2,
          "place": "shop/client.py in Client.fetch",
          "seen_in": ["pytest tests/test_client.py"],
          "note": "goes with the old client",
          "expires": "2027-01-31"
        }
      ]
    }

`place`, `seen_in`, `note` and `expires` may be missing. A baseline becomes shorter by itself and longer only
when it is asked to.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["VERSION", "Baseline", "BaselineError", "Change", "Entry", "check_writable", "load", "save"]

VERSION = 1
"""The format written, and the newest that is read."""


class BaselineError(ValueError):
    """A baseline that cannot be read or written; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One known leak or finding."""

    fingerprint: str
    """Its name, the same on every machine and after the line has moved."""
    count: int = 1
    """How many of it are known, at least 1; more are new."""
    place: str = ""
    """Where it is, for people: file and function, without a line number."""
    seen_in: tuple[str, ...] = ()
    """What was run when it was seen, sorted, such as "run app.py" or "pytest tests/test_a.py".

    Only when all of this was run again, and did not show it, is it gone."""
    note: str = ""
    """What the project has to say about it."""
    expires: date | None = None
    """The last day, local time, on which it may stay; None for no limit."""

    def is_expired(self, today: date) -> bool:
        """Tell whether its last day is over."""
        return self.expires is not None and today > self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a baseline differs from the one before."""

    added: tuple[Entry, ...] = ()
    """Entries it did not have, or that count more; as they are now."""
    removed: tuple[Entry, ...] = ()
    """Entries it has no longer; as they were."""
    lowered: tuple[Entry, ...] = ()
    """Entries that count less; as they are now."""

    def __bool__(self) -> bool:
        """Tell whether there is any difference."""
        return bool(self.added or self.removed or self.lowered)

    def __str__(self) -> str:
        """Return it in words, such as "2 known leaks are gone, 1 known leak counts less"."""
        parts = [
            (len(self.added), "leak is new or counts more", "leaks are new or count more"),
            (len(self.removed), "known leak is gone", "known leaks are gone"),
            (len(self.lowered), "known leak counts less", "known leaks count less"),
        ]
        words = [f"{count} {one if count == 1 else many}" for count, one, many in parts if count]
        return ", ".join(words) or "nothing has changed"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known; empty at first."""

    entries: dict[str, Entry] = field(default_factory=dict)
    """From fingerprint to entry. Not to be changed in place."""

    def known(self, fingerprint: str, today: date) -> int:
        """Return how many of *fingerprint* may stay; 0 if it is not known or its last day is over."""
        entry = self.entries.get(fingerprint)
        return 0 if entry is None or entry.is_expired(today) else entry.count

    def expired(self, today: date) -> tuple[Entry, ...]:
        """Return the entries whose last day is over, sorted as in the file."""
        return tuple(entry for entry in self.in_order() if entry.is_expired(today))

    def in_order(self) -> list[Entry]:
        """Return the entries as they stand in the file: by place, then by fingerprint."""
        return sorted(self.entries.values(), key=lambda entry: (entry.place, entry.fingerprint))

    def shrunk(
        self, seen: Iterable[Entry], was_run: Callable[[str], bool], *, lower: bool
    ) -> tuple[Baseline, Change]:
        """
        Return the baseline without what is gone, and the difference. It never grows here.

        Args:
            seen: What was seen, however sure; of each the fingerprint and the count are looked at.

            was_run: Tells of one of `Entry.seen_in` whether all of it was run, to its end.

            lower: Whether an entry that was seen less often shall count less from now on.
        """
        counts = _counts(seen)
        kept: dict[str, Entry] = {}
        removed, lowered = [], []
        for entry in self.in_order():
            count = counts.get(entry.fingerprint, 0)
            if count >= entry.count or (count and not lower) or not all(map(was_run, entry.seen_in)):
                kept[entry.fingerprint] = entry
            elif count:
                kept[entry.fingerprint] = replace(entry, count=count)
                lowered.append(kept[entry.fingerprint])
            else:
                removed.append(entry)
        return Baseline(kept), Change(removed=tuple(removed), lowered=tuple(lowered))

    def updated(self, seen: Iterable[Entry], was_run: Callable[[str], bool]) -> tuple[Baseline, Change]:
        """
        Return the baseline of what was seen, and the difference. Notes and dates of entries are kept.

        Args:
            seen: What shall be known; one fingerprint may come more than once.

            was_run: As for `shrunk`.
        """
        seen = _merged(seen)
        shrunk, change = self.shrunk(seen, was_run, lower=True)
        kept = dict(shrunk.entries)
        added = []
        for new in seen:
            old = kept.get(new.fingerprint)
            if old is None:
                kept[new.fingerprint] = new
            else:
                where = tuple(sorted({*old.seen_in, *new.seen_in}))
                count = max(old.count, new.count)
                kept[new.fingerprint] = replace(old, count=count, place=new.place, seen_in=where)
            if old is None or old.count < new.count:
                added.append(kept[new.fingerprint])
        return Baseline(kept), replace(change, added=tuple(added))


def _counts(seen: Iterable[Entry]) -> dict[str, int]:
    return {entry.fingerprint: entry.count for entry in _merged(seen)}


def _merged(seen: Iterable[Entry]) -> list[Entry]:
    merged: dict[str, Entry] = {}
    for entry in seen:
        before = merged.get(entry.fingerprint)
        merged[entry.fingerprint] = entry if before is None else _added(before, entry)
    return list(merged.values())


def _added(one: Entry, other: Entry) -> Entry:
    where = tuple(sorted({*one.seen_in, *other.seen_in}))
    return replace(one, count=one.count + other.count, seen_in=where)


# -- the file


def load(path: Path) -> Baseline:
    """
    Read the baseline in the file *path*.

    Raises:
        BaselineError: If there is no such file, or it is no baseline of a format known here.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaselineError(f"there is no baseline {path}; --update-baseline writes one") from None
    except OSError as error:
        raise BaselineError(f"the baseline {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BaselineError(f"{path} is no baseline, for it is not JSON ({error}); {_MEND}") from error
    try:
        return _read(document)
    except BaselineError as error:
        raise BaselineError(f"the baseline {path} cannot be used: {error}") from None


_MEND = "mend it, or remove it and let --update-baseline write it anew"


def save(path: Path, baseline: Baseline) -> None:
    """
    Write *baseline* to the file *path*, sorted; the file is replaced as a whole.

    Raises:
        BaselineError: If it cannot be written.
    """
    document = {"version": VERSION, "entries": [_written(entry) for entry in baseline.in_order()]}
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        unfinished.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise BaselineError(f"the baseline {path} cannot be written: {error.strerror}") from error


def check_writable(path: Path) -> None:
    """
    Look whether a baseline can be written to *path*. Nothing is created.

    Raises:
        BaselineError: If it cannot.
    """
    if path.is_dir():
        raise BaselineError(f"the baseline cannot be written to {path}: it is a directory")
    if not path.parent.is_dir():
        raise BaselineError(f"the baseline cannot be written to {path}: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise BaselineError(f"the baseline cannot be written to {path}: permission denied")


def _read(document: Any) -> Baseline:
    if not isinstance(document, dict) or not isinstance(document.get("entries"), list):
        raise BaselineError(f'it has no list of "entries"; {_MEND}')
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise BaselineError(
            f"it has format {version}, and this lastcall reads {VERSION}; install a newer lastcall"
        )
    if version != VERSION:
        raise BaselineError(f'its "version" is {version!r} and not {VERSION}; {_MEND}')
    entries: dict[str, Entry] = {}
    for number, part in enumerate(document["entries"], 1):
        try:
            entry = _entry(part)
        except (BaselineError, TypeError, ValueError) as error:
            raise BaselineError(f"entry {number} {error}") from None
        if entry.fingerprint in entries:
            raise BaselineError(f"entry {number} has the fingerprint of another; leave one of them")
        entries[entry.fingerprint] = entry
    return Baseline(entries)


_KEYS = ("fingerprint", "count", "place", "seen_in", "note", "expires")


def _entry(part: Any) -> Entry:
    if not isinstance(part, dict):
        raise BaselineError("is no object")
    for key in part:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(_KEYS)}"
            raise BaselineError(f"has an unknown key {key!r}{meant}")
    fingerprint, count = part.get("fingerprint"), part.get("count", 1)
    if not isinstance(fingerprint, str) or not fingerprint:
        raise BaselineError("has no fingerprint")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise BaselineError(f"has the count {count!r}; it is a whole number from 1 on")
    seen_in = part.get("seen_in", [])
    if not isinstance(seen_in, list) or not all(isinstance(text, str) for text in seen_in):
        raise BaselineError('has a "seen_in" that is no list of texts')
    return Entry(
        fingerprint=fingerprint,
        count=count,
        place=str(part.get("place", "")),
        seen_in=tuple(seen_in),
        note=str(part.get("note", "")),
        expires=_date(part.get("expires")),
    )


def _date(text: Any) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise BaselineError(f"expires on {text!r}, which is no date; write it as 2027-01-31") from None


def _written(entry: Entry) -> dict[str, Any]:
    written: dict[str, Any] = {
        "fingerprint": entry.fingerprint,
        "count": entry.count,
        "place": entry.place,
        "seen_in": list(entry.seen_in),
        "note": entry.note,
    }
    return written | ({"expires": entry.expires.isoformat()} if entry.expires is not None else {})
