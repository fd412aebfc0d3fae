"""How often which duration came, in constant memory and to better than one per cent."""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["Histogram", "bounds", "coarse", "coarse_bounds", "quantile"]

_SHIFT = 16
"""Bits of a 32-bit float that are left out: what stays has 128 steps to each doubling, 0.8 % at most."""
_COARSE = 3
"""Bits left out besides: 16 steps to each doubling, 6 % at most, for what is kept many times."""
_UPPER = 1 if sys.byteorder == "little" else 0


class Histogram:
    """
    Counts of durations by bucket, each bucket about 0.8 % wide; zero has its own.

    What is added is only kept at first, and counted many at a time: that costs a tenth of a microsecond a
    value, a third of what a logarithm for each would.
    """

    __slots__ = ("_counts", "pending")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.pending: list[float] = []
        """Seconds not yet counted, for the one who owns this to append to; `settle` empties it."""

    def settle(self) -> Counter[int]:
        """Count what is pending, and return the counts of that alone, by bucket."""
        if not self.pending:
            return Counter()
        fresh = Counter(_buckets(self.pending))
        self._counts.update(fresh)
        self.pending.clear()
        return fresh

    def counts(self) -> dict[int, int]:
        """Return how many values each bucket holds, lowest bucket first; see `bounds`."""
        self.settle()
        return dict(sorted(self._counts.items()))


def _buckets(values: Iterable[float]) -> list[int]:
    # The upper half of a float is its exponent and the first bits of its mantissa: a logarithm for nothing.
    return memoryview(array("f", values)).cast("B").cast("H")[_UPPER::2].tolist()


def bounds(bucket: int) -> tuple[float, float]:
    """Return the least value of a bucket of a `Histogram`, and that of the next."""
    return _value(bucket), _value(bucket + 1)


def coarse(counts: Mapping[int, int]) -> Counter[int]:
    """Return the same counts by eight times wider buckets."""
    merged: Counter[int] = Counter()
    for bucket, count in counts.items():
        merged[bucket >> _COARSE] += count
    return merged


def coarse_bounds(bucket: int) -> tuple[float, float]:
    """Return the bounds of a bucket of `coarse`."""
    return _value(bucket << _COARSE), _value((bucket + 1) << _COARSE)


def _value(bucket: int) -> float:
    value: float = struct.unpack("=f", struct.pack("=I", bucket << _SHIFT))[0]
    return value


def quantile(counts: Mapping[int, int], share: float, *, wide: bool = False) -> float | None:
    """
    Return the value below which that share of the values lies, None if there are none.

    Args:
        counts: By bucket, in any order.

        share: From 0, the least, to 1, the greatest.

        wide: Whether the buckets are those of `coarse`.
    """
    rank = max(1, round(share * sum(counts.values())))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            low, high = coarse_bounds(bucket) if wide else bounds(bucket)
            return (low + high) / 2 if bucket else 0.0
    return None
