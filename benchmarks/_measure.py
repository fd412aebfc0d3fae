"""Measures peers fairly: interleaved rounds in one run, the best and the median, ratios to the first."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Result", "measure", "table"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one peer cost."""

    best: float
    """Seconds per operation, in the best round."""
    median: float
    """Seconds per operation, in the middle round."""


def measure(peers: Mapping[str, Callable[[], float]], *, rounds: int = 7) -> dict[str, Result]:
    """
    Run every peer once per round, in turn, so that a busy moment hurts all alike.

    Args:
        peers: From a name to a function that does its work and returns seconds per operation.

        rounds: How often; one more comes before, and is thrown away.

    Returns:
        From the name of each peer to its result, in the order of *peers*.
    """
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name, run in peers.items():
            taken = run()
            if number:
                seconds[name].append(taken)
    return {name: Result(min(taken), statistics.median(taken)) for name, taken in seconds.items()}


def table(title: str, results: Mapping[str, Result]) -> str:
    """Return *results* as a table of microseconds, with each best as a ratio to the first peer's best."""
    width = max(len(name) for name in results)
    base = next(iter(results.values())).best
    rows = [f"{title}", f"  {'':{width}}  {'best us':>9}  {'median us':>9}  {'ratio':>7}"]
    for name, result in results.items():
        best, median = result.best * 1e6, result.median * 1e6
        rows.append(f"  {name:{width}}  {best:9.2f}  {median:9.2f}  {result.best / base:6.2f}x")
    return "\n".join(rows)
