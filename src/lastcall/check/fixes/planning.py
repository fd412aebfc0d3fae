"""From a finding to the edits that may mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from lastcall.check.finding import Finding, Fix
from lastcall.check.text import Sources

from .owners import add_close, close_before_replacing, remember_owner
from .small import await_close, enter_asynchronously, leave_shared_open, remove_filter
from .source import Source
from .wrapping import close_in_any_case, enter_response, enter_session

__all__ = ["PLANS", "with_plans"]

PLANS: dict[str, Callable[[Finding, Source], Fix | None]] = {
    "LC001": enter_session,
    "LC002": add_close,
    "LC003": close_in_any_case,
    "LC004": close_before_replacing,
    "LC005": await_close,
    "LC030": leave_shared_open,
    "LC031": enter_asynchronously,
    "LC033": remember_owner,
    "LC040": enter_response,
    "LC060": remove_filter,
}
"""From a rule's code to what plans its fix. Ignore comments (LC090, LC091) bring their own."""


def with_plans(findings: Iterable[Finding], sources: Sources) -> tuple[Finding, ...]:
    """Return findings with fixes that were not tried; good enough to tell that there may be one."""
    plans = _Plans(sources.text)
    return tuple(replace(one, fix=plans.fix(one)) for one in findings)


class _Plans:
    """Fixes for the findings of some files, each file parsed once."""

    def __init__(self, text: Callable[[str], str]) -> None:
        """
        Make a planner.

        Args:
            text: Returns the text of a file by path.
        """
        self._text = text
        self._sources: dict[str, Source | None] = {}

    def fix(self, finding: Finding) -> Fix | None:
        """Return the fix for a finding, not tried yet; None if there is none."""
        if finding.fix is not None or finding.rule not in PLANS:
            return finding.fix
        source = self._source(finding.path)
        if source is None or source.has_mixed_ends:
            return None
        return PLANS[finding.rule](finding, source)

    def _source(self, path: str) -> Source | None:
        if path not in self._sources:
            try:
                self._sources[path] = Source(self._text(path))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._sources[path] = None
        return self._sources[path]
