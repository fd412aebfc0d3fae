"""A gate that lets so many in at once, in their order; how many may change at any time."""

import asyncio
from collections import deque

__all__ = ["Gate"]


class Gate:
    """
    Lets at most `limit` in at once; belongs to one loop.

    `asyncio.Semaphore` has a number that cannot be lowered while it is in use.

    Args:
        limit: At least 1.

    Attributes:
        taken: How many are in.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def enter_at_once(self) -> bool:
        """Take a place if one is free and nobody waits; return whether it did."""
        if self.taken >= self.limit or self._waiting:
            return False
        self.taken += 1
        return True

    async def enter(self) -> None:
        """Wait for a place and take it; whoever is cancelled while waiting takes none."""
        if self.enter_at_once():
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given just as its task was cancelled
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back, to the one who waits longest."""
        self.taken -= 1
        self._let_in()

    def resize(self, limit: int) -> None:
        """Let so many in from here on; those who are in stay."""
        self.limit = limit
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self.taken < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)
