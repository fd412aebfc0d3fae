"""One connection of a shared connector: knows its age, and looks at its socket before it is used again."""

import asyncio
import contextlib
import functools
import math
import random
import select
import time
from collections.abc import Callable, MutableSet

from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler

from lastcall.errors import LastcallError

from .calls import Ending

__all__ = ["PooledHandler"]

_JITTER = 0.025
"""Largest part of `max_age` taken off by chance, see `SessionProfile.max_age`."""


class PooledHandler(ResponseHandler):
    """
    aiohttp's protocol of one connection, with what a shared connector needs to know of it.

    Args:
        live: Holds the handlers whose connection is not gone yet; this one enters and leaves it.

        changed: Set whenever one of them leaves.

        max_age: Seconds after which the connection is spent, None for never.

        loop: The connector's loop.
    """

    def __init__(
        self,
        live: MutableSet["PooledHandler"],
        changed: asyncio.Event,
        max_age: float | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(loop)
        self._live = live
        self._changed = changed
        self._max_age = max_age
        self._spent_at = math.inf
        self._look: Callable[[], object] = bool
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the age and prepare the look at the socket."""
        super().connection_made(transport)
        self._wire = self.transport
        self._live.add(self)
        if self._max_age is not None:
            self._spent_at = time.monotonic() + self._max_age * (1 - _JITTER * random.random())  # noqa: S311
        self._look = _look_at(transport.get_extra_info("socket"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that the connection is gone."""
        super().connection_lost(exc)
        self._wire = None
        self._look = bool
        self._live.discard(self)
        self._changed.set()

    @property
    def wire(self) -> asyncio.Transport | None:
        """The transport until its connection is really gone; None too when TLS has taken it over."""
        # aiohttp's own `transport` is None as soon as closing begins. Inside a proxy's tunnel the TLS layer
        # becomes the transport's protocol, and this handler never hears of it again.
        wire = self._wire
        with contextlib.suppress(AttributeError):  # from asyncio's TLS transport, once it was closed twice
            if wire is not None and wire.get_protocol() is not self:
                return None
        return wire

    def is_spent(self, now: float) -> bool:
        """
        Whether an idle connection must not be used again: it is lost, too old, or has something to say.

        Between two responses a server says nothing, so what can be read is the end of the connection, or
        something that would be taken for the next response.
        """
        return now >= self._spent_at or self.transport is None or bool(self._look())

    def fail(self, ending: Ending) -> None:
        """Give those who wait on this connection, for headers, body or message, the error that says why."""
        payload = self._payload
        self.set_exception(ending.error())
        if isinstance(payload, StreamReader):
            payload.set_exception(ending.error())
        elif payload is not None:
            # A websocket takes a ClientError for a lost connection and does not pass it on.
            error = LastcallError(str(ending.error()))
            error.__cause__ = ending.error()
            payload.set_exception(error)


def _look_at(sock: object) -> Callable[[], object]:
    """Return what tells, without waiting, whether *sock* can be read or is hung up."""
    fileno = getattr(sock, "fileno", None)
    if fileno is None:  # no socket beneath, as in tests with a transport of their own
        return bool
    number = fileno()
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([number], [], [], 0)[0]
    poller = select.poll()
    poller.register(number, select.POLLIN)
    return functools.partial(poller.poll, 0)
