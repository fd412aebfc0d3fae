"""What `--baseline` does: which leaks are known, and what is written to the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from lastcall.baseline import Baseline, BaselineError, Change, check_writable, load, save
from lastcall.ledger.ends import entry_of, mark_known
from lastcall.ledger.records import Grade
from lastcall.ledger.report import Report

__all__ = ["KnownLeaks"]


@dataclass(frozen=True, slots=True)
class KnownLeaks:
    """The baseline of this `lastcall run`."""

    path: Path
    """Its file, absolute."""
    baseline: Baseline
    """What is in it."""
    update: bool
    """Whether to write what is found, and fail on nothing."""

    @classmethod
    def read(cls, name: str | None, *, update: bool) -> KnownLeaks | None:
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

    def settle(
        self, report: Report, level: str, *, program: str, is_whole: bool
    ) -> tuple[Report, list[str], bool]:
        """
        Mark in *report* what is known, and shorten or write the file.

        Args:
            report: What the program leaked.

            level: The least grade that is written.

            program: What was run, as in an entry's `seen_in`.

            is_whole: Whether the program came to its end, so that what it did not show is gone.

        Returns:
            The report; notes for the reader; whether the run fails because an entry's last day is over.
        """
        today = datetime.now().astimezone().date()
        grade = Grade.named("scope" if level == "never" else level)
        told = [leak for leak in report.leaks if leak.evidence.grade >= grade or not self.update]
        seen = [entry_of(leak, program) for leak in told]

        def was_run(text: str) -> bool:
            return is_whole and text == program

        if self.update:
            after, change = self.baseline.updated(seen, was_run)
        else:
            # How often a program leaks depends on how much it was asked to do: counts stay.
            after, change = self.baseline.shrunk(seen, was_run, lower=False)
        notes = self._save(after, change)
        expired = after.expired(today)
        notes += [
            f"baseline {self.path.name}: {entry.fingerprint} ({entry.place}) was to be mended by"
            f" {entry.expires}; mend it, or give it another date"
            for entry in expired
        ]
        marked = mark_known(report, lambda fingerprint: after.known(fingerprint, today))
        return marked, notes, bool(expired) and not self.update

    def _save(self, after: Baseline, change: Change) -> list[str]:
        if not change and not (self.update and not self.path.exists()):
            return []
        try:
            save(self.path, after)
        except BaselineError as error:
            return [f"{change}, but {error}"]
        return [f"baseline {self.path.name}: {change}; it was written, commit it"]
