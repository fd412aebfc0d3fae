"""
What can become of a request to a model server other than an answer.

    LLMError (LastcallError)
    ├── RequestError (ValueError)         a request, address or key that cannot be sent; nothing was
    ├── StatusError                       the server answered with a status of 300 or above
    │   └── RateLimitedError              ... with 429
    ├── ConnectionFailedError             no connection, or it ended before one byte of the answer
    │   (aiohttp.ClientConnectionError)
    ├── TimedOutError (TimeoutError)      one of the limits of `Timeouts` was reached; says which
    └── AnswerError                       an answer that cannot be read: not JSON, the wrong content type
        └── TruncatedError                ... it began and ended too early; carries what came

Every error carries its data as attributes, can be pickled, and never holds a key, a header of the request
or a query string.
"""

import aiohttp

from lastcall.errors import LastcallError

__all__ = [
    "AnswerError",
    "ConnectionFailedError",
    "LLMError",
    "RateLimitedError",
    "RequestError",
    "StatusError",
    "TimedOutError",
    "TruncatedError",
]


class LLMError(LastcallError):
    """
    Base of every error of a request to a model server.

    Attributes:
        problem: What happened, in one sentence.

        server: Scheme, host and port of the server, or None if no request was made.

        status: HTTP status of the answer, or None if none came.

        request_id: What the server calls the request (`x-request-id`), or None.

        body: The answer's body as it came, as far as it came; b"" if none did.

        attempt: Which attempt this was, counted from one; 0 if none was made.

        retry_after: Seconds for which the server asks to be left alone, or None.
    """

    def __init__(
        self,
        problem: str,
        *,
        server: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        body: bytes = b"",
        attempt: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.server = server
        self.status = status
        self.request_id = request_id
        self.body = body
        self.attempt = attempt
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Return the problem, and where, which attempt and under which id it happened."""
        about = [
            f"attempt {self.attempt}" if self.attempt > 1 else "",
            f"request id {self.request_id}" if self.request_id else "",
            f"the server asks for {self.retry_after:g} s" if self.retry_after is not None else "",
        ]
        told = ", ".join(filter(None, about))
        return f"{self.server or 'request'}: {self.problem}" + (f" ({told})" if told else "")

    def __reduce__(self) -> tuple[object, ...]:
        """Make a copy by the problem, and by what else it carries."""
        return _again, (type(self), self.problem, self.__dict__)


def _again(kind: type[LLMError], problem: str, data: dict[str, object]) -> LLMError:
    error = kind.__new__(kind, problem)
    error.__dict__.update(data)
    return error


class RequestError(LLMError, ValueError):
    """A request, an address, a key or an option that cannot be; nothing was sent."""


class StatusError(LLMError):
    """
    The server answered with a status of 300 or above: it refused, failed, or sends elsewhere.

    Attributes:
        code: OpenAI's `error.code`, or None.

        kind: OpenAI's `error.type`, or None.

        should_retry: What the server says of another attempt (`x-should-retry`), or None.
    """

    code: str | None = None
    kind: str | None = None
    should_retry: bool | None = None


class RateLimitedError(StatusError):
    """The server answered with 429: too many requests or tokens, or no credit (`insufficient_quota`)."""


class ConnectionFailedError(LLMError, aiohttp.ClientConnectionError):
    """No connection was made, or it ended before one byte of the answer; the cause says why."""


class TimedOutError(LLMError, TimeoutError):
    """
    A limit of time was reached.

    Attributes:
        limit: Which one, by its name in `Timeouts`: "total", "attempt", "connect", "first_byte" or
            "between_chunks".

        seconds: How long it was.

        chunks: What had come of a stream, the events' data in order.
    """

    limit: str = "total"
    seconds: float = 0.0
    chunks: tuple[bytes, ...] = ()


class AnswerError(LLMError):
    """An answer that cannot be read: not JSON, or not what was asked for."""


class TruncatedError(AnswerError):
    """
    The answer began and ended too early; it is never asked for again silently.

    Attributes:
        chunks: What had come of a stream, the events' data in order; of a plain answer see `body`.
    """

    chunks: tuple[bytes, ...] = ()
