"""Limits: so many at once, so many a minute, what servers announce, and the cool-down after a 429."""

import asyncio
import gc
import json
import time
from collections.abc import Mapping

import pytest

from lastcall.llm import (
    ChatHandle,
    RateLimitedError,
    TimedOutError,
    Timeouts,
    TruncatedError,
    create_openai_api_handle_async,
)
from lastcall.llm.adaptive import AdaptiveLimit
from lastcall.llm.announced import announced_interval, announces, duration
from lastcall.llm.gate import Gate
from lastcall.llm.lane import Lane, Turn
from lastcall.llm.settings import Settings, addresses
from lastcall.testing import Answer, OpenAIServer, Step

from .conftest import HELLO, KEY, MakeHandle


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lane_of(handle: ChatHandle) -> Lane:
    """Return the lane of a handle's only server on the running loop."""
    assert handle._place is not None
    return handle._place.lanes[0]


async def test_without_limits_the_lane_is_free_after_one_answer(handle: ChatHandle) -> None:
    """What the first answer announces is looked at; after that requests look at one attribute."""
    await handle(HELLO)
    assert lane_of(handle).free


async def test_concurrency_is_kept_by_all_handles_together(server: OpenAIServer, make: MakeHandle) -> None:
    """Of twenty handles of one server and key never more than three are at work."""
    server.script.default = Answer(delay=0.02)
    handles = [make(concurrency=3) for _ in range(20)]
    await asyncio.gather(*(handle(HELLO) for handle in handles))
    assert server.connections_peak == 3
    assert lane_of(handles[0]).in_flight == 0


async def test_a_stream_keeps_its_place_until_it_is_over(server: OpenAIServer, make: MakeHandle) -> None:
    """A second one begins only when the first has ended, was left, or failed."""
    handle = make(concurrency=1)
    server.script.add(Answer(text="a b c"), Answer(cut="body"), Answer(text="word " * 30, event_delay=0.05))
    assert [chunk async for chunk in handle.stream(HELLO)]
    with pytest.raises(TruncatedError):
        [chunk async for chunk in handle.stream(HELLO)]
    held = handle.stream(HELLO)
    await anext(held)
    waiting = asyncio.create_task(handle(HELLO))
    await asyncio.sleep(0)
    assert not waiting.done()
    await held.aclose()
    await asyncio.wait_for(waiting, 5)


async def test_another_key_has_limits_of_its_own(server: OpenAIServer, make: MakeHandle) -> None:
    """Servers count by key; a handle with another one is not held back."""
    slow, free = make(rpm=1), create_openai_api_handle_async(server.base_url, "sk-another-key", "tiny")
    await slow(HELLO)
    waiting = asyncio.create_task(slow(HELLO))
    await free(HELLO)
    assert not waiting.done()
    waiting.cancel()


async def test_requests_a_minute_are_spread(make: MakeHandle) -> None:
    """At twenty a second, 25 requests take the time of five: a second's worth is let through."""
    handle = make(rpm=1200)
    asked = (handle.request("/v1/chat/completions", {"messages": HELLO}) for _ in range(25))
    waited = sorted([outcome.waited for outcome in await asyncio.gather(*asked)])
    assert waited[-1] > 0.15
    assert waited[10] < waited[-1] / 2


async def test_tokens_a_minute_are_corrected_by_what_an_answer_took(
    server: OpenAIServer, make: MakeHandle
) -> None:
    """Estimated high before the first answer, the next ones are let through by what the usage said."""
    handle = make(tpm=60_000)
    await handle(HELLO)
    lane = lane_of(handle)
    before = lane._expected(100)
    for _ in range(30):
        await handle(HELLO)
    assert lane._expected(100) < before
    assert not lane.free


async def test_tokens_hold_back_what_is_too_much(make: MakeHandle) -> None:
    """What one answer took is waited for by the next, however long that is; a deadline ends the wait."""
    handle = make(tpm=60)
    await handle(HELLO)
    with pytest.raises(TimedOutError) as caught:
        await handle(HELLO, timeout=Timeouts(total=0.2))
    assert (caught.value.limit, caught.value.attempt) == ("total", 0)
    assert lane_of(handle).in_flight == 0


async def test_the_lowest_limit_holds_for_all(make: MakeHandle) -> None:
    """Of two handles with different limits, and one without, the strictest counts, while it is in use."""
    handles = [make(concurrency=9), make(concurrency=4), make()]
    for handle in handles:
        await handle(HELLO)
    assert {handle.limit for handle in handles} == {4}
    await handles[1].close_session()
    assert lane_of(handles[2]).limit == 9
    await handles[0].close_session()
    assert handles[2].limit is None
    assert lane_of(handles[2]).free


async def test_a_limit_goes_with_the_handle_that_is_forgotten(make: MakeHandle) -> None:
    """The next handle finds none of it; those who waited at the gate are let in."""
    await make(concurrency=1, rpm=1, tpm=1, adaptive=True)(HELLO)
    gc.collect()
    handle = make()
    await asyncio.wait_for(asyncio.gather(handle(HELLO), handle(HELLO), handle(HELLO)), 5)
    assert lane_of(handle).free


async def test_a_429_holds_all_handles_of_the_key(server: OpenAIServer, make: MakeHandle) -> None:
    """While one is sent away, the others wait with it, and are not sent away one by one."""
    first, others = make(), [make() for _ in range(20)]
    await first(HELLO)
    server.script.add(Answer.rate_limit(0.4, "ms"))
    limited = asyncio.create_task(first.request("/v1/chat/completions", {"messages": HELLO}))
    await asyncio.to_thread(server.wait_until, lambda: lane_of(first).held_until > 0, 5)
    asked_at = server.requests[1].at
    await asyncio.gather(*(handle(HELLO) for handle in others))
    assert (await limited).retries == ("429",)
    assert all(request.at - asked_at >= 0.35 for request in server.requests[2:])
    assert lane_of(first).free


async def test_a_cool_down_that_is_too_long_is_an_error_at_once(
    server: OpenAIServer, make: MakeHandle
) -> None:
    """A daily limit is told to everybody, not waited for in silence; nothing is sent meanwhile."""
    server.script.add(Answer.rate_limit(3600))
    handle, other = make(), make(wait_max=5)
    for asking in (handle, other):
        with pytest.raises(RateLimitedError) as caught:
            await asking(HELLO)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 3500
    assert server.requests_count == 1


async def test_no_credit_holds_nobody_back(server: OpenAIServer, make: MakeHandle) -> None:
    """`insufficient_quota` is an error for each who asks: there is nothing to wait for."""
    server.script.add(Answer(status=429, code="insufficient_quota"))
    handle = make()
    with pytest.raises(RateLimitedError):
        await handle(HELLO)
    await handle(HELLO)


async def test_limits_in_headers_are_read(server: OpenAIServer, make: MakeHandle) -> None:
    """When an answer says that next to nothing is left, the next requests keep a distance."""
    headers = {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
    }
    server.script.default = Answer(headers=headers)
    handle = make()
    await handle(HELLO)
    asked = (handle.request("/v1/chat/completions", {"messages": HELLO}) for _ in range(4))
    outcomes = await asyncio.gather(*asked)
    assert max(outcome.waited for outcome in outcomes) > 0.15  # three distances of a tenth of a second
    server.script.default = Answer(headers=headers | {"x-ratelimit-remaining-requests": "9"})
    await handle(HELLO)
    assert lane_of(handle)._spacing.interval == 0


@pytest.mark.parametrize("adaptive", [False, True])
async def test_a_waiter_that_is_cancelled_leaves_no_trace(
    server: OpenAIServer, make: MakeHandle, *, adaptive: bool
) -> None:
    """Whether it waits for its turn or for its answer, its place goes to the next."""
    server.script.default = Answer(delay=0.05)
    handle = make(concurrency=2, adaptive=adaptive)
    tasks = [asyncio.create_task(handle(HELLO)) for _ in range(10)]
    await asyncio.sleep(0.02)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, dict) for result in results) == 5
    assert lane_of(handle).in_flight == 0
    await asyncio.gather(handle(HELLO), handle(HELLO))


async def test_adaptive_concurrency_grows_while_latency_is_flat(
    server: OpenAIServer, make: MakeHandle
) -> None:
    """From twenty on, as long as the server bears it; its ceiling is `concurrency`."""
    server.script.default = Answer(delay=0.05)
    handle = make(adaptive=True, concurrency=60)
    await asyncio.gather(*(handle(HELLO) for _ in range(300)))
    lane = lane_of(handle)
    assert lane.limit is not None
    assert 20 < lane.limit <= 60
    assert 20 < server.connections_peak <= 60


async def test_adaptive_concurrency_shrinks_on_429(server: OpenAIServer, make: MakeHandle) -> None:
    """Many 429s of one moment are one setback."""
    server.script.add(Step(Answer.rate_limit(0.05, "ms"), times=10))
    handle = make(adaptive=True)
    await asyncio.gather(*(handle(HELLO) for _ in range(20)))
    assert lane_of(handle).limit == 16


def test_a_controller_doubles_then_creeps_then_stops_where_latency_rises() -> None:
    """Doubling ends with the first latency that is not flat; after it, a twentieth a round."""
    controller = AdaptiveLimit(1000, 20)

    def rounds(count: int, seconds: float) -> int:
        for _ in range(count):
            for _ in range(controller.limit):
                if controller.succeeded(seconds, controller.limit):
                    break
        return controller.limit

    assert rounds(1, 1.0) == 40
    assert rounds(2, 1.2) == 160
    assert rounds(5, 3.0) == 160
    assert rounds(1, 1.0) == 168
    assert rounds(100, 1.0) == 1000


def test_a_controller_shrinks_once_for_an_overload() -> None:
    """All that fail within the debounce, or the time the server asks for, are one; others only pause it."""
    clock = Clock()
    controller = AdaptiveLimit(1000, 100, clock=clock)
    assert controller.overloaded(None)
    assert not controller.overloaded(None)
    assert controller.limit == 80
    clock.now += 15
    assert controller.overloaded(60.0)
    clock.now += 59
    assert not controller.overloaded(None)
    clock.now += 1
    assert controller.overloaded(None)
    assert controller.limit == 51
    controller.failed()
    assert not any(controller.succeeded(1.0, 51) for _ in range(51))
    assert any(controller.succeeded(1.0, 51) for _ in range(51))


def test_a_controller_does_not_grow_where_its_height_was_not_tried() -> None:
    """With few under way a round says nothing of what the server bears."""
    controller = AdaptiveLimit(1000, 20)
    assert not any(controller.succeeded(1.0, 10) for _ in range(100))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("12", 12.0),
        ("1x", None),
        ("s", None),
        ("", None),
        (None, None),
        ("nan", None),
        ("-3", None),
    ],
)
def test_durations_as_servers_write_them(text: str | None, seconds: float | None) -> None:
    """As Go writes them, or bare seconds; nonsense is nothing."""
    assert duration(text) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("headers", "interval"),
    [
        ({"limit-requests": "100", "remaining-requests": "50", "reset-requests": "30s"}, 0.0),
        ({"limit-requests": "100", "remaining-requests": "0", "reset-requests": "60s"}, 0.6),
        ({"limit-tokens": "1000", "remaining-tokens": "0", "reset-tokens": "10s"}, 5.0),
        ({"limit-requests": "1", "remaining-requests": "0", "reset-requests": "2h"}, 60.0),
        ({"limit-requests": "0", "remaining-requests": "0", "reset-requests": "1s"}, 0.0),
        ({"limit-requests": "x", "remaining-requests": "y", "reset-requests": "z"}, 0.0),
        ({}, 0.0),
    ],
)
def test_what_is_announced_becomes_a_distance(headers: Mapping[str, str], interval: float) -> None:
    """The time in which what a request takes flows back, once little is left."""
    named = {f"x-ratelimit-{name}": value for name, value in headers.items()}
    assert announced_interval(named, 500) == pytest.approx(interval)
    assert announces(named) == bool(headers)


async def test_a_gate_lets_in_as_many_as_it_says_at_each_moment() -> None:
    """In the order in which they came; lowered, it waits for enough to leave."""
    gate = Gate(2)
    order: list[int] = []

    async def pass_through(number: int) -> None:
        await gate.enter()
        order.append(number)

    tasks = [asyncio.create_task(pass_through(number)) for number in range(6)]
    await asyncio.sleep(0)
    assert order == [0, 1]
    gate.resize(3)
    await asyncio.sleep(0)
    assert order == [0, 1, 2]
    gate.resize(1)
    gate.leave()
    gate.leave()
    await asyncio.sleep(0)
    assert (order, gate.taken) == ([0, 1, 2], 1)
    tasks[3].cancel()
    await asyncio.sleep(0)
    gate.leave()
    await asyncio.sleep(0)
    assert order == [0, 1, 2, 4]
    tasks[5].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_place_given_to_one_who_is_cancelled_at_that_moment_is_not_lost() -> None:
    """It was given, and its task cancelled, before it could run."""
    gate = Gate(1)
    await gate.enter()
    task = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    gate.leave()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.taken == 0


async def test_a_429_without_a_delay_cools_down_for_longer_each_time() -> None:
    """By full jitter over a limit that doubles, once for all 429s of one moment; an answer forgets it."""
    lane = Lane()
    lane.join(lane, Settings(servers=addresses("http://127.0.0.1/v1"), api_key=None, model=None))
    error = RateLimitedError("x", status=429)
    ends = []
    for _ in range(3):
        lane.failed(None, error)
        lane.failed(None, error)
        ends.append(lane.held_until - time.monotonic())
        lane.held_until = 0.0
    assert all(end <= limit for end, limit in zip(ends, (1, 2, 4), strict=True))
    assert lane._cool_downs == 3
    lane.answered(Turn(1), {}, 0.1, None)
    assert lane._cool_downs == 0


async def test_the_wait_for_a_turn_is_told_in_the_outcome(server: OpenAIServer, make: MakeHandle) -> None:
    """`waited` is what the client made a request wait; `seconds` is the server's own time."""
    server.script.default = Answer(delay=0.1)
    handle = make(concurrency=1)
    body = json.dumps({"model": "m", "messages": HELLO}).encode()
    outcomes = await asyncio.gather(*(handle.request("/v1/chat/completions", body) for _ in range(3)))
    assert sorted(round(outcome.waited, 1) for outcome in outcomes) == [0.0, 0.1, 0.2]
    assert all(0.1 <= outcome.seconds < 0.2 for outcome in outcomes)
    assert KEY not in repr(outcomes)
