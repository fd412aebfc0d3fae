"""Sends the requests of a batch: so many workers, each taking the next request when it has done its last."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Protocol

from lastcall.llm.errors import AnswerError, LLMError
from lastcall.llm.outcome import Outcome
from lastcall.llm.statistics import Statistics

from .requests import BatchRequest, LineError, streamed
from .results import BatchResult, Usage, read_usage

__all__ = ["Driver", "Handle", "InOrder", "Item", "end_tasks"]

Item = BatchRequest | LineError | None
"""A request; what is wrong with one; or None, after many lines passed over: others may have a turn."""


class Handle(Protocol):
    """What sends one request: a `ChatHandle`, or anything with this method."""

    async def request(
        self,
        path: str,
        body: bytes,
        *,
        stream: bool = False,
        on_retry: Callable[[str, float], None] | None = None,
        on_attempt: Callable[[], None] | None = None,
    ) -> Outcome:
        """Send *body*, which asks for a stream itself, and return what came, or raise an `LLMError`."""
        ...


_END = object()


class Driver:
    """
    Takes requests from where they come, has them answered, and delivers each result once.

    Args:
        source: The requests; an iterator is asked from the loop and must not wait.

        handle: Sends one.

        deliver: Takes each result, in the order in which they are complete; called in the loop.

        concurrency: How many are under way at once; as many tasks are made, and none for each request.

        stream: Whether to ask for streams, for the times of their chunks.

        statistics: Is told what happens.

        rooms: While one of them is not set no further request is taken.
    """

    def __init__(
        self,
        source: Iterator[Item] | AsyncIterator[Item],
        handle: Handle,
        deliver: Callable[[BatchResult], None],
        *,
        concurrency: int,
        stream: bool = False,
        statistics: Statistics | None = None,
        rooms: Sequence[asyncio.Event] = (),
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        self._source = source
        self._handle = handle
        self._deliver = deliver
        self._concurrency = concurrency
        self._stream = stream
        self._statistics = statistics
        self._waiting: set[asyncio.Task[Any] | None] = set()
        self._turn = asyncio.Event()
        self._turn.set()
        self._rooms = (*rooms, self._turn)
        self._taken = 0
        self._ended = False
        self._tasks: list[asyncio.Task[None]] = []
        self._taking = asyncio.Lock()
        self._taker: asyncio.Task[Any] | None = None
        self._source_error: Exception | None = None
        self._in_flight = 0
        self.was_cut = False
        """Whether `cut` was called."""

    @property
    def under_way(self) -> int:
        """Requests that a server may be at work on now."""
        return self._in_flight - len(self._waiting)

    async def run(self) -> None:
        """
        Return when every request has been answered, or was cut off, and every worker has ended.

        Raises:
            Exception: What the source raises, once what is under way is finished; what *deliver* raises, once
                it is cut off.
        """
        work = self._work if isinstance(self._source, Iterator) else self._work_async
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work(), name="lastcall batch") for _ in range(self._concurrency)]
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self._ended = True
            await end_tasks(self._tasks)
        errors = [task.exception() for task in self._tasks if not task.cancelled()]
        if failed := next(filter(None, errors), self._source_error):
            raise failed

    def stop(self) -> None:
        """Take no further request; finish what a server is at work on, drop what waits to be sent."""
        self._ended = True
        for task in self._waiting:
            if task is not None:
                task.cancel()
        for room in self._rooms:
            room.set()
        if self._taker is not None:
            self._taker.cancel()  # it waits for a request that may never come

    def cut(self) -> None:
        """Take no further request, and cut off what is under way."""
        self.was_cut = True
        self._ended = True
        for task in self._tasks:
            task.cancel()

    async def _work(self) -> None:
        source = self._source
        assert isinstance(source, Iterator)
        while not self._ended:
            if await self._waited_for_room():
                continue
            item = self._next(source)
            if item is None:
                item = await self._pass_over(source)
            if item is _END:
                self._ended = True
                return
            await self._do(item)  # type: ignore[arg-type]

    def _next(self, source: Iterator[Item]) -> object:
        try:
            return next(source, _END)
        except Exception as error:  # noqa: BLE001 - it is raised when the others have finished
            self._source_error = error
            return _END

    async def _pass_over(self, source: Iterator[Item]) -> object:
        """Return the next request after a million that are done, while others do all but look for one too."""
        self._turn.clear()
        try:
            while True:
                await asyncio.sleep(0)
                item = _END if self._ended else self._next(source)
                if item is not None:
                    return item
        finally:
            self._turn.set()

    async def _work_async(self) -> None:
        while not self._ended:
            if await self._waited_for_room():
                continue
            async with self._taking:
                item = await self._take()
            if item is _END:
                self._ended = True
                return
            await self._do(item)  # type: ignore[arg-type]

    async def _take(self) -> object:
        """Return the next request of a source that may have to wait for it."""
        assert not isinstance(self._source, Iterator)
        if self._ended:  # meanwhile, while another waited
            return _END
        self._taker = asyncio.current_task()
        try:
            return await anext(self._source, _END)
        except Exception as error:  # noqa: BLE001 - it is raised when the others have finished
            self._source_error = error
            return _END
        finally:
            self._taker = None

    async def _waited_for_room(self) -> bool:
        for room in self._rooms:
            if not room.is_set():
                await room.wait()
                return True
        return False

    async def _do(self, item: Item) -> None:
        if item is None:  # of a source that is waited for, where others have a turn in any case
            return
        index = self._taken
        self._taken += 1
        if isinstance(item, LineError):
            if self._statistics is not None:
                self._statistics.refused(item.code.replace("_", " "))
            await self._fail(BatchResult(item.custom_id, index, item.line), item)
            return
        result = BatchResult(item.custom_id, index, item.line, digest=item.digest)
        self._in_flight += 1
        self._waiting.add(asyncio.current_task())
        try:
            await self._send(item, result)
        finally:
            self._in_flight -= 1
            self._waiting.discard(asyncio.current_task())

    async def _send(self, request: BatchRequest, result: BatchResult) -> None:
        statistics = self._statistics
        if statistics is not None:
            statistics.started()
        try:
            path, body = request.path, request.body
            is_stream = (self._stream or request.stream) and not path.endswith("/embeddings")
            if is_stream:
                body = streamed(path, body)
            outcome = await self._handle.request(
                path, body, stream=is_stream, on_retry=self._retried, on_attempt=self._sent
            )
            usage = _usage_of(outcome)
        except LLMError as error:
            if statistics is not None:
                statistics.failed(error)
            await self._fail(result, error)
            return
        except BaseException:
            if statistics is not None:
                statistics.cancelled()
            raise
        result.outcome, result.usage = outcome, usage
        if statistics is not None:
            statistics.finished(
                outcome,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                finish_reason=usage.finish_reason,
            )
        self._deliver(result)

    def _retried(self, cause: str, delay: float) -> None:
        self._waiting.add(asyncio.current_task())
        if self._statistics is not None:
            self._statistics.retried(cause, delay)

    def _sent(self) -> None:
        self._waiting.discard(asyncio.current_task())

    async def _fail(self, result: BatchResult, error: LLMError) -> None:
        result.error = error
        self._deliver(result)
        # Errors that come without a wait, one after the other, must leave the loop to the others too.
        await asyncio.sleep(0)


def _usage_of(outcome: Outcome) -> Usage:
    try:
        return read_usage(outcome.body)
    except ValueError:
        raise AnswerError(
            "the answer is not JSON",
            status=outcome.status,
            request_id=outcome.request_id,
            body=outcome.body,
            attempt=outcome.attempts,
        ) from None


async def end_tasks(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until each has ended; a cancellation of the caller comes after."""
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class InOrder:
    """
    Delivers results in the order in which their requests were taken, and holds back those that are early.

    Args:
        deliver: Takes each result in its turn.

        window: How many may be held back; with more, `room` says to take no further request.
    """

    def __init__(self, deliver: Callable[[BatchResult], None], window: int) -> None:
        self._deliver = deliver
        self._window = window
        self._next = 0
        self._early: dict[int, BatchResult] = {}
        self.room = asyncio.Event()
        self.room.set()

    def __call__(self, result: BatchResult) -> None:
        """Deliver *result* and those that it held up, or hold it back."""
        self._early[result.index] = result
        while (ready := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self._deliver(ready)
        if len(self._early) >= self._window:
            self.room.clear()
        elif not self.room.is_set():
            self.room.set()

    def give_up(self) -> None:
        """Deliver what is held back although something before it was never answered."""
        for index in sorted(self._early):
            self._deliver(self._early.pop(index))
