"""What metrics cost a kept-alive request: without durations, with our histograms, with OpenTelemetry's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from time import thread_time

import aiohttp
from _measure import measure, table
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from lastcall import ledger, otel
from lastcall.ledger.live import REQUESTS, time_traffic, untime_traffic
from lastcall.testing import LoopbackServer

REQUESTS_MADE = 400
RECORDS = 20_000


async def request(url: str) -> float:
    """Return the CPU seconds of one request; the server is in another thread, and not counted."""
    async with aiohttp.ClientSession() as session:
        await _get(session, url)
        began = thread_time()
        for _ in range(REQUESTS_MADE):
            await _get(session, url)
        return (thread_time() - began) / REQUESTS_MADE


async def _get(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as response:
        await response.read()


@contextmanager
def timed() -> Iterator[None]:
    """Time requests, as `sessions_page()` does for Prometheus."""
    with ledger.watch():
        time_traffic()
        try:
            yield
        finally:
            untime_traffic()


@contextmanager
def exported(*, durations: bool) -> Iterator[None]:
    """Give the metrics to OpenTelemetry's SDK."""
    with ledger.watch():
        otel.instrument(PROVIDER, durations=durations)
        try:
            yield
        finally:
            otel.uninstrument()


PROVIDER = MeterProvider([InMemoryMetricReader()])
PEERS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "ledger alone": ledger.watch,
    "ledger alone, again (noise)": ledger.watch,
    "without the ledger": nullcontext,
    "OpenTelemetry without durations": partial(exported, durations=False),
    "our histograms (Prometheus)": timed,
    "OpenTelemetry with durations": partial(exported, durations=True),
}


def requests(url: str) -> dict[str, Callable[[], float]]:
    """Return the requests under each peer, by name."""

    def under(make: Callable[[], AbstractContextManager[object]]) -> Callable[[], float]:
        def run() -> float:
            gc.collect()
            with make():
                return asyncio.run(request(url))

        return run

    return {name: under(make) for name, make in PEERS.items()}


def records() -> dict[str, Callable[[], float]]:
    """Return what it takes to count one duration, by who counts."""
    histogram = PROVIDER.get_meter("benchmark").create_histogram("seconds", "s")
    attributes: dict[str, str | int] = {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": 80,
    }
    key = ("GET", "127.0.0.1", 80, 200)

    def timed_calls(count: Callable[[], object]) -> Callable[[], float]:
        def run() -> float:
            began = thread_time()
            for _ in range(RECORDS):
                count()
            return (thread_time() - began) / RECORDS

        return run

    return {
        "our histogram": timed_calls(lambda: REQUESTS.add(key, 0.01)),
        "the SDK's histogram": timed_calls(lambda: histogram.record(0.01, attributes)),
    }


def main() -> None:
    """Print both tables."""
    with LoopbackServer() as server:
        results = measure(requests(str(server.url)), rounds=15)
    print(table("request, kept alive (CPU)", results))
    print()
    print(table("one duration counted (CPU)", measure(records(), rounds=5)))


if __name__ == "__main__":
    main()
