"""What `--baseline` does: which leaks are known, and what is written to the file."""

from __future__ import annotations

from datetime import datetime

from lastcall.ledger.ends import entry_of, mark_known
from lastcall.ledger.records import Grade
from lastcall.ledger.report import Report

from ._baseline_file import BaselineFile

__all__ = ["KnownLeaks"]


class KnownLeaks(BaselineFile):
    """The baseline of this `lastcall run`."""

    __slots__ = ()

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
        notes = self.notes_of(after, change, str(change), today)
        marked = mark_known(report, lambda fingerprint: after.known(fingerprint, today))
        return marked, notes, bool(after.expired(today)) and not self.update
