"""A streamed answer for people: its events as dicts, its connection let go of on every way out."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import msgspec

from .asking import Opened, error_of, stream_error
from .errors import LLMError
from .problems import UNREADABLE
from .stream import OpenStream

__all__ = ["ChatStream"]

_decode = msgspec.json.decode


class ChatStream:
    """
    An async iterator over the events of a streamed answer, as dicts; made by `ChatHandle.stream`.

    Iterated to its end, or left early by any way out of `async with`, it lets go of its connection; so does
    `aclose()`, and so does forgetting it. It is iterated over once.

    Raises:
        TruncatedError: If the stream ends, or breaks off with an error of the server, before the answer was
            complete; carries what came, so do all others.

        TimedOutError: If it stalls.

        LLMError: What `ChatHandle` raises, before its first event.
    """

    def __init__(self, path: str, ask: Callable[[], Awaitable[Opened]]) -> None:
        self._path = path
        self._ask = ask
        self._asked: Opened | None = None
        self._stream: OpenStream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = False

    @property
    def status(self) -> int | None:
        """HTTP status of the answer; None before the first event."""
        return self._stream.status if self._stream else None

    @property
    def request_id(self) -> str | None:
        """What the server calls the request (`x-request-id`); None before the first event."""
        return self._stream.headers.get("x-request-id") if self._stream else None

    def __aiter__(self) -> Self:
        """Return the stream."""
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Return the next event's data."""
        if self._is_over:
            raise StopAsyncIteration
        try:
            stream = self._stream or await self._open()
            return self._event(await anext(stream))
        except StopAsyncIteration:
            await self._end(None)
            raise
        except BaseException as error:
            await self._end(error)
            raise

    async def aclose(self) -> None:
        """Let go of the connection; a second time it does nothing."""
        await self._end(None, left=True)

    async def __aenter__(self) -> Self:
        """Return the stream."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the connection."""
        await self.aclose()

    def __repr__(self) -> str:
        """Tell how far it is."""
        begun = "open" if self._stream is not None else "not begun"
        events = len(self._stream.chunks) if self._stream is not None else 0
        return f"<ChatStream {self._path} {'over' if self._is_over else begun}, {events} events>"

    def __del__(self) -> None:
        """Let go of the connection, on its own loop."""
        if self._is_over or self._stream is None or self._loop is None:
            return
        closing = self._stream.aclose()
        try:
            asyncio.run_coroutine_threadsafe(closing, self._loop)
            if self._asked is not None:
                self._loop.call_soon_threadsafe(self._asked.leave)
        except RuntimeError:  # the loop is closed, and took the connection with it
            closing.close()

    async def _open(self) -> OpenStream:
        self._loop = asyncio.get_running_loop()
        self._asked = await self._ask()
        self._stream = await self._asked.run()
        return self._stream

    async def _end(self, error: BaseException | None, *, left: bool = False) -> None:
        """Let go of the connection and of the turn, and tell the lane how it went."""
        if self._is_over:
            return
        self._is_over = True
        stream, asked = self._stream, self._asked
        if stream is None or asked is None:
            return
        try:
            await stream.aclose()
        finally:
            if isinstance(error, LLMError):
                asked.failed(error)
            elif error is None and not left:
                asked.succeeded(stream)
            asked.leave()

    def _event(self, data: bytes) -> dict[str, Any]:
        assert self._stream is not None
        try:
            event = _decode(data)
        except UNREADABLE as error:
            raise stream_error(f"an event is no JSON, {error}", self._stream) from error
        if not isinstance(event, dict):
            raise stream_error("an event is no object", self._stream)
        if (said := error_of(event)) is not None:
            raise stream_error(said, self._stream)
        return event
