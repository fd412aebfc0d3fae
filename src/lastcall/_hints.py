"""Words for annotations that say who owns a session. Nothing looks at them when a program runs."""

from __future__ import annotations

__all__ = ["Borrowed"]


class Borrowed:
    """
    Says that a session is only lent: who receives it does not close it, and who gives it still has to.

    `lastcall check` reads it in annotations, like the comment `# lastcall: borrows` beside a parameter:

        async def fetch(session: Annotated[aiohttp.ClientSession, lastcall.Borrowed]) -> str: ...
    """
