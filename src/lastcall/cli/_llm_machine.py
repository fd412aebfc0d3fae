"""What a process may do to itself for speed, and a library must not: loop, garbage collector, open files."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
from collections.abc import Callable, Iterable

try:
    import resource
except ImportError:  # Windows, where a process may open as many as it likes
    resource = None  # type: ignore[assignment]

__all__ = ["allow_open_files", "loop_factory", "tune_garbage_collector"]

_BESIDE = 64
"""Files that are open beside the connections."""

_GC_THRESHOLD = 50_000


def loop_factory(base_urls: Iterable[str]) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, if it is there and no server speaks TLS, for which it takes longer; else None."""
    if any(url.startswith("https:") for url in base_urls) or importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def tune_garbage_collector() -> None:
    """Keep what was imported out of its sight, and have it look less often: it costs a tenth of a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)


def allow_open_files(connections: int) -> int:
    """
    Raise the limit of open files to what so many connections need.

    Returns:
        How many connections the system allows: *connections*, or fewer, at least 1.
    """
    if resource is None:
        return connections
    needed = connections + _BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS has a limit below the one it tells of
        wanted = soft
    return min(connections, max(1, wanted - _BESIDE))
