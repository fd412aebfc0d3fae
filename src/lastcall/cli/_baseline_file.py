"""The file that `--baseline` names: read before a run, and written after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import click

from lastcall.baseline import Baseline, BaselineError, Change, check_writable, load, save

__all__ = ["BaselineFile"]


@dataclass(frozen=True, slots=True)
class BaselineFile:
    """The baseline of one run of a command."""

    path: Path
    """Its file, absolute."""
    baseline: Baseline
    """What is in it."""
    update: bool
    """Whether to write what is found, and fail on nothing."""

    @classmethod
    def read(cls, name: str | None, *, update: bool) -> Self | None:
        """
        Read the file *name*; with *update* it need not be there yet. None for no name.

        Raises:
            click.UsageError: If it cannot be used; with one sentence.
        """
        if name is None:
            if update:
                raise click.UsageError("--update-baseline needs a file; add --baseline FILE")
            return None
        path = Path(name).expanduser().absolute()
        try:
            if update:
                check_writable(path)
            return cls(path, Baseline() if update and not path.exists() else load(path), update)
        except BaselineError as error:
            raise click.UsageError(str(error)) from error

    def notes_of(self, after: Baseline, change: Change, told: str, today: date) -> list[str]:
        """
        Write what has changed, and say so, and which entries are overdue.

        Args:
            after: What the file is to hold.

            change: From what it holds.

            told: The change in words.

            today: Entries whose last day is before it are overdue.
        """
        overdue = [
            f"baseline {self.path.name}: {entry.fingerprint} ({entry.place}) was to be mended by"
            f" {entry.expires}; mend it, or give it another date"
            for entry in after.expired(today)
        ]
        return [*self._written(after, change, told), *overdue]

    def _written(self, after: Baseline, change: Change, told: str) -> list[str]:
        if not change and not (self.update and not self.path.exists()):
            return []
        try:
            save(self.path, after)
        except BaselineError as error:
            return [f"{told}, but {error}"]
        return [f"baseline {self.path.name}: {told}; it was written, commit it"]
