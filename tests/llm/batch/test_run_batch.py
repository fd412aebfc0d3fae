"""`run_batch`: an async generator that takes requests lazily, ends cleanly, and leaves no task."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from lastcall.llm import Outcome, StatusError, create_openai_api_handle_async
from lastcall.llm.batch import BatchRequest, BatchResult, run_batch
from lastcall.llm.statistics import Statistics
from lastcall.testing import Answer, Call, OpenAIServer, Script, Step

from .conftest import batch_line

REPLY = json.dumps(
    {
        "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
).encode()


class Fake:
    """A handle that answers when it is told to: where a server's own time would hide the order of things."""

    model = "m"

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.waiting: list[asyncio.Future[bytes]] = []
        self.came = asyncio.Event()

    async def request(
        self,
        path: str,
        body: bytes,
        *,
        stream: bool = False,
        on_retry: Callable[[str, float], None] | None = None,
        on_attempt: Callable[[], None] | None = None,
    ) -> Outcome:
        """Wait for the answer."""
        self.bodies.append(body)
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        self.came.set()
        return Outcome(200, await future, {})

    async def until_waiting(self, count: int) -> None:
        """Wait until so many requests came in all."""
        async with asyncio.timeout(5):
            while len(self.waiting) < count:
                self.came.clear()
                await self.came.wait()


@pytest.fixture
def fake() -> Fake:
    """A handle that answers when told."""
    return Fake()


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """After each test none of a batch's tasks is left."""
    yield
    assert not [task for task in asyncio.all_tasks() if "batch" in task.get_name()]


def chats(count: int) -> Iterator[dict[str, Any]]:
    """Yield chat requests."""
    return (batch_line(f"r-{number}", f"text {number}") for number in range(count))


async def test_each_request_of_any_form_is_answered_by_a_real_server() -> None:
    """Mappings, lines as bytes and ready requests; answers are the server's own."""
    requests: list[Any] = [
        batch_line("a"),
        {"model": "m", "messages": [{"role": "user", "content": "b"}]},
        json.dumps({"custom_id": "c", "model": "m", "prompt": "c"}).encode(),
        BatchRequest("d", "/v1/embeddings", b'{"model":"m","input":"d"}'),
    ]
    with OpenAIServer() as server:
        async with create_openai_api_handle_async(server.base_url, "key", "m") as handle:
            came = [result async for result in run_batch(requests, handle, concurrency=2)]
    results = {result.custom_id: result for result in came}
    assert sorted(map(str, results)) == ["a", "c", "d", "line-2"]
    assert {str(key): result.body["object"] for key, result in results.items()} == {
        "a": "chat.completion",
        "line-2": "chat.completion",
        "c": "text_completion",
        "d": "list",
    }
    assert all(result.is_ok and result.status == 200 for result in results.values())


async def test_streams_come_as_whole_answers_with_their_times() -> None:
    """The body is what it is without a stream; usage is asked for and read."""
    with OpenAIServer() as server:
        async with create_openai_api_handle_async(server.base_url, "key", "m") as handle:
            (plain,) = [result async for result in run_batch(chats(1), handle)]
            (streamed,) = [result async for result in run_batch(chats(1), handle, stream=True)]
    assert streamed.body["choices"][0]["message"]["content"] == plain.body["choices"][0]["message"]["content"]
    assert streamed.body["object"] == "chat.completion"
    assert streamed.usage == plain.usage
    assert streamed.outcome is not None
    assert streamed.outcome.first_chunk is not None


async def test_a_failed_request_is_a_result_and_the_rest_goes_on() -> None:
    """Its error has status and body; its line is OpenAI's."""

    def is_first(call: Call) -> bool:
        return bool(call.json["messages"][-1]["content"] == "text 0")

    with OpenAIServer(Script(Step(Answer(status=400, message="no"), is_first, times=None))) as server:
        async with create_openai_api_handle_async(server.base_url, "key", "m") as handle:
            results = [result async for result in run_batch(chats(3), handle, ordered=True)]
    assert [result.is_ok for result in results] == [False, True, True]
    assert isinstance(results[0].error, StatusError)
    line = json.loads(results[0].as_line())
    assert (line["custom_id"], line["error"], line["response"]["status_code"]) == ("r-0", None, 400)
    assert line["response"]["body"]["error"]["message"] == "no"


async def test_requests_are_taken_only_as_they_can_be_sent(fake: Fake) -> None:
    """An endless source is no harm; leaving early cuts off what is under way."""
    taken = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield batch_line(f"r-{taken}")

    async with aclosing(run_batch(endless(), fake, concurrency=3)) as results:
        first = asyncio.ensure_future(anext(results))
        await fake.until_waiting(3)
        assert taken == 3
        fake.waiting[1].set_result(REPLY)
        assert (await first).custom_id == "r-2"
    assert all(future.done() for future in fake.waiting)
    assert taken <= 4


async def test_a_slow_consumer_holds_up_the_requests(fake: Fake) -> None:
    """No more results lie ready than there may be requests under way, and as many again."""

    class Instant(Fake):
        async def request(self, *args: Any, **kwargs: Any) -> Outcome:
            self.bodies.append(b"")
            return Outcome(200, REPLY, {})

    handle = Instant()
    async with aclosing(run_batch(chats(1000), handle, concurrency=5)) as results:
        await anext(results)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(handle.bodies) <= 11
        count = 1
        async for _ in results:
            count += 1
    assert count == 1000


async def test_order_is_kept_where_asked_within_a_window(fake: Fake) -> None:
    """Results that are early wait for their turn; too many of them hold up the requests."""
    async with aclosing(run_batch(chats(50), fake, concurrency=2, ordered=True)) as results:
        first = asyncio.ensure_future(anext(results))
        for number in range(1, 9):
            await fake.until_waiting(number + 1)
            fake.waiting[number].set_result(REPLY)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(fake.waiting) == 9  # eight wait for the first: four for each that may be under way
        fake.waiting[0].set_result(REPLY)
        order = [(await first).custom_id] + [(await anext(results)).custom_id for _ in range(8)]
    assert order == [f"r-{number}" for number in range(9)]


async def test_requests_may_come_from_an_async_iterable(fake: Fake) -> None:
    """One at a time, in order, each by one worker; the last may be long in coming."""
    more = asyncio.Event()

    async def source() -> AsyncIterator[dict[str, Any]]:
        for request in chats(4):
            yield request
        await more.wait()
        yield batch_line("late")

    seen: list[str | None] = []
    async with aclosing(run_batch(source(), fake, concurrency=10)) as results:
        first = asyncio.ensure_future(anext(results))
        await fake.until_waiting(4)
        fake.waiting[2].set_result(REPLY)
        seen.append((await first).custom_id)
        for number in (0, 1, 3):
            fake.waiting[number].set_result(REPLY)
        more.set()
        await fake.until_waiting(5)
        fake.waiting[4].set_result(REPLY)
        seen += [result.custom_id async for result in results]
    assert sorted(map(str, seen)) == ["late", "r-0", "r-1", "r-2", "r-3"]


async def test_a_source_that_is_waited_for_can_be_left(fake: Fake) -> None:
    """Closing early ends the wait for the next request too, and the source is told."""
    left = asyncio.Event()

    async def source() -> AsyncIterator[dict[str, Any]]:
        try:
            yield batch_line("a")
            await asyncio.Event().wait()
        finally:
            left.set()

    async with aclosing(run_batch(source(), fake, concurrency=2)) as results:
        first = asyncio.ensure_future(anext(results))
        await fake.until_waiting(1)
        fake.waiting[0].set_result(REPLY)
        await first
    assert left.is_set()


async def test_what_the_source_raises_comes_after_what_is_under_way(fake: Fake) -> None:
    """Answers that are paid for are given before the error."""

    def source() -> Iterator[dict[str, Any]]:
        yield batch_line("a")
        raise OSError("the disk is gone")

    results: list[BatchResult] = []

    async def consume() -> None:
        async for result in run_batch(source(), fake, concurrency=3):
            results.append(result)  # noqa: PERF401 (what came before the error counts)

    task = asyncio.ensure_future(consume())
    await fake.until_waiting(1)
    fake.waiting[0].set_result(REPLY)
    with pytest.raises(OSError, match="disk"):
        await task
    assert [result.custom_id for result in results] == ["a"]


async def test_a_fault_in_the_consumers_own_function_ends_the_batch(fake: Fake) -> None:
    """It is raised as it is, when all workers have ended."""

    def fail(result: BatchResult) -> None:
        raise LookupError(result.custom_id)

    async def consume() -> None:
        async for _ in run_batch(chats(9), fake, concurrency=3, on_result=fail):
            pass

    task = asyncio.ensure_future(consume())
    await fake.until_waiting(3)
    fake.waiting[0].set_result(REPLY)
    with pytest.raises(LookupError, match="r-0"):
        await task


async def test_cancelling_the_consumer_cancels_the_workers(fake: Fake) -> None:
    """And waits for them."""

    async def consume() -> None:
        async for _ in run_batch(chats(9), fake, concurrency=3):
            pass

    task = asyncio.ensure_future(consume())
    await fake.until_waiting(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)  # the generator is closed by the loop, which a bare `async for` leaves it to
    await asyncio.wait_for(asyncio.wait(fake.waiting), 5)


async def test_an_answer_that_is_no_json_is_a_failure(fake: Fake) -> None:
    """It would spoil the file."""
    results = run_batch(chats(1), fake)
    first = asyncio.ensure_future(anext(results))
    await fake.until_waiting(1)
    fake.waiting[0].set_result(b"<html>")
    result = await first
    assert json.loads(result.as_line())["error"]["code"] == "answer_unreadable"
    await results.aclose()


async def test_an_answer_of_several_lines_becomes_one_line_of_the_output(fake: Fake) -> None:
    """Its values are untouched."""
    results = run_batch(chats(1), fake)
    first = asyncio.ensure_future(anext(results))
    await fake.until_waiting(1)
    fake.waiting[0].set_result(b'{\r\n "a": 1.50,\n "text": "x\\ny"\n}\n')
    line = (await first).as_line()
    await results.aclose()
    assert line.count(b"\n") == 1
    assert b'"a": 1.50' in line
    assert json.loads(line)["response"]["body"] == {"a": 1.5, "text": "x\ny"}


async def test_items_that_are_no_requests_are_failed_results() -> None:
    """Whatever they are; nothing is sent for them."""
    given: list[Any] = [batch_line("a", messages=5), b"nonsense", {1, 2}, {"messages": [object()]}]
    fake = Fake()
    results = [result async for result in run_batch(given, fake, ordered=True)]
    assert [result.is_ok for result in results] == [False] * 4
    assert fake.bodies == []
    assert results[0].custom_id == "a"


async def test_statistics_count_everything_that_ended(fake: Fake) -> None:
    """Answered, refused and cut off, with the tokens that the server says."""
    statistics = Statistics()
    given: list[Any] = [b"nonsense", *chats(3)]
    async with aclosing(run_batch(given, fake, concurrency=4, statistics=statistics)) as results:
        assert not (await anext(results)).is_ok
        await fake.until_waiting(3)
        fake.waiting[0].set_result(REPLY)
        assert (await anext(results)).is_ok
    told = (statistics.answers, statistics.failures, statistics.cut_off, statistics.in_flight)
    assert told == (1, 1, 2, 0)
    assert (statistics.prompt_tokens, statistics.completion_tokens) == (3, 2)


async def test_concurrency_must_be_at_least_one(fake: Fake) -> None:
    """Said before anything is sent."""
    with pytest.raises(ValueError, match="concurrency"):
        await anext(run_batch(chats(1), fake, concurrency=0))
