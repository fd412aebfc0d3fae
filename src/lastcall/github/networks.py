"""Addresses that may send deliveries: networks given, and those that GitHub says are its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

__all__ = ["AllowList", "Network"]

Network = IPv4Network | IPv6Network

_REFRESH_S = 3600.0
_RETRY_S = 60.0

_log = logging.getLogger("lastcall.github")


class AllowList:
    """
    Networks; ask with `address in allow_list`.

    Behind a proxy the server must be told to trust it (uvicorn: `--proxy-headers`), or every address is the
    proxy's.

    Args:
        networks: Always allowed.

        fetch: Returns the networks of GitHub's hooks, as texts (`GET /meta`, "hooks"); None to ask nobody.
    """

    def __init__(
        self, networks: Iterable[Network] = (), fetch: Callable[[], Awaitable[Iterable[str]]] | None = None
    ) -> None:
        self._given = tuple(networks)
        self._fetched: tuple[Network, ...] = ()
        self._fetch = fetch

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        """Tell whether *address* is in one of them; one of IPv4 written as IPv6 is the one it means."""
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in (*self._given, *self._fetched))

    async def refresh(self) -> None:
        """Ask GitHub once; raises what that raises, and leaves the networks as they were."""
        if self._fetch is not None:
            self._fetched = tuple(ip_network(text) for text in await self._fetch())

    async def keep_fresh(self) -> None:
        """Ask GitHub every hour, until cancelled; a failure is logged, and tried again in a minute."""
        while self._fetch is not None:
            try:
                await self.refresh()
                pause = _REFRESH_S
            except Exception as error:  # noqa: BLE001 - yesterday's networks are better than none
                _log.warning("GitHub's networks could not be asked for: %s: %s", type(error).__name__, error)
                pause = _RETRY_S
            await asyncio.sleep(pause)
