"""The handle: an async callable that asks a model, over a session that it shares with all others."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import ClientSession

from lastcall.sessions.lines import callers_line

from .asking import Collected, Opened, Plain, checked, readable_object
from .attempts import OnRetry, Options
from .chat_stream import ChatStream
from .errors import LLMError, RequestError
from .lane import lane_for
from .outcome import Outcome
from .place import Place
from .problems import Redactor
from .settings import Settings
from .sharing import borrow, join, leave
from .timeouts import Timeouts

__all__ = ["ChatHandle"]

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"

Timeout = float | Timeouts | None
"""Of one request: seconds for each attempt, or all limits; None for the handle's."""


class ChatHandle:
    """
    Asks a model; made by `create_openai_api_handle_async`.

        answer = await handle([{"role": "user", "content": "Hello"}], temperature=0)

    It opens no session: all handles of a loop and profile share one, opened by the first request, closed
    with the last handle that is closed, and in any case before the loop ends. It may be used on any number
    of loops, by any number of tasks. Once closed it may be used again.

    Its methods give an answer as the server's own JSON, as a dict: nothing is left out, nothing added. What
    they do not know of goes into the body as given. They raise:

        RequestError: If the request cannot be sent.

        StatusError: If the server answered with a status of 300 or above, after the attempts that are right.

        ConnectionFailedError, TimedOutError: If there was no answer, or none in time.

        AnswerError: If the answer cannot be read, `TruncatedError` if it ended too early.

        SessionClosedError: If somebody closed the session under it.

    Args:
        settings: How it asks.

    Attributes:
        model: Of requests that name none, or None.

        server: Scheme, host and port of the first server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redactor = Redactor(settings.api_key)
        self._key = hashlib.sha256((settings.api_key or "").encode()).hexdigest()
        self._options = Options(settings.timeouts, settings.max_retries, settings.wait_max)
        self._place: Place | None = None
        """Where the last request went: nearly always where the next goes."""
        self._places: dict[asyncio.AbstractEventLoop, Place] = {}
        self.model = settings.model
        self.server = settings.servers[0].label

    async def __call__(
        self,
        messages: Sequence[Any],
        *,
        timeout: Timeout = None,  # noqa: ASYNC109 - of the API, and not for the loop
        max_retries: int | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """
        Ask for a chat completion.

        Args:
            messages: The chat, in order: dicts, or objects that have `model_dump` as OpenAI's have.

            timeout: Seconds for each attempt, or `Timeouts`; None for the handle's.

            max_retries: How often it is sent again at most; None for the handle's.

            body: Everything else, as given: `temperature=0`, `tools=[...]`, `model="..."`. With
                `stream=True` the answer is streamed, and put together.

        Returns:
            A `chat.completion`, with every choice and field that the server sent.
        """
        stream = body.get("stream") is True
        body["messages"] = messages
        outcome = await self.request(CHAT, body, timeout=timeout, max_retries=max_retries, stream=stream)
        return readable_object(outcome, self._redactor, self.server)

    async def complete(
        self,
        prompt: str | Sequence[Any],
        *,
        timeout: Timeout = None,  # noqa: ASYNC109
        max_retries: int | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """Ask for a text completion of *prompt* (`/v1/completions`); otherwise like a call of the handle."""
        stream = body.get("stream") is True
        body["prompt"] = prompt
        outcome = await self.request(
            COMPLETIONS, body, timeout=timeout, max_retries=max_retries, stream=stream
        )
        return readable_object(outcome, self._redactor, self.server)

    async def embed(
        self,
        input: str | Sequence[Any],  # noqa: A002 - the API's word
        *,
        timeout: Timeout = None,  # noqa: ASYNC109
        max_retries: int | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """Ask for embeddings of *input* (`/v1/embeddings`); otherwise like a call of the handle."""
        stream = body.get("stream") is True
        body["input"] = input
        outcome = await self.request(
            EMBEDDINGS, body, timeout=timeout, max_retries=max_retries, stream=stream
        )
        return readable_object(outcome, self._redactor, self.server)

    async def respond(
        self,
        input: str | Sequence[Any],  # noqa: A002 - the API's word
        *,
        timeout: Timeout = None,  # noqa: ASYNC109
        max_retries: int | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """Ask for a response to *input* (`/v1/responses`); otherwise like a call of the handle."""
        stream = body.get("stream") is True
        body["input"] = input
        outcome = await self.request(RESPONSES, body, timeout=timeout, max_retries=max_retries, stream=stream)
        return readable_object(outcome, self._redactor, self.server)

    def stream(
        self,
        messages: Sequence[Any],
        *,
        timeout: Timeout = None,
        max_retries: int | None = None,
        **body: Any,
    ) -> ChatStream:
        """
        Ask for a chat completion as a stream of its chunks.

            async with handle.stream(messages) as chunks:
                async for chunk in chunks:
                    ...

        Nothing is sent before the first chunk is asked for. The request is sent again, as the handle's other
        ones are, only until the answer begins.

        Args:
            messages: As in a call of the handle.

            timeout: As there; `between_chunks` is what finds a stalled stream.

            max_retries: As there.

            body: As there; `stream_options={"include_usage": True}` asks for a last chunk with the usage.
        """
        return self.stream_from(
            CHAT, {"messages": messages, **body}, timeout=timeout, max_retries=max_retries
        )

    def stream_from(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        timeout: Timeout = None,
        max_retries: int | None = None,
    ) -> ChatStream:
        """
        Ask any path that streams, and give the data of its events; otherwise like `stream`.

        Args:
            path: For example "/v1/responses".

            body: All of it; the model is added where it has none, and `stream`.

            timeout: As in `stream`.

            max_retries: As in `stream`.
        """
        data = self._encoded({**body, "stream": True})
        options = self._options_for(timeout, max_retries)

        async def ask() -> Opened:
            place = self._here() or await self._enter()
            targets = place.targets.get(path) or place.prepare(path)
            return Opened(place, path, targets, data, options)

        return ChatStream(path, ask)

    async def request(
        self,
        path: str,
        body: bytes | Mapping[str, Any],
        *,
        timeout: Timeout = None,  # noqa: ASYNC109
        max_retries: int | None = None,
        stream: bool = False,
        retry_truncated: bool = False,
        on_retry: OnRetry | None = None,
        on_attempt: Callable[[], None] | None = None,
    ) -> Outcome:
        """
        Send a request of any path, and give the answer's bytes with what it took to get them.

        Args:
            path: As OpenAI's Batch format has it, "/v1/chat/completions", or without "/v1": either way it is
                put behind the base URL.

            body: Bytes are sent as they are; to a mapping the model is added where it has none.

            timeout: Seconds for each attempt, or `Timeouts`; None for the handle's.

            max_retries: How often it is sent again at most; None for the handle's.

            stream: Whether to read a stream, and put it together; bytes must ask for it themselves.

            retry_truncated: Whether an answer that had begun and ended too early may be asked for anew, which
                may cost twice.

            on_retry: Called before each wait for another attempt, with its cause and seconds.

            on_attempt: Called when an attempt begins, in the request's task, after all waiting for limits.

        Returns:
            The answer of status 200 to 299, its body an object of JSON as it came, not decoded.
        """
        if not isinstance(body, bytes):
            body = self._encoded({**body, "stream": True} if stream else body)
        options = self._options
        if timeout is not None or max_retries is not None or retry_truncated or on_retry or on_attempt:
            options = self._options_for(timeout, max_retries, retry_truncated, on_retry, on_attempt)
        place = self._here() or await self._enter()
        targets = place.targets.get(path) or place.prepare(path)
        if stream:
            return await Collected(place, path, targets, body, options).run()
        if place.lane is None or not place.lane.free:
            return await Plain(place, path, targets, body, options).run()
        # The common case goes the shortest way, with all that follows a failure in `Attempts`. Each coroutine
        # and each object less is worth a microsecond with hundreds under way.
        started = monotonic()
        if on_attempt is not None:
            on_attempt()
        try:
            answer = await place.wire.post(targets[0], body, options.timeouts)
            seconds = monotonic() - started
            return Outcome(answer.status, checked(answer, path, targets[0]), answer.headers, 1, 0.0, seconds)
        except LLMError as error:
            request = Plain(place, path, targets, body, options).after(error, started)
        return await request.run()

    def close_session(self) -> Coroutine[Any, Any, None]:
        """
        Let go of the shared session of the running loop; with the last handle that does, it is closed.

        What other handles have under way goes on. A borrowed session is left as it is. Closed twice, or
        never used, it does nothing; used again, it shares a session again.
        """
        # Not a coroutine function: the caller's line is known however the call is awaited.
        return self._close(callers_line())

    @property
    def limit(self) -> int | None:
        """How many requests its servers let be under way at this moment, together; None for any number."""
        limits = [lane.limit for lane in self._place.lanes] if self._place is not None else []
        told = [limit for limit in limits if limit is not None]
        return sum(told) if told else None

    def _session(self) -> ClientSession | None:
        """Return the session it uses on the running loop, or where no loop runs the one it used last."""
        try:
            place = self._places.get(asyncio.get_running_loop())
        except RuntimeError:
            place = self._place
        return place.pool.session if place is not None else self._settings.session

    async def __aenter__(self) -> Self:
        """Return the handle."""
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Coroutine[Any, Any, None]:
        """Do what `close_session` does."""
        return self._close(callers_line())

    def __repr__(self) -> str:
        """Tell what it asks where, and on what session; no key."""
        others = len(self._settings.servers) - 1
        more = f" and {others} more" if others else ""
        session = self._session()
        return f"<ChatHandle {self.model!r} at {self.server}{more}, {session!r}>"

    def _encoded(self, body: Mapping[str, Any]) -> bytes:
        """Return *body* as JSON, with the handle's model where it has none."""
        if self.model is not None and "model" not in body:
            body = {"model": self.model, **body}
        try:
            return _encode(body)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise RequestError(f"the body cannot be written as JSON: {error}") from error

    def _options_for(
        self,
        timeout: Timeout,
        max_retries: int | None,
        retry_truncated: bool = False,  # noqa: FBT001, FBT002
        on_retry: OnRetry | None = None,
        on_attempt: Callable[[], None] | None = None,
    ) -> Options:
        own = self._options
        timeouts = own.timeouts
        if isinstance(timeout, Timeouts):
            timeouts = timeout
        elif timeout is not None:
            timeouts = _with_attempt(timeouts, timeout)
        retries = own.max_retries if max_retries is None else max_retries
        if retries < 0:
            raise RequestError(f"max_retries={max_retries!r} must be 0 or more")
        return Options(timeouts, retries, own.wait_max, retry_truncated, on_retry, on_attempt)

    def _here(self) -> Place | None:
        """Return where requests go on the running loop, if that is known and still open."""
        place = self._place
        loop = asyncio.get_running_loop()
        if place is None or place.loop is not loop:
            place = self._places.get(loop)
            self._place = place
        return place if place is not None and place.pool.is_open else None

    async def _enter(self) -> Place:
        """Find out where requests go on the running loop; wait for the shared session."""
        settings = self._settings
        pool = await join(self, settings.profile) if settings.session is None else borrow(settings.session)
        lanes = tuple(lane_for(str(address.url), self._key, self, settings) for address in settings.servers)
        place = Place(pool, lanes, settings, self._redactor)
        for closed in [loop for loop in tuple(self._places) if loop.is_closed()]:
            self._places.pop(closed, None)
        self._places[place.loop] = self._place = place
        return place

    async def _close(self, by: str) -> None:
        place = self._places.pop(asyncio.get_running_loop(), None)
        if place is None:
            return
        if self._place is place:
            self._place = None
        for lane in place.lanes:
            lane.part(self)
        await leave(self, place.pool, by)


def _with_attempt(timeouts: Timeouts, seconds: float) -> Timeouts:
    try:
        return dataclasses.replace(timeouts, attempt=seconds)
    except ValueError as error:
        raise RequestError(f"timeout={seconds!r} must be seconds above 0, or Timeouts") from error


def _plain_data(value: object) -> object:
    """Return what msgspec can write in place of an object: those of OpenAI's client and of pydantic."""
    dump: Callable[..., object] | None = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"there is no JSON for a {type(value).__name__}")
    return dump(mode="json", exclude_unset=True)


_encode = msgspec.json.Encoder(enc_hook=_plain_data).encode
