"""Words for annotations that say who owns a session. Nothing looks at them when a program runs."""

from __future__ import annotations

__all__ = ["Borrowed"]


class Borrowed:
    """
    Says that a session is only lent: whoever receives it does not close it, and whoever gives it still has to.

    `lastcall check` reads it in annotations, as a comment `# lastcall: borrows` beside the parameter:

        async def fetch(session: Annotated[aiohttp.ClientSession, lastcall.Borrowed]) -> str: ...
    """
