"""Where a handle sends its requests on one loop, with all that they have in common made ready."""

import asyncio
import re

from aiohttp import ClientSession

from .balance import Balance
from .errors import RequestError
from .lane import Lane
from .problems import Redactor
from .proxies import environments_proxy
from .settings import Address, Settings
from .sharing import Pool
from .target import Target

__all__ = ["Place"]

_PATH = re.compile(r"/[!-\"$-~]*")
_PATHS_MAX = 64
"""How many paths are kept ready: those of a batch come from its file, and may be any number."""

_SHOWN = 80


class Place:
    """
    Where a handle sends requests on the running loop.

    Args:
        pool: The session and its wire.

        lanes: What limits each server, in the order of the handle's servers.

        settings: The handle's.

        redactor: Keeps the key out of errors.

    Attributes:
        lane: The only lane; None if there are several.

        balance: Chooses among several servers; None for one.

        targets: From a path as it was given to its target on each server; see `prepare`.
    """

    __slots__ = ("_settings", "balance", "lane", "lanes", "loop", "pool", "redactor", "targets", "wire")

    def __init__(self, pool: Pool, lanes: tuple[Lane, ...], settings: Settings, redactor: Redactor) -> None:
        self.loop = asyncio.get_running_loop()
        self.pool = pool
        self.wire = pool.wire
        self.lanes = lanes
        self.lane = lanes[0] if len(lanes) == 1 else None
        weights = [address.weight for address in settings.servers]
        self.balance = Balance(lanes, weights) if len(lanes) > 1 else None
        self.redactor = redactor
        self.targets: dict[str, tuple[Target, ...]] = {}
        self._settings = settings

    def prepare(self, path: str) -> tuple[Target, ...]:
        """
        Make ready what requests to *path* have in common, keep it, and return it: a target for each server.

        Raises:
            RequestError: For a path that is none, or headers that cannot be sent.
        """
        if not _PATH.fullmatch(path):
            raise RequestError(f"{path[:_SHOWN]!r} is no path: it looks like '/v1/chat/completions'")
        if len(self.targets) >= _PATHS_MAX:
            self.targets.clear()
        session = self.pool.session
        targets = tuple(self._target(server, path, session) for server in self._settings.servers)
        self.targets[path] = targets
        return targets

    def _target(self, server: Address, path: str, session: ClientSession) -> Target:
        settings = self._settings
        proxy = getattr(session, "_default_proxy", None)
        if proxy is None and not settings.clear_proxy:
            proxy = environments_proxy(server.url)
        headers = dict(session.headers)
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        headers.update(settings.headers)
        below = path.removeprefix("/v1")
        return Target.make(str(server.url), below, headers=headers, proxy=proxy, ssl=settings.ssl)
