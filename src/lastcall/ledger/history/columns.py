"""Rows as columns of small numbers, which deflate to a few bytes a session and a page reads at once."""

from __future__ import annotations

import base64
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .rows import Outcome

__all__ = ["COLUMNS", "Columns", "write_columns"]

COLUMNS = (
    "opened", "lived", "outcome", "count", "process", "requests", "connections", "spans", "times",
)  # fmt: skip
"""
What is written, in this order, each for all sessions of the first site, then of the second and so on.

"opened" counts from the session before, "lived" from "opened", "times" each from the one before: the begin
and end of each time of use, the first from "opened". "spans" is how many such times a session has.
"""


class Columns:
    """Sessions of one site; times in units of `UNIT_S` since the program began."""

    def __init__(self) -> None:
        self.opened = array("q")
        self.ended = array("q")
        self.outcome = array("B")
        self.count = array("I")
        self.process = array("I")
        self.requests = array("I")
        self.connections = array("I")
        self.spans = array("B")
        self._times = array("q")
        self._times_at = array("Q")

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.opened)

    def add(  # noqa: PLR0917 - a million calls
        self,
        opened: int,
        ended: int,
        outcome: Outcome,
        count: int,
        process: int,
        requests: int,
        connections: int,
        times: Sequence[int],
    ) -> None:
        """Add one row."""
        self.opened.append(opened)
        self.ended.append(max(opened, ended))
        self.outcome.append(outcome)
        self.count.append(count)
        self.process.append(process)
        self.requests.append(requests)
        self.connections.append(connections)
        self.spans.append(len(times) // 2)
        self._times_at.append(len(self._times))
        self._times.extend(times)

    def in_order(self) -> list[int]:
        """Return the indices of all rows, those opened first coming first."""
        return sorted(range(len(self)), key=self.opened.__getitem__)

    def steps(self, order: Iterable[int]) -> Iterator[int]:
        """Yield the column "times"."""
        for row in order:
            before, at = self.opened[row], self._times_at[row]
            for time in self._times[at : at + 2 * self.spans[row]]:
                yield max(0, time - before)
                before = max(before, time)


def write_columns(sites: Iterable[Columns]) -> dict[str, Any]:
    """
    Return the rows of *sites* as a page reads them.

    Returns:
        "names": `COLUMNS`; "bytes": how many each takes; "data": all of them, one after the other, as numbers
        in base 128 with the low digits first, deflated without a header, in base64.
    """
    parts = {name: bytearray() for name in COLUMNS}
    for site in sites:
        order = site.in_order()
        opened = [site.opened[row] for row in order]
        _write(parts["opened"], _differences(opened))
        _write(parts["lived"], (site.ended[row] - site.opened[row] for row in order))
        for name in ("outcome", "count", "process", "requests", "connections", "spans"):
            column = getattr(site, name)
            _write(parts[name], (column[row] for row in order))
        _write(parts["times"], site.steps(order))
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    pressed = b"".join([*map(press.compress, parts.values()), press.flush()])
    return {
        "names": list(parts),
        "bytes": [len(part) for part in parts.values()],
        "data": base64.b64encode(pressed).decode(),
    }


def _differences(values: Iterable[int]) -> Iterator[int]:
    before = 0
    for value in values:
        yield value - before
        before = value


def _write(out: bytearray, values: Iterable[int]) -> None:
    add = out.append
    for value in values:
        if value < 128:  # noqa: PLR2004 - seven bits to a byte
            add(value)
        elif value < 16384:  # noqa: PLR2004 - nearly all there are
            add(value & 127 | 128)
            add(value >> 7)
        else:
            _write_large(add, value)


def _write_large(add: Callable[[int], None], value: int) -> None:
    while value > 127:  # noqa: PLR2004
        add(value & 127 | 128)
        value >>= 7
    add(value)
