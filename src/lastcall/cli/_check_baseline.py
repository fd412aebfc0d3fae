"""What `check --baseline` does: which findings are known, and what is written to the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lastcall.baseline import Change, Entry
from lastcall.check import Finding
from lastcall.check.output.words import count

from ._baseline_file import BaselineFile

__all__ = ["KnownFindings", "Settlement"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the baseline says of some findings."""

    fresh: tuple[Finding, ...]
    """Those that are not known."""

    known: tuple[tuple[Finding, str], ...]
    """Those that are, each with its entry's note."""

    notes: tuple[str, ...]
    """Sentences for the reader."""

    fails: bool
    """Whether an entry's last day is over."""


class KnownFindings(BaselineFile):
    """The baseline of this `lastcall check`."""

    __slots__ = ()

    def knows(self, finding: Finding) -> bool:
        """Tell whether a finding may stay."""
        today = datetime.now().astimezone().date()
        return self.baseline.known(finding.fingerprint, today) > 0

    def settle(
        self,
        told: tuple[Finding, ...],
        found: Iterable[Finding],
        *,
        scope: str,
        codes: frozenset[str],
        is_whole: bool,
    ) -> Settlement:
        """
        Say which findings are known, and shorten or write the file.

        Args:
            told: The findings that would be told.

            found: All findings, those not sure enough to be told included: none of them is gone.

            scope: What was checked, such as "src tests".

            codes: The rules that were applied.

            is_whole: Whether every file could be read, so that what was not found is gone.
        """
        today = datetime.now().astimezone().date()
        checked = {_run_of(code, scope) for code in codes}

        def was_run(text: str) -> bool:
            return is_whole and text in checked

        if self.update:
            after, change = self.baseline.updated([_entry(one, scope) for one in told], was_run)
        else:
            after, change = self.baseline.shrunk([_entry(one, scope) for one in found], was_run, lower=True)
        notes = self.notes_of(after, change, _told(change), today)
        known = {one for one, entry in after.entries.items() if not entry.is_expired(today)}
        return Settlement(
            tuple(one for one in told if one.fingerprint not in known),
            tuple((one, after.entries[one.fingerprint].note) for one in told if one.fingerprint in known),
            tuple(notes),
            bool(after.expired(today)) and not self.update,
        )


def _entry(finding: Finding, scope: str) -> Entry:
    where = f"{finding.path} in {finding.symbol}" if finding.symbol else finding.path
    return Entry(
        fingerprint=finding.fingerprint,
        place=f"{where} ({finding.rule})",
        seen_in=(_run_of(finding.rule, scope),),
    )


def _run_of(code: str, scope: str) -> str:
    """Return what has to be run again, and to find nothing, before an entry may go."""
    return f"check --select {code} {scope}"


def _told(change: Change) -> str:
    parts = [(len(change.added), "is new", "are new"), (len(change.removed), "is gone", "are gone")]
    words = [
        f"{count(number, 'finding')} {one if number == 1 else many}" for number, one, many in parts if number
    ]
    return ", ".join(words) or "nothing has changed"
