"""What is counted, and how a run stands at any moment."""

import asyncio
import time

import pytest

from lastcall.llm.errors import (
    AnswerError,
    ConnectionFailedError,
    LLMError,
    RateLimitedError,
    RequestError,
    StatusError,
    TimedOutError,
    TruncatedError,
)
from lastcall.llm.statistics import KINDS_MAX, OTHER, Statistics, kind_of

from .feeding import Clock, outcome

WAIT_S = 10.0


def status_error(status: int, code: str | None) -> StatusError:
    """Return the error of a status, with the code of the server."""
    error = StatusError("no", status=status)
    error.code = code
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StatusError("no", status=500), "500"),
        (status_error(429, "insufficient_quota"), "429 insufficient_quota"),
        (RateLimitedError("no", status=429), "429"),
        (ConnectionFailedError("no"), "connection"),
        (TimedOutError("no"), "timeout (total)"),
        (TruncatedError("no"), "truncated"),
        (AnswerError("no"), "unreadable answer"),
        (RequestError("no"), "not sent"),
        (LLMError("no"), OTHER),
    ],
)
def test_errors_are_counted_by_kind(error: LLMError, kind: str) -> None:
    """Each error of the tree has a kind, in words that tell what to do."""
    stats = Statistics()
    stats.started()
    stats.failed(error)
    assert kind_of(error) == kind
    assert stats.snapshot().errors == {kind: 1}


def test_a_request_is_under_way_until_it_has_ended_in_one_of_three_ways() -> None:
    """Answered, given up or cut off: each ends it, and each is counted apart."""
    stats = Statistics()
    for _ in range(3):
        stats.started()
    assert stats.in_flight == 3
    stats.finished(outcome(1.0))
    stats.failed("gone")
    stats.cancelled()
    assert (stats.in_flight, stats.in_flight_max) == (0, 3)
    assert (stats.answers, stats.failures, stats.cut_off) == (1, 1, 1)


def test_a_refused_line_was_never_under_way() -> None:
    """A line that is not JSON is a failure, and changes nothing of what is under way."""
    stats = Statistics()
    stats.refused("line is not JSON")
    assert (stats.in_flight, stats.failures) == (0, 1)


def test_a_server_cannot_make_up_kinds_without_end() -> None:
    """Codes of errors come from the server: the thousandth new one counts as another."""
    stats = Statistics()
    for number in range(1000):
        stats.refused(status_error(400, f"made-up-{number}"))
    assert len(stats.errors) == KINDS_MAX + 1
    assert stats.errors[OTHER] == 1000 - KINDS_MAX


def test_a_code_is_cut_and_made_printable() -> None:
    """A code of a kilobyte, or one that moves the cursor, is not shown as it came."""
    stats = Statistics()
    for _ in range(2):
        stats.refused("\x1b[2J\ud800" + "x" * 1000)
    ((kind, count),) = stats.errors.items()
    assert kind.startswith("?[2J?x")
    assert (len(kind), count) == (60, 2)


def test_rates_and_percentiles_are_those_of_the_last_half_minute() -> None:
    """A run that has become slower shows how slow it is now, and its estimate follows."""
    clock = Clock()
    stats = Statistics(total=10_000, clock=clock)
    for seconds, per_second in ((0.1, 100), (2.0, 5)):
        for _ in range(60):
            for _ in range(per_second):
                stats.started()
                stats.finished(outcome(seconds), prompt_tokens=2, completion_tokens=8)
            clock.now += 1
            now = stats.snapshot()
    assert now.rate == pytest.approx(5, rel=0.1)
    assert now.tokens_rate == pytest.approx(40, rel=0.1)
    assert now.prompt_tokens_rate == pytest.approx(10, rel=0.1)
    assert now.p50 == pytest.approx(2.0, rel=0.04)
    assert now.p99 == pytest.approx(2.0, rel=0.04)
    assert now.eta == pytest.approx((10_000 - 6300) / 5, rel=0.1)


def test_what_an_earlier_run_did_shortens_the_estimate_but_is_no_rate() -> None:
    """Of a hundred requests ninety are done: ten are to come, at the rate of this run."""
    clock = Clock()
    stats = Statistics(total=100, clock=clock)
    stats.resumed(89)
    stats.started()
    stats.finished(outcome(0.1))
    clock.now += 1
    now = stats.snapshot()
    assert (now.resumed, now.done, now.rate, now.eta) == (89, 1, 1.0, 10.0)


@pytest.mark.parametrize("total", [None, 5])
def test_nobody_knows_when_it_ends_without_a_total_or_a_rate(total: int | None) -> None:
    """An estimate is left out rather than made up."""
    stats = Statistics(total=total)
    assert stats.snapshot().eta is None


def test_waiting_is_apart_from_latency() -> None:
    """A request that waited a minute for its turn and took a second has a latency of a second."""
    stats = Statistics()
    stats.started()
    stats.finished(outcome(1.0, waited=60.0))
    assert stats.snapshot().p99 == pytest.approx(1.0, rel=0.04)
    assert sum(stats.waited.counts().values()) == 1


def test_a_million_requests_leave_nothing_behind() -> None:
    """What is kept does not grow with the number of requests, even if nobody looks."""
    stats = Statistics()
    answer = outcome(0.5, chunks=20)
    for _ in range(20_000):
        stats.started()
        stats.finished(answer)
    assert stats.answers == 20_000
    assert len(stats.latency.pending) < 10_000
    assert len(stats.gaps.pending) < 10_000
    assert len(stats.series.intervals) < 10


async def test_a_loop_that_was_held_up_is_told() -> None:
    """A call that blocks the loop shows as lag: the latencies of that time are the client's own."""
    with Statistics() as stats:
        time.sleep(0.3)  # noqa: ASYNC251 (which is the fault to be seen)
        async with asyncio.timeout(WAIT_S):
            while not stats.lag.counts():  # noqa: ASYNC110 (there is no event for a look)
                await asyncio.sleep(0.01)
        assert stats.snapshot().lag > 0.1


async def test_time_stands_still_after_the_end() -> None:
    """When the run is over its length and its last state stay as they are."""
    clock = Clock()
    with Statistics(clock=clock) as stats:
        clock.now += 5
    clock.now += 100
    assert stats.seconds == 5
    assert stats.snapshot().seconds == 5
