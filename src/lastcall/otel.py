"""
OpenTelemetry: what the ledger knows as metrics, under the names of the semantic conventions.

    from lastcall import otel

    otel.instrument()

gives `http.client.open_connections`, `http.client.request.duration` and `http.client.connection.duration`; by
server, `lastcall.requests.waiting`, for a free connection; and by line of code `lastcall.sessions.opened`,
`.open`, `.leaked` and `.churned`. All but the durations are read when they are collected, and cost a request
nothing. Sessions opened before the call are not seen.

Source: OpenTelemetry semantic conventions, "HTTP metrics" and "Code attributes".
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from lastcall._version import __version__
from lastcall.errors import SetupError
from lastcall.ledger import Watch, watch
from lastcall.ledger.live import (
    CONNECTIONS,
    METRICS,
    REQUESTS,
    Attributes,
    Histograms,
    Metric,
    time_traffic,
    untime_traffic,
)
from lastcall.ledger.watch import current

try:
    from opentelemetry import metrics
    from opentelemetry.context import Context, get_current
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
except ImportError as error:
    raise ImportError(
        "lastcall.otel needs OpenTelemetry: pip install 'lastcall[otel]'", name=error.name
    ) from error

__all__ = ["instrument", "uninstrument"]

_watch: Watch | None = None
_provider: MeterProvider | None = None
# OpenTelemetry takes no instrument back, and complains of two of one name.
_durations: weakref.WeakKeyDictionary[MeterProvider, tuple[_Batch, _Batch]] = weakref.WeakKeyDictionary()

_BATCH = 64


def instrument(meter_provider: MeterProvider | None = None, *, durations: bool = True) -> None:
    """
    Give the metrics of this process's sessions to OpenTelemetry, and begin `lastcall.watch()` if it is off.

    A second call with the same provider does nothing.

    Args:
        meter_provider: Where to; None takes the global one, which may also be set later.

        durations: Whether to time requests and connections. Each costs what the SDK takes to count it,
            about ten microseconds; without, a request costs nothing.

    Raises:
        SetupError: If they go to another provider already.
    """
    global _watch, _provider  # noqa: PLW0603 - there is one aiohttp in a process
    if _provider is not None and meter_provider in (None, _provider):
        return
    if _provider is not None:
        raise SetupError("these metrics go to another meter provider already: call otel.uninstrument() first")
    provider = meter_provider or metrics.get_meter_provider()
    _watch = watch()
    _provider = provider
    requests, connections = _instruments(provider)
    if durations:
        time_traffic()
        REQUESTS.pass_on, CONNECTIONS.pass_on = requests.add, connections.add


def uninstrument() -> None:
    """Give no more metrics; ends the watch if `instrument` began it. Does nothing when none are given."""
    global _watch, _provider  # noqa: PLW0603
    if _watch is None:
        return
    if REQUESTS.pass_on is not None:
        REQUESTS.pass_on = CONNECTIONS.pass_on = None
        untime_traffic()
    _watch.unwatch()
    _watch = _provider = None


class _Batch:
    """
    Durations on their way to a histogram.

    The SDK needs thrice as long for each when they come one by one, with a request between them, as for many
    in a row. Whoever collects gets all: the callbacks of observable instruments come first, and flush.
    """

    def __init__(self, histogram: metrics.Histogram) -> None:
        self._record = histogram.record
        self._waiting: deque[tuple[float, Attributes, Context]] = deque()

    def add(self, seconds: float, attributes: Attributes) -> None:
        """Take a duration, with the context of the call: it leads from exemplars to traces."""
        self._waiting.append((seconds, attributes, get_current()))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Pass on all that wait."""
        with suppress(IndexError):
            while True:
                self._record(*self._waiting.popleft())


def _instruments(provider: MeterProvider) -> tuple[_Batch, _Batch]:
    if provider not in _durations:
        meter = provider.get_meter("lastcall", __version__)
        batches = _Batch(_histogram(meter, REQUESTS)), _Batch(_histogram(meter, CONNECTIONS))
        for metric in METRICS:
            _observe(meter, metric, weakref.ref(provider))
        _durations[provider] = batches
    return _durations[provider]


def _observe(meter: Meter, metric: Metric, provider: Callable[[], MeterProvider | None]) -> None:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        owner, (book, _level) = provider(), current()
        if owner is not None:
            for batch in _durations.get(owner, ()):
                batch.flush()
        if book is None or owner is None or owner is not _provider:
            return
        for attributes, value in metric.read(book):
            yield Observation(value, attributes)

    create = (
        meter.create_observable_counter
        if metric.kind == "counter"
        else meter.create_observable_up_down_counter
    )
    create(metric.name, [read], metric.unit, metric.description)


def _histogram(meter: Meter, histograms: Histograms) -> metrics.Histogram:
    return meter.create_histogram(
        histograms.name,
        "s",
        histograms.description,
        explicit_bucket_boundaries_advisory=histograms.bounds,
    )
