"""How long requests and connections last, how many series there are, and how they are written."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lastcall import ledger
from lastcall.ledger.live import prometheus_text, traffic
from lastcall.ledger.live.metrics import HOSTS_KEPT, METRICS, SITES_KEPT
from lastcall.ledger.live.traffic import CONNECTIONS, KEPT, OTHER, Histogram, Histograms
from lastcall.ledger.watch import current

from .conftest import WAIT_S

pytestmark = pytest.mark.usefixtures("watched")

BOUNDS = (0.1, 1.0)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[Histograms]:
    """Measure into histograms that nobody else counts in."""
    own = Histograms("http.client.request.duration", "For a test", BOUNDS)
    monkeypatch.setattr(traffic, "REQUESTS", own)
    traffic.begin()
    yield own
    traffic.end()


def points(name: str) -> list[tuple[dict[str, Any], int]]:
    """Return the series of the metric called *name*."""
    book, _ = current()
    assert book is not None
    (metric,) = (metric for metric in METRICS if metric.name == name)
    return [(dict(attributes), value) for attributes, value in metric.read(book)]


def test_a_duration_is_counted_up_to_its_bound() -> None:
    """A bucket holds its upper bound, and the last what is above all bounds."""
    histograms = Histograms("x", "X", BOUNDS)
    for seconds in (0.05, 0.1, 0.2, 1.0, 1.1):
        histograms.add(("GET", "h", 80, 200), seconds)
    (histogram,) = histograms.series.values()
    assert histogram.counts == [2, 2, 1]
    assert histogram.seconds == pytest.approx(2.45)


def test_methods_are_made_uniform() -> None:
    """A method in lower case is the same series, and unknown ones share one."""
    histograms = Histograms("x", "X", BOUNDS)
    for method in ("GET", "get", "BREW", "PROPFIND"):
        histograms.add((method, "h", 80, 200), 0.0)
    methods = [one.attributes["http.request.method"] for one in histograms.series.values()]
    assert methods == ["GET", OTHER]


def test_hosts_without_end_make_no_series_without_end() -> None:
    """Beyond a number of series further hosts are added up, and nothing is lost."""
    histograms = Histograms("x", "X", BOUNDS)
    for number in range(3 * KEPT):
        histograms.add(("GET", f"h{number}", 80, 200), 0.0)
    assert len(histograms.series) == KEPT + 1
    assert sum(sum(one.counts) for one in histograms.series.values()) == 3 * KEPT
    assert len(histograms._found) <= 2 * KEPT


def test_no_two_series_have_the_same_attributes() -> None:
    """A request without a host and one of a host too many are one series, which Prometheus demands."""
    histograms = Histograms("x", "X", BOUNDS)
    histograms.add(("GET", None, None, "ValueError"), 0.0)
    for number in range(KEPT):
        for outcome in (200, f"Error{number}", "ValueError"):
            histograms.add(("GET", f"h{number}", 80, outcome), 0.0)
    histograms.add(("GET", None, None, "ValueError"), 0.0)
    written = [tuple(sorted(one.attributes.items())) for one in histograms.series.values()]
    assert len(written) == len(set(written)) == KEPT + 2


async def test_a_request_is_counted_by_what_became_of_it(url: str, requests: Histograms) -> None:
    """Status, and the kind of error, are attributes as the semantic conventions have them."""
    async with aiohttp.ClientSession(base_url=f"{url}/") as session:
        async with session.post("x"):
            pass
        with pytest.raises(TimeoutError):
            await session.get("never", timeout=aiohttp.ClientTimeout(0.01))
        with pytest.raises(aiohttp.InvalidURL):
            await session.get("http://user:s3cret@[")
    port = int(url.rpartition(":")[2])
    assert [one.attributes for one in requests.series.values()] == [
        {
            "server.address": "127.0.0.1",
            "server.port": port,
            "http.request.method": "POST",
            "http.response.status_code": 405,
            "error.type": "405",
        },
        {
            "server.address": "127.0.0.1",
            "server.port": port,
            "http.request.method": "GET",
            "error.type": requests_error(requests, 1),
        },
        {
            "server.address": OTHER,
            "http.request.method": "GET",
            "error.type": requests_error(requests, 2),
        },
    ]
    assert requests_error(requests, 1) in {"asyncio.exceptions.TimeoutError", "TimeoutError"}
    assert requests_error(requests, 2).startswith("aiohttp.client_exceptions.Invalid")


def requests_error(requests: Histograms, number: int) -> str:
    """Return the error of a series, by number: aiohttp's versions name some differently."""
    found: list[Histogram] = list(requests.series.values())
    return str(found[number].attributes["error.type"])


async def test_the_line_of_a_request_is_found_below_the_timing(url: str, requests: Histograms) -> None:
    """The ledger still names the line that made a request, also from within `create_task`."""
    ledger.watch("responses")
    async with aiohttp.ClientSession() as session:
        call = asyncio.create_task(session._request("GET", f"{url}/never"))
        async with asyncio.timeout(WAIT_S):
            while not (responses := ledger.report().responses):  # noqa: ASYNC110
                await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert responses[0].site.function == "test_the_line_of_a_request_is_found_below_the_timing"
    assert "create_task" in responses[0].site.source
    # In the order of a stack: a hook below another cannot be taken away.
    ledger.unwatch()


async def test_a_connection_is_counted_when_it_ends(url: str, requests: Histograms) -> None:
    """Each connection counts once, with its server."""

    def ended() -> int:
        port = int(url.rpartition(":")[2])
        return sum(sum(one.counts) for key, one in CONNECTIONS.series.items() if key[2] == port)

    before = ended()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        await response.read()
    async with asyncio.timeout(WAIT_S):
        while ended() == before:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert ended() == before + 1


async def test_nothing_is_left_in_aiohttp_when_nobody_measures(requests: Histograms) -> None:
    """After the last `end` aiohttp's own functions are back."""
    hooked = aiohttp.ClientSession._request
    traffic.begin()
    traffic.end()
    assert aiohttp.ClientSession._request is hooked
    traffic.end()
    assert aiohttp.ClientSession._request is not hooked
    traffic.begin()


async def test_lines_without_end_make_no_series_without_end() -> None:
    """The first lines have series of their own, further ones share one."""
    names: dict[str, Any] = {"aiohttp": aiohttp, "opened": []}
    for number in range(SITES_KEPT + 5):
        exec(compile("opened.append(aiohttp.ClientSession())", f"many{number}.py", "exec"), names)
    found = points("lastcall.sessions.opened")
    assert len(found) == SITES_KEPT + 1
    assert found[-1] == (
        {"code.file.path": OTHER, "code.line.number": 0, "code.function.name": OTHER},
        5,
    )
    for session in names["opened"]:
        await session.close()
    assert sum(value for _, value in points("lastcall.sessions.open")) == 0


async def test_servers_without_end_make_no_series_without_end(url: str) -> None:
    """The busiest servers have series of their own, further ones share one, and nothing is lost."""
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            await response.read()
        connector: Any = session.connector
        ((key, idle),) = connector._conns.items()
        others = {key._replace(host=f"h{number}"): idle for number in range(HOSTS_KEPT + 9)}
        connector._conns.update(others)
        found = points("http.client.open_connections")
        for other in others:
            del connector._conns[other]
    assert len(found) == 2 * (HOSTS_KEPT + 1)
    assert found[-1] == ({"server.address": OTHER, "http.connection.state": "idle"}, 10)


async def test_leaks_and_churn_are_told_by_line(url: str) -> None:
    """What leaked and what was opened for each call have the line, and no other line has them."""

    async def call() -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            await response.read()

    for _ in range(12):
        await call()
    churned = {point["code.function.name"]: value for point, value in points("lastcall.sessions.churned")}
    assert churned == {"test_leaks_and_churn_are_told_by_line.call": 12}
    assert [value for _, value in points("lastcall.sessions.leaked")] == [0]


def test_text_that_prometheus_must_not_misread_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes, backslashes and line ends in a value come back as they were."""
    own = Histograms("x", "X", BOUNDS)
    host = 'a"b\\c\nd'
    own.add(("GET", host, 80, 200), 0.5)
    monkeypatch.setattr("lastcall.ledger.live.prometheus.REQUESTS", own)
    families = {family.name: family for family in text_string_to_metric_families(prometheus_text(None))}
    samples = {
        (sample.name, sample.labels.get("le")): sample.value
        for sample in families["x_seconds"].samples
        if sample.labels["server_address"] == host
    }
    assert samples == {
        ("x_seconds_bucket", "0.1"): 0,
        ("x_seconds_bucket", "1.0"): 1,
        ("x_seconds_bucket", "+Inf"): 1,
        ("x_seconds_sum", None): 0.5,
        ("x_seconds_count", None): 1,
    }
