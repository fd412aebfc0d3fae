"""The requests that a scripted server has read, the newest of them kept."""

from __future__ import annotations

import itertools
import json
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .script import Call

__all__ = ["CallLog"]


class CallLog:
    """
    Numbers requests, counts their attempts, and keeps them.

    Args:
        most: How many are kept, and of how many the attempts are known.
    """

    def __init__(self, most: int) -> None:
        self._calls: deque[Call] = deque(maxlen=most)
        self._attempts: Counter[int] = Counter()
        self._most = most
        self._numbers = itertools.count(1)

    def all(self) -> list[Call]:
        """Return a copy, in the order of arrival."""
        return list(self._calls.copy())

    async def read(self, request: web.Request, *target: str, connection: int) -> Call:
        """
        Read a request wholly, and keep it.

        Args:
            request: Of aiohttp's server.

            target: What makes two requests of the same body attempts at one thing.

            connection: The number of the one it came on.
        """
        raw = await request.read()
        if len(self._attempts) >= self._most:
            self._attempts.clear()
        self._attempts[key := hash((target, raw))] += 1
        call = Call(
            number=next(self._numbers),
            attempt=self._attempts[key],
            method=request.method,
            path=request.path,
            connection=connection,
            headers=request.headers,
            json=_json_object(raw),
        )
        self._calls.append(call)
        return call


def _json_object(raw: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(raw)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
