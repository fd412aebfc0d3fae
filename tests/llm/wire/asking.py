"""The three ways to ask, in one."""

from __future__ import annotations

from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire

__all__ = ["HOW", "asked", "held"]

HOW = ["post", "collect", "open"]


async def asked(wire: Wire, how: str, to: Target, body: bytes, timeouts: Timeouts) -> list[bytes]:
    """Ask, and return the chunks of the answer; of a plain one its body."""
    if how == "post":
        return [(await wire.post(to, body, timeouts)).body]
    if how == "collect":
        return (await wire.collect(to, body, timeouts)).chunks
    return [data async for data in await wire.open(to, body, timeouts)]


def held(wire: Wire) -> int:
    """Return how many connections requests hold."""
    connector = wire.session.connector
    return len(connector._acquired) if connector is not None else 0
