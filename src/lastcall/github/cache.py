"""Answers kept for conditional requests: GitHub says 304 for what has not changed, and does not count it."""

from collections import OrderedDict
from dataclasses import dataclass

from multidict import CIMultiDict

from .messages import Request, Response

__all__ = ["ConditionalCache"]

_OK, _NOT_MODIFIED = 200, 304
_LARGEST_PART = 8
"""One answer may take up that part of the cache at most."""


@dataclass(frozen=True, slots=True)
class _Entry:
    response: Response
    validators: dict[str, str]
    size: int


class ConditionalCache:
    """
    The answers to GETs, by whose token, `Accept` and URL; the least recently used go first.

    It keeps bytes, which are parsed anew for everyone who asks: no two callers share an object. Every answer
    is revalidated, so none is stale.

    Args:
        bytes_max: Bytes kept in all; 0 keeps nothing.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str, str], _Entry] = OrderedDict()

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Bytes of their bodies."""
        return self._bytes

    def validators(self, identity: str, request: Request) -> dict[str, str]:
        """Return the headers that make *request* conditional; empty if nothing is kept, or a caller's own."""
        if request.headers.keys() & {"If-None-Match", "If-Modified-Since", "Range"}:
            return {}
        entry = self._entries.get(_key(identity, request))
        return dict(entry.validators) if entry else {}

    def settle(self, identity: str, request: Request, sent: dict[str, str], response: Response) -> Response:
        """
        Keep *response*, or return what is kept if it says that this is still right.

        Args:
            identity: Whose token.

            request: What was asked.

            sent: The validators that went with it.

            response: A 304 is answered from the cache only if *sent* made it one.
        """
        key = _key(identity, request)
        if response.status == _NOT_MODIFIED and sent:
            entry = self._entries.get(key)
            if entry is not None and entry.validators == sent:
                self._entries.move_to_end(key)
                return _refreshed(entry.response, response)
        elif request.method == "GET" and response.status == _OK:
            self._keep(key, response)
        return response

    def forget(self, identity: str, request: Request) -> None:
        """Drop what is kept for *request*."""
        entry = self._entries.pop(_key(identity, request), None)
        self._bytes -= entry.size if entry else 0

    def _keep(self, key: tuple[str, str, str], response: Response) -> None:
        old = self._entries.pop(key, None)
        self._bytes -= old.size if old else 0
        pairs = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
        validators = {sent: response.headers[got] for sent, got in pairs.items() if got in response.headers}
        size = len(response.body)
        if not validators or size * _LARGEST_PART > self._bytes_max:
            return
        self._entries[key] = _Entry(response, validators, size)
        self._bytes += size
        while self._bytes > self._bytes_max:
            self._bytes -= self._entries.popitem(last=False)[1].size


def _key(identity: str, request: Request) -> tuple[str, str, str]:
    return identity, request.headers.get("Accept", ""), str(request.url)


def _refreshed(kept: Response, fresh: Response) -> Response:
    """Return what is kept with the limits of the answer that confirmed it."""
    headers = CIMultiDict(kept.headers)
    headers.update({name: value for name, value in fresh.headers.items() if name.lower().startswith("x-")})
    return Response(kept.status, headers, kept.body, kept.url)
