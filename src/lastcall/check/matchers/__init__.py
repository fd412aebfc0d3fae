"""One module a family of rules: each looks at the whole analysis and yields what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.draft import Draft

from . import churn, closing, hiding, opening, responses, sharing

__all__ = ["MATCHERS", "match"]

MATCHERS: tuple[Callable[[Analysis], Iterator[Draft]], ...] = (
    closing.match,
    opening.match,
    sharing.match,
    responses.match,
    churn.match,
    hiding.match,
)


def match(analysis: Analysis) -> Iterator[Draft]:
    """Yield everything any rule finds; the same place may be found twice."""
    for matcher in MATCHERS:
        yield from matcher(analysis)
