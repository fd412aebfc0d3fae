"""What was found: leaks, and whose they are. Plain data that a worker can hand to its controller."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from lastcall.baseline import Entry
from lastcall.ledger.book import Book
from lastcall.ledger.ends import entry_of
from lastcall.ledger.records import Leak
from lastcall.ledger.report import Report, merge_reports

from .scopes import Owner

__all__ = ["Finding", "Outcome", "entries_of", "history_of", "together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Leaks of one test or fixture."""

    kind: str
    """"test", "fixture", or "run" for what no test opened."""
    owner: str
    """Its name, for the reader."""
    node: str
    """The node id that stands for it; of a fixture its file and name."""
    seen_in: str
    """As in a baseline's entry."""
    leaks: tuple[Leak, ...]
    """Its leaks; never empty."""
    reported: bool = False
    """Whether a report of its own test has said so: then the run need not."""

    @classmethod
    def of(cls, owner: Owner, leaks: Iterable[Leak], *, reported: bool = False) -> Self:
        """Return the finding that *owner* has *leaks*."""
        return cls(
            kind=owner.kind,
            owner=owner.name,
            node=owner.node,
            seen_in=owner.seen_in,
            leaks=tuple(leaks),
            reported=reported,
        )

    @property
    def fresh(self) -> tuple[Leak, ...]:
        """The leaks that are not all known."""
        return tuple(leak for leak in self.leaks if leak.count > leak.known)

    def to_json(self) -> dict[str, Any]:
        """Return it as strings, numbers, lists and dicts."""
        texts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return texts | {"leaks": Report(leaks=self.leaks).to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**(document | {"leaks": Report.from_json(document["leaks"]).leaks}))


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one process, or all of them together, saw."""

    report: Report = dataclasses.field(default_factory=Report)
    """Counts and processes; the leaks are in *findings*."""
    findings: list[Finding] = dataclasses.field(default_factory=list)
    """In the order in which they were made."""
    weak: list[str] = dataclasses.field(default_factory=list)
    """Fingerprints of what was open, and not surely enough a leak to be found."""
    tests: dict[str, int] = dataclasses.field(default_factory=dict)
    """From each file of tests to the number of tests in it, those that were not to be run included."""
    fixtures: list[str] = dataclasses.field(default_factory=list)
    """`Finding.seen_in` of the wider fixtures that came to their end."""
    unjudged: int = 0
    """Tests that began or ended a watch of their own, so that nothing can be said of them."""
    histories: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)
    """When sessions were open, one for each process: the arguments of `Recorded.from_bytes`; often empty."""

    @classmethod
    def of(cls, seen: Report, findings: list[Finding], **more: Any) -> Self:
        """Return the outcome of one process: of *seen* the counts, and *findings* for the leaks."""
        leaked = sum(leak.count for found in findings for leak in found.leaks if leak.kind == "session")
        processes = tuple(
            dataclasses.replace(process, state="ended", leaked=leaked) for process in seen.processes
        )
        report = Report(opened=seen.opened, closed=seen.closed, processes=processes)
        return cls(report=report, findings=findings, **more)

    def to_json(self) -> dict[str, Any]:
        """Return it as strings, numbers, bytes, lists and dicts."""
        return {
            "report": self.report.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "weak": self.weak,
            "tests": self.tests,
            "fixtures": self.fixtures,
            "unjudged": self.unjudged,
            "histories": self.histories,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            **document
            | {
                "report": Report.from_json(document["report"]),
                "findings": [Finding.from_json(part) for part in document["findings"]],
            }
        )


def entries_of(findings: Iterable[Finding]) -> list[Entry]:
    """Return *findings* as a baseline writes them."""
    return [entry_of(leak, finding.seen_in) for finding in findings for leak in finding.leaks]


def history_of(book: Book) -> list[tuple[bytes, bytes]]:
    """Return `Outcome.histories` of this process, at its end."""
    from lastcall.ledger.history import RecordingBook, recorded_of  # noqa: PLC0415 (only for a page)

    if not isinstance(book, RecordingBook):
        return []
    recorded = recorded_of(book, is_over=True)
    return [(recorded.to_bytes(), recorded.ended)]


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """Return as one what several workers saw."""
    outcomes = tuple(outcomes)
    merged = Outcome(report=merge_reports(outcome.report for outcome in outcomes))
    for outcome in outcomes:
        merged.findings += [finding for finding in outcome.findings if finding.kind == "test"]
        merged.weak += outcome.weak
        merged.tests |= outcome.tests
        merged.fixtures += outcome.fixtures
        merged.unjudged += outcome.unjudged
        merged.histories += outcome.histories
    merged.findings += _shared(outcomes)
    return merged


def _shared(outcomes: Iterable[Outcome]) -> list[Finding]:
    """
    Return the findings of what every worker has of its own, such as a fixture of session scope.

    Of each the worker with the most speaks for all: so the counts do not depend on how many there are.
    """
    most: dict[tuple[str, str], list[Finding]] = {}
    for outcome in outcomes:
        by_node: dict[tuple[str, str], list[Finding]] = {}
        for finding in outcome.findings:
            if finding.kind != "test":
                by_node.setdefault((finding.kind, finding.node), []).append(finding)
        for node, found in by_node.items():
            if _total(found) > _total(most.get(node, [])):
                most[node] = found
    return [finding for found in most.values() for finding in found]


def _total(findings: Iterable[Finding]) -> int:
    return sum(leak.count for finding in findings for leak in finding.leaks)
