"""Requests and connections over time, in as many steps as a chart has room for."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

__all__ = ["Flow", "Step"]

STEPS_KEPT = 1024
"""How many steps there are at most; then two become one, each twice as long."""
FIRST_STEP_S = 0.01
"""How long a step is in the beginning, in seconds."""


@dataclass(slots=True)
class Step:
    """What happened in one step."""

    requests: int
    """Requests that asked for a connection."""
    made: int
    """Connections that were made."""
    in_use: int
    """Most connections that were in use at once."""
    connections: int
    """Most connections there were at once."""

    def add(self, other: Step) -> None:
        """Take in the step that follows."""
        self.requests += other.requests
        self.made += other.made
        self.in_use = max(self.in_use, other.in_use)
        self.connections = max(self.connections, other.connections)


class Flow:
    """
    Counts as it goes; its size is bounded.

    Args:
        began: When the first step begins: monotonic clock, seconds.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.width = FIRST_STEP_S
        self.steps: list[Step] = []
        self.in_use = 0
        """Connections in use now."""
        self.connections = 0
        """Connections there are now."""
        # Reentrant: a collection may end a session, and so come here, wherever memory is asked for.
        self._lock = threading.RLock()

    def now(self, moment: float) -> Step:
        """Return the step *moment* (monotonic) lies in; steps in which nothing happened are as it was."""
        with self._lock:
            while (index := int((moment - self.began) / self.width)) >= len(self.steps):
                if index >= STEPS_KEPT:
                    self._halve()
                else:
                    self.steps.append(Step(0, 0, self.in_use, self.connections))
            return self.steps[index]

    def use(self, moment: float, change: int) -> None:
        """Note that *change* more connections are in use, or fewer if it is negative."""
        step = self.now(moment)
        self.in_use = max(0, self.in_use + change)
        step.in_use = max(step.in_use, self.in_use)

    def hold(self, moment: float, connections: int) -> None:
        """Note that there are so many *connections*."""
        step = self.now(moment)
        self.connections = connections
        step.connections = max(step.connections, connections)

    def _halve(self) -> None:
        pairs = zip(self.steps[::2], [*self.steps[1::2], None], strict=False)
        merged = []
        for step, following in pairs:
            if following is not None:
                step.add(following)
            merged.append(step)
        self.steps = merged
        self.width *= 2

    def to_json(self) -> dict[str, Any]:
        """Return it as `Recorded` keeps it."""
        return {
            "began": self.began,
            "width": self.width,
            "steps": [[step.requests, step.made, step.in_use, step.connections] for step in self.steps],
        }
