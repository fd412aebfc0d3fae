"""
The figures in Prometheus' text format, version 0.0.4.

Names follow OpenTelemetry's rules for Prometheus: dots become underscores, seconds and `_total` are added.

Source: prometheus.io, "Exposition formats"; opentelemetry.io, "Prometheus and OpenMetrics compatibility".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from lastcall.ledger.book import Book

from .metrics import METRICS, Metric
from .traffic import CONNECTIONS, REQUESTS, Attributes, Histograms

__all__ = ["CONTENT_TYPE", "prometheus_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def prometheus_text(book: Book | None) -> str:
    """Return all figures of *book* and of the traffic; without a book those of the traffic alone."""
    lines: list[str] = []
    for metric in METRICS if book is not None else ():
        assert book is not None
        lines += _metric(metric, book)
    for histograms in (REQUESTS, CONNECTIONS):
        lines += _histograms(histograms)
    return "".join(f"{line}\n" for line in lines)


def _metric(metric: Metric, book: Book) -> Iterator[str]:
    name = metric.name.replace(".", "_") + ("_total" if metric.kind == "counter" else "")
    yield from _head(name, metric.kind, metric.description)
    for attributes, value in metric.read(book):
        yield f"{name}{_labels(attributes)} {value}"


def _histograms(histograms: Histograms) -> Iterator[str]:
    name = histograms.name.replace(".", "_") + "_seconds"
    yield from _head(name, "histogram", histograms.description)
    for one in list(histograms.series.values()):
        # One copy for all lines: what is counted meanwhile is left for the next time.
        sums = list(accumulate(list(one.counts)))
        for bound, total in zip((*histograms.bounds, "+Inf"), sums, strict=True):
            yield f"{name}_bucket{_labels({**one.attributes, 'le': str(bound)})} {total}"
        yield f"{name}_sum{_labels(one.attributes)} {one.seconds!r}"
        yield f"{name}_count{_labels(one.attributes)} {sums[-1]}"


def _head(name: str, kind: str, description: str) -> Iterator[str]:
    yield f"# HELP {name} {description}."
    yield f"# TYPE {name} {kind}"


def _labels(attributes: Attributes) -> str:
    shown = (
        f'{name.replace(".", "_")}="{str(value).translate(_ESCAPES)}"' for name, value in attributes.items()
    )
    return "{" + ",".join(shown) + "}"
