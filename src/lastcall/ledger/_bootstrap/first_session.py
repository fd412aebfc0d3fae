"""Learn of the first session of a process, at no cost for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import ClientSession

__all__ = ["call_at_first_session"]


def call_at_first_session(function: Callable[[], None]) -> None:
    """
    Call *function* when the next session is made, just before; only once.

    To be called when the ledger is in place: its hook is put back at the first session.
    """
    below = ClientSession.__dict__.get("__new__", staticmethod(_plain_new))

    def first_new(cls: type[ClientSession], /, *args: Any, **kwargs: Any) -> ClientSession:
        ClientSession.__new__ = below  # type: ignore[method-assign]
        function()
        return ClientSession.__new__(cls, *args, **kwargs)

    ClientSession.__new__ = staticmethod(first_new)  # type: ignore[method-assign,assignment]


def _plain_new(cls: type[ClientSession], /, *_: Any, **__: Any) -> ClientSession:
    # A class that ever had a __new__ of its own can no longer do without: object's refuses arguments.
    return object.__new__(cls)
