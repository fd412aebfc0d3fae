"""What a test report, the summary and the JUnit file say of leaks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lastcall.ledger.records import Leak, Site
from lastcall.ledger.report.text import render_leaks
from lastcall.ledger.report.words import count, sessions

from .findings import Finding

__all__ = [
    "LeftOpenError",
    "failure",
    "failure_of_run",
    "how_many",
    "summary_lines",
    "text_of",
    "text_of_demand",
    "with_failure",
]

_WIDTH = 100
_OWNERS_SHOWN = 3


class LeftOpenError(Exception):
    """A test left sessions open."""

    # pytest then names it without a module, as it does with its own.
    __module__ = "builtins"


def failure(text: str, site: Site | None = None) -> Any:
    """Return what pytest shows of a failed test, saying *text* of *site*."""
    try:
        raise LeftOpenError(text)  # noqa: TRY301 - pytest describes what was raised
    except LeftOpenError as error:
        shown = pytest.ExceptionInfo.from_exception(error).getrepr(style="value")
    if shown.reprcrash is not None:
        # The summary's line; under CI pytest shortens nothing.
        shown.reprcrash.message = shown.reprcrash.message.partition("\n")[0]
    if site is not None and shown.reprcrash is not None:
        # Where editors and annotations jump to.
        shown.reprcrash.path, shown.reprcrash.lineno = site.file, site.line
    return shown


def how_many(leaks: Iterable[Leak]) -> str:
    """Return "2 sessions", "1 connector" or both."""
    leaks = tuple(leaks)
    lone = sum(_new(leak) for leak in leaks if leak.kind == "connector")
    own = sum(_new(leak) for leak in leaks if leak.kind == "session")
    parts = [sessions(own)] if own or not lone else []
    return " and ".join([*parts, *([count(lone, "connector")] if lone else [])])


def text_of(leaks: tuple[Leak, ...], *, who: str = "") -> str:
    """Return what failed, in a line that stands for itself and a block for each place."""
    site = leaks[0].site
    others = f" and {len(leaks) - 1} more" if len(leaks) > 1 else ""
    head = f"{who}{site}{others}: {how_many(leaks)} left open: {site.source}"
    return f"{head}\n{render_leaks(leaks, color=False, width=_WIDTH)}"


def text_of_demand(demand: int, leaks: tuple[Leak, ...]) -> str:
    """Return what failed when a test did not leave open what its marker demands."""
    found = sum(leak.count for leak in leaks)
    head = f"{sessions(demand)} had to be left open, by the marker lastcall; {found or 'none'} "
    head += "was" if found <= 1 else "were"
    return f"{head}\n{render_leaks(leaks, color=False, width=_WIDTH)}" if leaks else head


def with_failure(report: pytest.TestReport, text: str, leaks: tuple[Leak, ...]) -> pytest.TestReport:
    """Return *report* with *text*: as its failure if it has none of its own, else beside that."""
    own: Any = report.longrepr
    if report.outcome != "failed":
        report.outcome = "failed"
        report.longrepr = failure(text, leaks[0].site if leaks else None)
    elif hasattr(own, "addsection"):
        own.addsection(f"{how_many(leaks)} left open", text)
    else:
        report.longrepr = f"{own}\n\n{text}"
    return report


def failure_of_run(finding: Finding) -> pytest.TestReport:
    """Return a report for *finding*, which its test's own report could not carry."""
    who = {
        "test": f"{finding.node}, seen after its end: ",
        "fixture": f"{finding.owner}: ",
        "run": "outside of every test: ",
    }[finding.kind]
    file, _, name = finding.node.partition("::")
    return pytest.TestReport(
        nodeid=finding.node,
        location=(file, None, finding.owner if finding.kind == "fixture" else name or file),
        keywords={},
        outcome="failed",
        longrepr=failure(text_of(finding.fresh, who=who), finding.fresh[0].site),
        when="teardown",
    )


def summary_lines(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Return what was found by fingerprint: lines, each with "bold" or "" as its style."""
    groups: dict[str, list[tuple[Finding, Leak]]] = {}
    for finding in findings:
        for leak in finding.fresh:
            groups.setdefault(leak.fingerprint, []).append((finding, leak))
    ordered = sorted(groups.values(), key=lambda group: -sum(_new(leak) for _, leak in group))
    return [line for group in ordered for line in _group(group)]


def _group(group: list[tuple[Finding, Leak]]) -> list[tuple[str, str]]:
    leak = group[0][1]
    number = sum(_new(each) for _, each in group)
    owners = list(dict.fromkeys(finding.owner for finding, _ in group))
    evidence = dict.fromkeys(each.evidence.value for _, each in group)
    more = f" and {len(owners) - _OWNERS_SHOWN} more" if len(owners) > _OWNERS_SHOWN else ""
    return [
        (f"{leak.site} in {leak.site.function}  x {number:,}  {leak.fingerprint}", "bold"),
        (f"    {leak.site.source}", ""),
        (f"    {', '.join(evidence)}", ""),
        *((f"    {owner}{more if owner == owners[:_OWNERS_SHOWN][-1] else ''}", "") for owner in owners[:3]),
    ]


def _new(leak: Leak) -> int:
    return leak.count - leak.known
