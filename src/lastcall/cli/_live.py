"""Say at once what `--after` asks for: a leak when it is old enough, and a suspicion withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lastcall.ledger.records import Grade, Leak
from lastcall.ledger.report import Report, merge_reports
from lastcall.ledger.spool import Entry

__all__ = ["LiveReports"]


class LiveReports:
    """
    What has been said while the program runs.

    Args:
        after_s: How old a leak must be to be told, in seconds.

        say: Writes text where the reader sees it.
    """

    def __init__(self, after_s: float, say: Callable[[str], object]) -> None:
        self._after_s = after_s
        self._say = say
        self._said: dict[object, Leak] = {}

    def look(self, entries: Iterable[Entry]) -> None:
        """Tell what is new in *entries*, the present state of every process."""
        report = merge_reports(entry.live or entry.report for entry in entries)
        now = {_key(leak): leak for leak in report.leaks if leak.oldest_age_s >= self._after_s}
        for key, leak in now.items():
            if key not in self._said:
                self._said[key] = leak
                self._say(_block(leak))
        self._withdraw(report)

    def _withdraw(self, report: Report) -> None:
        leaking = {_place(leak) for leak in report.leaks}
        for key, leak in list(self._said.items()):
            if leak.evidence.grade is Grade.SUSPICION and _place(leak) not in leaking:
                del self._said[key]
                self._say(f"lastcall: withdrawn: {leak.site} was closed or used after all\n")


def _place(leak: Leak) -> object:
    return leak.fingerprint, leak.site.file, leak.site.line


def _key(leak: Leak) -> object:
    return _place(leak), leak.evidence


def _block(leak: Leak) -> str:
    what = leak.kind if leak.count == 1 else f"{leak.kind}s"
    source = f"    {leak.site.source}\n" if leak.site.source else ""
    return (
        f"lastcall: {leak.count} {what} opened at {leak.site} in {leak.site.function}: {leak.evidence.words}"
        f" ({leak.evidence}), oldest {leak.oldest_age_s:.1f} s\n{source}"
    )
