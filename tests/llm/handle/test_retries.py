"""Which failures are tried again, when, and what never is."""

import asyncio
import json
import math
import time

import pytest

from lastcall.llm import (
    ChatHandle,
    ConnectionFailedError,
    LLMError,
    RateLimitedError,
    RequestError,
    StatusError,
    TimedOutError,
    Timeouts,
    TruncatedError,
    create_openai_api_handle_async,
)
from lastcall.llm.retrying import delay_after, is_worth_another
from lastcall.testing import Answer, OpenAIServer, Script, tls_contexts

from .conftest import HELLO, KEY, MakeHandle

CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "tiny", "messages": HELLO}).encode()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_what_may_pass_is_tried_again(server: OpenAIServer, handle: ChatHandle, status: int) -> None:
    """Timeouts, conflicts, limits and failures of the server are; the outcome says why."""
    server.script.add(Answer(status=status, retry_after=0.01, retry_after_form="ms"))
    told: list[tuple[str, float]] = []
    outcome = await handle.request(CHAT, BODY, on_retry=lambda cause, delay: told.append((cause, delay)))
    assert (outcome.status, outcome.attempts, outcome.retries) == (200, 2, (str(status),))
    assert [cause for cause, _ in told] == [str(status)]
    assert 0.01 <= told[0][1] <= outcome.waited
    assert server.calls[0].json == server.calls[1].json


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
async def test_what_will_not_pass_is_not(server: OpenAIServer, handle: ChatHandle, status: int) -> None:
    """A request that is wrong now is wrong a second later."""
    server.script.default = Answer(status=status)
    with pytest.raises(StatusError):
        await handle(HELLO)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (Answer(status=500, headers={"x-should-retry": "false"}), 1),
        (Answer(status=400, headers={"x-should-retry": "true"}), 3),
        (Answer(status=429, code="insufficient_quota"), 1),
    ],
)
async def test_a_server_that_knows_better_is_believed(
    server: OpenAIServer, make: MakeHandle, monkeypatch: pytest.MonkeyPatch, answer: Answer, calls: int
) -> None:
    """`x-should-retry` comes before the status, and credit does not come back by waiting."""
    monkeypatch.setattr("lastcall.llm.retrying._BASE", 0.001)
    server.script.default = answer
    with pytest.raises(StatusError):
        await make()(HELLO)
    assert len(server.calls) == calls


@pytest.mark.parametrize("form", ["seconds", "date", "ms"])
async def test_a_delay_that_is_asked_for_is_kept(server: OpenAIServer, handle: ChatHandle, form: str) -> None:
    """In each of its three forms; nothing is sent before it is over."""
    asked = 0.2 if form == "ms" else 1.0
    server.script.add(Answer.rate_limit(asked, form))  # type: ignore[arg-type]
    outcome = await handle.request(CHAT, BODY)
    first, second = server.requests
    # A date is a whole second, so that less of it than that may be left.
    assert second.at - first.at >= (0.01 if form == "date" else asked)
    assert outcome.retries == ("429",)


async def test_a_delay_that_is_too_long_is_not_waited_for(server: OpenAIServer, handle: ChatHandle) -> None:
    """The error comes at once, and says for how long the server asks."""
    server.script.default = Answer.rate_limit(121)
    with pytest.raises(RateLimitedError) as caught:
        await handle(HELLO)
    assert caught.value.retry_after == 121
    assert len(server.calls) == 1


@pytest.mark.parametrize("cut", [Answer(cut="before"), Answer(cut="before", reset=True)])
async def test_a_connection_that_ends_before_an_answer_is_tried_again(
    server: OpenAIServer, handle: ChatHandle, cut: Answer
) -> None:
    """Closed or reset, and also where the connection was a fresh one."""
    server.script.add(cut)
    outcome = await handle.request(CHAT, BODY)
    assert (outcome.attempts, outcome.retries) == (2, ("connection",))


async def test_a_stale_connection_is_no_failed_attempt(server: OpenAIServer, handle: ChatHandle) -> None:
    """A reused connection that dies before a byte came is replaced, with no retries allowed."""
    await handle(HELLO)
    server.script.add(Answer(cut="before"))
    outcome = await handle.request(CHAT, BODY, max_retries=0)
    assert (outcome.attempts, outcome.retries) == (1, ())
    assert [call.connection for call in server.calls] == [1, 1, 2]


async def test_attempts_are_limited(server: OpenAIServer, handle: ChatHandle) -> None:
    """Two more than the first, or what the call says; the last error counts its attempts."""
    server.script.default = Answer(status=500, retry_after=0.001, retry_after_form="ms")
    for retries, attempts in ((None, 3), (0, 1), (1, 2)):
        with pytest.raises(StatusError) as caught:
            await handle(HELLO, max_retries=retries)
        assert caught.value.attempt == attempts
    assert len(server.calls) == 6
    assert "attempt 2" in str(caught.value)


async def test_retries_below_zero_are_refused(handle: ChatHandle) -> None:
    """Before anything is sent."""
    with pytest.raises(RequestError, match="max_retries"):
        await handle(HELLO, max_retries=-1)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_had_begun_is_not_asked_for_again(
    server: OpenAIServer, handle: ChatHandle, *, stream: bool
) -> None:
    """It is an error that carries what came; only who asks for it gets another attempt, and is told."""
    server.script.add(Answer(cut="body"))
    body = json.dumps({"model": "tiny", "messages": HELLO, "stream": stream}).encode()
    with pytest.raises(TruncatedError) as caught:
        await handle.request(CHAT, body, stream=stream)
    assert len(server.calls) == 1
    assert caught.value.chunks if stream else caught.value.body
    server.script.add(Answer(cut="body"))
    told: list[str] = []
    outcome = await handle.request(
        CHAT, body, stream=stream, retry_truncated=True, on_retry=lambda cause, _: told.append(cause)
    )
    assert (outcome.retries, told) == (("truncated",), ["truncated"])


async def test_an_error_in_a_stream_is_no_answer(server: OpenAIServer, handle: ChatHandle) -> None:
    """A stream that the server breaks off with an error is truncated, for those who only want the whole."""
    server.script.add(Answer(stream_error="overloaded"))
    with pytest.raises(TruncatedError, match="overloaded") as caught:
        await handle.request(CHAT, {"messages": HELLO}, stream=True)
    assert len(caught.value.chunks) > 1


async def test_a_timeout_is_tried_again_while_no_byte_came(server: OpenAIServer, handle: ChatHandle) -> None:
    """The server may only have been slow to take it."""
    server.script.add(Answer(delay=math.inf))
    outcome = await handle.request(CHAT, BODY, timeout=0.3)
    assert outcome.retries == ("timeout",)


async def test_a_timeout_in_an_answer_is_not_tried_again(server: OpenAIServer, handle: ChatHandle) -> None:
    """A stall in the middle would be asked for twice; what came is carried."""
    server.script.add(Answer(event_delay=30, text="a b c d e f"))
    with pytest.raises(TimedOutError) as caught:
        await handle.request(
            CHAT, {"messages": HELLO}, stream=True, timeout=Timeouts(between_chunks=0.2, attempt=9)
        )
    assert (caught.value.limit, caught.value.seconds) == ("between_chunks", 0.2)
    assert caught.value.chunks
    assert len(server.calls) == 1


async def test_the_total_ends_an_attempt(
    server: OpenAIServer, handle: ChatHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline counts over all attempts, and is what the error names."""
    monkeypatch.setattr("lastcall.llm.retrying._BASE", 0.01)
    server.script.default = Answer(delay=math.inf)
    started = time.monotonic()
    with pytest.raises(TimedOutError) as caught:
        await handle(HELLO, timeout=Timeouts(total=0.7, attempt=0.4), max_retries=9)
    assert time.monotonic() - started < 5
    assert (caught.value.limit, caught.value.seconds) == ("total", 0.7)
    assert "total of 0.7 s" in str(caught.value)
    assert caught.value.attempt == 2


async def test_the_total_of_a_single_attempt_is_named(server: OpenAIServer, handle: ChatHandle) -> None:
    """Shorter than the attempt's own limit, it is what ends it, and nothing is tried again."""
    server.script.default = Answer(delay=math.inf)
    with pytest.raises(TimedOutError) as caught:
        await handle(HELLO, timeout=Timeouts(total=0.2))
    assert (caught.value.limit, caught.value.seconds, caught.value.attempt) == ("total", 0.2, 1)


async def test_a_wait_beyond_the_total_is_not_begun(server: OpenAIServer, handle: ChatHandle) -> None:
    """The error comes at once, while there is still time to do something else."""
    server.script.default = Answer.rate_limit(30)
    started = time.monotonic()
    with pytest.raises(RateLimitedError):
        await handle(HELLO, timeout=Timeouts(total=10))
    assert time.monotonic() - started < 5


async def test_a_certificate_with_another_name_is_not_tried_again() -> None:
    """It will not have the right name a second later."""
    contexts = tls_contexts("elsewhere.test")
    with OpenAIServer(ssl=contexts.server) as server:
        handle = create_openai_api_handle_async(server.base_url, KEY, "tiny", ssl=contexts.client)
        with pytest.raises(ConnectionFailedError, match="certificate") as caught:
            await handle(HELLO)
        assert caught.value.attempt == 1


async def test_over_tls_with_an_authority_of_ones_own() -> None:
    """`ssl=` is a context, as in aiohttp."""
    contexts = tls_contexts()
    with OpenAIServer(ssl=contexts.server) as server:
        handle = create_openai_api_handle_async(server.base_url, KEY, "tiny", ssl=contexts.client)
        assert (await handle(HELLO))["object"] == "chat.completion"


async def test_a_request_that_is_cancelled_is_cancelled(server: OpenAIServer, handle: ChatHandle) -> None:
    """Between attempts too; nothing is sent afterwards."""
    server.script.default = Answer.rate_limit(60)
    task = asyncio.create_task(handle(HELLO))
    await asyncio.to_thread(server.wait_until, lambda: server.requests_count == 1, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(server.calls) == 1


async def test_never_two_answers_for_one_request(server: OpenAIServer, make: MakeHandle) -> None:
    """Through faults of every kind, no request is asked for again after its answer was given."""
    faults = [
        Answer(status=500, retry_after=0.01, retry_after_form="ms"),
        Answer(cut="before"),
        Answer(status=503, retry_after=0.01, retry_after_form="ms"),
        Answer(cut="before", reset=True),
    ]
    server.script.add(*faults * 10)
    handle = make(max_retries=50)
    bodies = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(50)]
    outcomes = await asyncio.gather(*(handle.request(CHAT, body) for body in bodies))
    assert {outcome.status for outcome in outcomes} == {200}
    assert server.script.steps_left == 0
    assert len(server.calls) == 50 + 40


async def test_each_attempt_is_told_when_it_begins(server: OpenAIServer, make: MakeHandle) -> None:
    """After all waiting, and before each wait for another."""
    told: list[str] = []
    for handle in (make(), make(concurrency=1)):
        server.script.add(Answer(status=500, retry_after=0.01, retry_after_form="ms"))
        told.clear()
        await handle.request(
            CHAT, BODY, on_retry=lambda cause, _: told.append(cause), on_attempt=lambda: told.append("begins")
        )
        assert told == ["begins", "500", "begins"]


def test_full_jitter_lies_between_nothing_and_a_limit_that_doubles() -> None:
    """From half a second on, up to eight."""
    error = StatusError("x", status=500)
    highest = [delay_after(error, attempt, 120, chance=lambda: 1.0) for attempt in (1, 2, 3, 9, 5000)]
    assert highest == [0.5, 1.0, 2.0, 8.0, 8.0]
    assert delay_after(error, 3, 120, chance=lambda: 0.0) == 0.0


def test_who_is_sent_away_together_does_not_come_back_together() -> None:
    """What a server asks for is a lower limit; a part of it, a second at most, is added by chance."""
    for asked, latest in ((0.4, 0.5), (60.0, 61.0)):
        error = RateLimitedError("x", status=429, retry_after=asked)
        assert delay_after(error, 1, 120, chance=lambda: 0.0) == asked
        assert delay_after(error, 1, 120, chance=lambda: 1.0) == pytest.approx(latest)


def test_what_is_no_failure_of_an_attempt_is_not_tried_again() -> None:
    """A request that cannot be sent, and any error that nobody knows."""
    assert not is_worth_another(RequestError("x"))
    assert not is_worth_another(LLMError("x"), truncated_too=True)


async def test_an_embedded_script_is_over_at_the_end() -> None:
    """A handle made without a running loop works on one later."""
    with OpenAIServer(Script(Answer(status=500, retry_after=0.01, retry_after_form="ms"))) as server:
        handle = await asyncio.to_thread(create_openai_api_handle_async, server.base_url, KEY, "tiny")
        await handle(HELLO)
