"""The state of a connector's pool, read from aiohttp's private attributes: here and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sized
from typing import TYPE_CHECKING, Any

from aiohttp.client_proto import ResponseHandler

from lastcall.ledger.entries import Peer, peer_of

if TYPE_CHECKING:
    from aiohttp.connector import BaseConnector

__all__ = ["Pool"]


class Pool:
    """
    What one connector holds at this moment; may be read from any thread.

    Args:
        connector: Whose pool. aiohttp keeps three collections, the same from 3.11 to 3.14: idle connections
            and waiters by key, and a set of those in use, whose hosts it knows only under a limit per host.

        peers: Where the connections in use lead to, as the ledger noted it when they were opened.
    """

    __slots__ = ("idle", "in_use", "limit", "limit_per_host", "opening", "waiting")

    def __init__(self, connector: BaseConnector, peers: Mapping[Any, Peer]) -> None:
        self.limit = connector._limit
        self.limit_per_host = connector._limit_per_host
        # list() and tuple() copy in one step, while the loop's thread goes on.
        self.idle = _by_host(list(connector._conns.items()))
        self.waiting = _by_host(list(connector._waiters.items()))
        self.in_use: Counter[tuple[str, int]] = Counter()
        self.opening = 0
        """Connections that are being opened, or were opened before the watch."""
        held: tuple[Any, ...] = tuple(connector._acquired)
        for protocol in held:
            # What is being opened has a placeholder, which takes no weak reference.
            peer = peers.get(protocol) if isinstance(protocol, ResponseHandler) else None
            if peer is None:
                self.opening += 1
            else:
                self.in_use[peer.host, peer.port] += 1


def _by_host(sized: Iterable[tuple[Any, Sized]]) -> Counter[tuple[str, int]]:
    # Several keys lead to one host: by way of a proxy, or with another TLS context.
    counted: Counter[tuple[str, int]] = Counter()
    for key, items in sized:
        peer = peer_of(key)
        counted[peer.host, peer.port] += len(items)
    return counted
