"""Which of several servers gets the next request."""

import time
from collections.abc import Sequence

from .lane import Lane

__all__ = ["Balance"]


class Balance:
    """
    Chooses the server with the least under way for its weight, among those that are well.

    Args:
        lanes: One for each server, shared with other handles, so that their load counts too.

        weights: One for each server, above 0.
    """

    def __init__(self, lanes: Sequence[Lane], weights: Sequence[float]) -> None:
        self._lanes = tuple(lanes)
        self._weights = tuple(weights)
        # Stride scheduling, for those with the same load: each choice costs the inverse of the weight.
        self._passes = [0.0] * len(self._lanes)

    def choose(self, avoided: int | None = None) -> int:
        """
        Return the index of a server.

        Args:
            avoided: One that just failed this request: taken only if no other is well.
        """
        now = time.monotonic()
        indexes = range(len(self._lanes))
        chosen = min(indexes, key=lambda index: (*self._burden(index, now, avoided), self._passes[index]))
        # One that was away for long must not make up for all of that at once.
        least = self._passes[chosen]
        self._passes = [max(passed, least) for passed in self._passes]
        self._passes[chosen] += 1 / self._weights[chosen]
        return chosen

    def has_other(self, avoided: int) -> bool:
        """Return whether a server other than *avoided* can be asked at once."""
        now = time.monotonic()
        return any(
            self._burden(index, now, None)[0] == 0 for index in range(len(self._lanes)) if index != avoided
        )

    def _burden(self, index: int, now: float, avoided: int | None) -> tuple[int, float]:
        """Return how bad a choice a server is: first its state, then its load."""
        lane = self._lanes[index]
        if not lane.health.takes(lane.in_flight):
            return 2, lane.health.away_until
        held = now < lane.held_until
        load = lane.held_until if held else lane.in_flight / self._weights[index]
        return int(held or index == avoided), load
