"""The metrics as OpenTelemetry's SDK reads them back."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import aiohttp
import pytest
from yarl import URL

from lastcall import SetupError, ledger
from lastcall.testing import LoopbackServer

if not find_spec("opentelemetry"):
    pytest.skip("OpenTelemetry is not installed", allow_module_level=True)

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from lastcall import otel

Points = list[Any]


@pytest.fixture(autouse=True)
def unwatched() -> Iterator[None]:
    """Begin without watch and metrics, and end so."""
    ledger.unwatch()
    yield
    otel.uninstrument()
    ledger.unwatch()


@pytest.fixture
def url() -> Iterator[URL]:
    """Start an upstream of this test's own, so that its port tells its series apart."""
    with LoopbackServer() as running:
        yield URL(running.url)


class Read:
    """A provider, and what is read back from it."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def metrics(self) -> dict[str, Any]:
        """Collect, and return every metric by its name."""
        data = self._reader.get_metrics_data()
        scopes = data.resource_metrics[0].scope_metrics if data is not None and data.resource_metrics else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str, **attributes: object) -> Points:
        """Collect, and return the points of a metric that have *attributes*, written with underscores."""
        wanted = {key.replace("_", "."): value for key, value in attributes.items()}
        metric = self.metrics().get(name)
        found = metric.data.data_points if metric is not None else []
        return [point for point in found if wanted.items() <= dict(point.attributes).items()]


@pytest.fixture
def read() -> Iterator[Read]:
    """Make a provider with a reader in memory."""
    one = Read()
    yield one
    one.provider.shutdown()


async def get(session: aiohttp.ClientSession, url: object) -> None:
    """Make a request and read its answer."""
    async with session.get(str(url)) as response:
        await response.read()


async def test_requests_are_timed_with_the_attributes_of_the_conventions(read: Read, url: URL) -> None:
    """Every request is in the histogram when it is collected, with the buckets that are advised."""
    otel.instrument(read.provider)
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            await get(session, url)
        await get(session, url / "status" / "503")
    good, bad = sorted(
        read.points("http.client.request.duration", server_port=url.port),
        key=lambda point: -point.count,
    )
    common = {"http.request.method": "GET", "server.address": "127.0.0.1", "server.port": url.port}
    assert dict(good.attributes) == {**common, "http.response.status_code": 200}
    assert dict(bad.attributes) == {**common, "http.response.status_code": 503, "error.type": "503"}
    assert (good.count, bad.count) == (3, 1)
    assert good.explicit_bounds[:3] == (0.005, 0.01, 0.025)
    assert read.metrics()["http.client.request.duration"].unit == "s"


async def test_connections_are_told_by_state_while_they_are_open(read: Read, url: URL) -> None:
    """A connection in use is active, one in the pool idle, and one that ended is in the histogram."""
    otel.instrument(read.provider)
    port = url.port

    def states() -> dict[str, int]:
        points = read.points("http.client.open_connections", server_port=port)
        return {point.attributes["http.connection.state"]: point.value for point in points}

    async with aiohttp.ClientSession() as session:
        async with session.get(url / "bytes" / "3000000"):
            assert states() == {"active": 1, "idle": 0}
        await get(session, url)
        assert states() == {"active": 0, "idle": 1}
    async with asyncio.timeout(10):
        while not read.points("http.client.connection.duration", server_port=port):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_sessions_are_told_by_the_line_that_opened_them(read: Read) -> None:
    """Opened and open have the file, line and function as the conventions name them."""
    otel.instrument(read.provider)
    async with aiohttp.ClientSession():
        (opened,) = read.points("lastcall.sessions.opened")
        (alive,) = read.points("lastcall.sessions.open")
    attributes = dict(opened.attributes)
    assert attributes.pop("code.line.number") > 0
    assert attributes == {
        "code.file.path": "tests/test_otel.py",
        "code.function.name": "test_sessions_are_told_by_the_line_that_opened_them",
    }
    assert (opened.value, alive.value) == (1, 1)
    assert read.metrics()["lastcall.sessions.opened"].data.is_monotonic
    assert not read.metrics()["lastcall.sessions.open"].data.is_monotonic


async def test_without_durations_no_request_is_touched(read: Read, url: URL) -> None:
    """The observable metrics alone put nothing in a request's way."""
    before = aiohttp.ClientSession._request
    otel.instrument(read.provider, durations=False)
    assert aiohttp.ClientSession._request is before
    async with aiohttp.ClientSession() as session:
        await get(session, url)
        assert read.points("http.client.open_connections", server_port=url.port)
    assert not read.points("http.client.request.duration")


async def test_instrumenting_again_changes_nothing(
    read: Read, url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """A second call, and a new beginning after an end, count each request once and warn of nothing."""
    otel.instrument(read.provider)
    otel.instrument(read.provider)
    otel.uninstrument()
    otel.instrument(read.provider)
    async with aiohttp.ClientSession() as session:
        await get(session, url)
        (point,) = read.points("http.client.request.duration", server_port=url.port)
        assert len(read.points("lastcall.sessions.open")) == 1
    assert point.count == 1
    assert not caplog.records


def test_a_second_provider_is_refused(read: Read) -> None:
    """Two providers at once are a mistake, said in one sentence."""
    otel.instrument(read.provider)
    with pytest.raises(SetupError, match="another meter provider"):
        otel.instrument(MeterProvider())


async def test_after_the_end_nothing_more_is_told(read: Read, url: URL) -> None:
    """`uninstrument` ends the watch it began, and gives no more figures."""
    otel.instrument(read.provider)
    otel.uninstrument()
    otel.uninstrument()
    async with aiohttp.ClientSession() as session:
        await get(session, url)
    assert not read.points("http.client.request.duration", server_port=url.port)
    assert not read.points("lastcall.sessions.opened")


def test_a_watch_that_was_on_before_goes_on(read: Read) -> None:
    """`uninstrument` does not end a watch that somebody else began."""
    with ledger.watch():
        otel.instrument(read.provider)
        otel.uninstrument()
        assert ledger.watch()._began is False


GLOBAL = """
import asyncio, aiohttp
from lastcall import otel
from lastcall.testing import LoopbackServer
otel.instrument()
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
otel.instrument()

async def main(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        await response.read()

with LoopbackServer() as server:
    asyncio.run(main(server.url))
data = reader.get_metrics_data()
print(sorted(metric.name for metric in data.resource_metrics[0].scope_metrics[0].metrics))
"""


def test_the_global_provider_may_be_set_later() -> None:
    """Without an argument the metrics go to the global provider, also when it is set afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", GLOBAL], capture_output=True, text=True, timeout=30, check=False
    )
    assert "'http.client.request.duration'" in done.stdout, done.stderr
    assert "'lastcall.sessions.opened'" in done.stdout
    assert not done.stderr


def test_without_opentelemetry_the_extra_is_named() -> None:
    """Importing the module where the API is missing says what to install."""
    program = "import sys; sys.modules['opentelemetry'] = None; import lastcall.otel"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (
        done.stderr.splitlines()[-1]
        == "ImportError: lastcall.otel needs OpenTelemetry: pip install 'lastcall[otel]'"
    )
