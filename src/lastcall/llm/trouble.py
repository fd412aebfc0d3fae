"""What aiohttp raises, said in the words of this package: one table, used at the boundary."""

from __future__ import annotations

import os

import aiohttp
from aiohttp import http

from lastcall.errors import SessionClosedError

from .errors import AnswerError, ConnectionFailedError, LLMError, TimedOutError, TruncatedError

__all__ = ["explained", "is_lost", "timed_out"]

_SAID_MAX = 300
_CERTIFICATE = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)


def is_lost(error: BaseException) -> bool:
    """Whether a connection ended that had been made."""
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError
    )


def timed_out(limit: str, seconds: float, server: str) -> TimedOutError:
    """Return the error for a limit that was reached."""
    what = {
        "total": "no whole answer came",
        "attempt": "no whole answer came",
        "connect": "no connection was made",
        "first_byte": "no answer began",
        "between_chunks": "the answer stalled: nothing came",
    }[limit]
    error = TimedOutError(f"{what} within {seconds:g} s (timeout {limit!r})", server=server)
    error.limit = limit
    error.seconds = seconds
    return error


def explained(  # noqa: PLR0911
    error: BaseException,
    server: str,
    *,
    began: bool = False,
    status: int | None = None,
    request_id: str | None = None,
    body: bytes = b"",
    chunks: tuple[bytes, ...] = (),
) -> BaseException:
    """
    Return what to raise for *error*, which may be *error* itself.

    Args:
        error: From aiohttp, asyncio or this package.

        server: Scheme, host and port.

        began: Whether a byte of the answer came.

        status: Of the answer, if its head came; with *request_id*.

        request_id: What the server calls the request.

        body: What came of the answer, if it is no stream.

        chunks: What came of it, if it is a stream.
    """
    if isinstance(error, SessionClosedError) or not isinstance(error, Exception):
        return error
    if isinstance(error, LLMError):
        return _completed(error, status, request_id, body, chunks)
    if isinstance(error, _CERTIFICATE):
        return ConnectionFailedError(f"the server's certificate is refused: {_reason(error)}", server=server)
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailedError(f"no connection could be made: {_reason(error)}", server=server)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionFailedError(
            f"the proxy refused with {error.status}: {_reason(error)}", server=server
        )
    if isinstance(error, http.HttpProcessingError | aiohttp.ClientResponseError):
        return AnswerError(f"the answer is not HTTP: {_reason(error)}", server=server, status=status)
    if not isinstance(error, aiohttp.ClientError | OSError):
        return error
    if not began:
        return ConnectionFailedError(
            f"the connection ended before an answer: {_reason(error)}", server=server
        )
    cut = TruncatedError(f"the answer began and was cut off: {_reason(error)}", server=server)
    return _completed(cut, status, request_id, body, chunks)


def _completed(
    error: LLMError, status: int | None, request_id: str | None, body: bytes, chunks: tuple[bytes, ...]
) -> LLMError:
    """Add to an error what came of the answer."""
    error.status = error.status or status
    error.request_id = error.request_id or request_id
    error.body = error.body or body
    if isinstance(error, TimedOutError | TruncatedError):
        error.chunks = chunks
    return error


def _reason(error: BaseException) -> str:
    """Return why, in the words of what is beneath; nothing of the request is in them."""
    said: str | None
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        said = str(error.certificate_error)
    elif isinstance(error, aiohttp.ServerFingerprintMismatch):
        said = "its fingerprint is another"
    elif isinstance(error, aiohttp.ClientConnectorError):
        said = _of_system(error.os_error)
    elif isinstance(error, http.HttpProcessingError | aiohttp.ClientResponseError):
        said = error.message
    elif isinstance(error, aiohttp.ClientPayloadError) and isinstance(
        error.__cause__, http.HttpProcessingError
    ):
        said = error.__cause__.message
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        said = "the server closed it"
    else:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(said.split())[:_SAID_MAX] or type(error).__name__


def _of_system(error: OSError) -> str:
    # asyncio writes the address into it, which is said already; errors of name resolution count below zero.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
