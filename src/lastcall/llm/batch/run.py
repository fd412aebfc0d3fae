"""A batch as an async generator: for notebooks, services and scripts of one's own."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from lastcall.llm.statistics import Statistics

from .driver import Driver, Handle, InOrder, Item, end_tasks
from .requests import BatchRequest, Requests
from .results import BatchResult

__all__ = ["run_batch"]

Request = BatchRequest | Mapping[str, Any] | bytes
"""A request; a mapping that says what a line of a batch says; or such a line."""

_WINDOW = 4
"""So many results for each request under way may wait for one that is slow, where order is asked for."""


async def run_batch(
    requests: Iterable[Request] | AsyncIterable[Request],
    handle: Handle,
    *,
    concurrency: int = 500,
    stream: bool = False,
    ordered: bool = False,
    model: str | None = None,
    params: Mapping[str, Any] | None = None,
    on_result: Callable[[BatchResult], None] | None = None,
    statistics: Statistics | None = None,
) -> AsyncGenerator[BatchResult, None]:
    """
    Send many requests, so many at once, and yield what became of each as it is there.

    Requests are taken from *requests* only when they can be sent, and no further ones while results wait to
    be taken; so neither may fit into memory. Ending the iteration early cuts off what is under way and waits
    until it has ended: `async with contextlib.aclosing(run_batch(...)) as results` does so at once,
    whatever happens, where a bare `async for` leaves it to the loop.

    Args:
        requests: In any of the forms of a line of `lastcall llm batch`: with `url` and `body`, or with
            `messages` or `prompt`; `custom_id` is optional. An iterable must not wait: what has to wait is an
            async iterable.

        handle: A `ChatHandle`, whose limits, retries and timeouts hold; it is borrowed.

        concurrency: Requests under way at once.

        stream: Whether to ask for streams, put together into whole answers; only for their times.

        ordered: Whether to yield in the order of the requests. At most four results for each request under
            way wait for one that is slow.

        model: Takes the place of each request's own; without it the handle's is for those that name none.

        params: More of each body, such as {"temperature": 0}.

        on_result: Called with each result as soon as it is there, before its turn in the order.

        statistics: Counts; give one to look at it in between.

    Yields:
        A result for each request, failed ones included: look at `is_ok`.

    Raises:
        ValueError: If *concurrency* is below 1.

        Exception: What *requests* or *on_result* raises, or a handle besides its `LLMError`.
    """
    feed = _Feed(concurrency, on_result)
    deliver = feed.put
    rooms = [feed.room]
    if ordered:
        deliver = in_order = InOrder(feed.put, _WINDOW * concurrency)
        rooms.append(in_order.room)
    composed = Requests(model=model, default_model=getattr(handle, "model", None), params=params)
    driver = Driver(
        _items(requests, composed),
        handle,
        feed.told(deliver),
        concurrency=concurrency,
        stream=stream,
        statistics=statistics,
        rooms=rooms,
    )
    run = asyncio.get_running_loop().create_task(driver.run(), name="lastcall run_batch")
    run.add_done_callback(feed.end)
    try:
        async for result in feed.results():
            yield result
        await run
    finally:
        await end_tasks([run])


def _items(
    requests: Iterable[Request] | AsyncIterable[Request], composed: Requests
) -> AsyncIterator[Item] | Any:
    if isinstance(requests, AsyncIterable):
        return _async_items(requests, composed)
    return composed.from_any(requests)


async def _async_items(requests: AsyncIterable[Request], composed: Requests) -> AsyncIterator[Item]:
    number = 0
    async for item in requests:
        number += 1
        yield composed.from_item(number, item)


class _Feed:
    """What lies between those who deliver results and the one who takes them."""

    def __init__(self, size: int, on_result: Callable[[BatchResult], None] | None) -> None:
        self._ready: deque[BatchResult] = deque()
        self._size = size
        self._on_result = on_result
        self._ended = False
        self._more = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def told(self, deliver: Callable[[BatchResult], None]) -> Callable[[BatchResult], None]:
        """Return *deliver* with the user's own function before it, if there is one."""
        on_result = self._on_result
        if on_result is None:
            return deliver

        def tell_and_deliver(result: BatchResult) -> None:
            on_result(result)
            deliver(result)

        return tell_and_deliver

    def put(self, result: BatchResult) -> None:
        self._ready.append(result)
        self._more.set()
        if len(self._ready) >= self._size:
            self.room.clear()

    def end(self, _: object) -> None:
        self._ended = True
        self._more.set()

    async def results(self) -> AsyncIterator[BatchResult]:
        while True:
            self._more.clear()
            while self._ready:
                yield self._ready.popleft()
                if not self.room.is_set() and len(self._ready) < self._size:
                    self.room.set()
            if self._ended:
                return
            await self._more.wait()
