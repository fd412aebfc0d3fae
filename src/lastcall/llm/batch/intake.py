"""Decides for each line of the input what is to be done with it: send, pass over, or refuse."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator

from .driver import Item
from .index import FAILED, KEY, MET, VALUE, IdIndex, key_of
from .requests import LINE_MAX, BatchRequest, LineError, Requests
from .results import LINE_PREFIX

__all__ = ["Intake", "Numbered"]

Numbered = tuple[int, bytes | None]
"""A line's number, counted from one, and the line; None for one over the limit."""

_TURN = 200
"""Lines that are passed over before others have a turn: about a millisecond."""

_SCALE = 1 << 64


class Intake:
    """
    Reads the input against what the output holds, and counts.

    Args:
        requests: Makes requests of lines.

        index: What the output holds of each id; it also becomes the memory of the ids met.

        limit: Lines to take up at most, done ones included; None for all.

        sample: Share of the lines to take up, above 0 and at most 1, chosen by a hash of the id: the same
            ones each time.

        ordered: Whether to remember the order of the ids, at 12 bytes each.

        on_done: Called for each request that is done already.
    """

    def __init__(
        self,
        requests: Requests,
        index: IdIndex,
        *,
        limit: int | None = None,
        sample: float = 1.0,
        ordered: bool = False,
        on_done: Callable[[], None] | None = None,
    ) -> None:
        self._requests = requests
        self._index = index
        self._limit = limit
        self._threshold = int(sample * _SCALE)
        self.on_done = on_done
        self.order: bytearray | None = bytearray() if ordered else None
        """Keys of 12 bytes in the order of the input, or None."""
        self.taken = 0
        """Lines taken up so far: sent, done already, or refused."""
        self.sent = 0
        """Requests given out to be sent."""
        self.done = 0
        """Requests passed over because the output has their answer."""
        self.changed = 0
        """Requests given out although the output has an answer of their id: to another request."""
        self.refused = 0
        """Lines that are no requests."""
        self.supersedes = False
        """Whether the output will have lines that later ones take the place of, or an order to be mended."""

    def items(self, lines: Iterable[Numbered]) -> Iterator[Item]:
        """Yield what is to be sent, and what is wrong with lines; None in between, after many passed over."""
        passed = 0
        for line in lines:
            if self.taken == self._limit:
                return
            item = self._look(line)
            if item is not None:
                yield item
                passed = 0
                continue
            passed += 1
            if passed == _TURN:
                passed = 0
                yield None

    async def items_async(self, lines: AsyncIterable[Numbered]) -> AsyncIterator[Item]:
        """Do as `items` for lines that have to be waited for."""
        async for line in lines:
            for item in self.items((line,)):
                yield item
            if self.taken == self._limit:
                return

    def _look(self, line: Numbered) -> Item:
        number, text = line
        try:
            if text is None:
                problem = f"longer than {LINE_MAX // 2**20} MiB"
                raise LineError.at(number, "line_too_long", problem)
            return self._look_at_request(self._requests.from_line(number, text))
        except LineError as error:
            self._take(key := key_of(f"{LINE_PREFIX}{number}"))
            self.refused += 1
            self.supersedes = self._index.put(key, MET) is not None or self.supersedes
            return error

    def _look_at_request(self, request: BatchRequest) -> Item:
        key = key_of(request.custom_id)
        if int.from_bytes(key[KEY - VALUE :], "big") >= self._threshold:
            return None
        before = self._index.put(key, MET)
        if before == MET:
            problem = f"custom_id {request.custom_id!r} was there already"
            raise LineError.at(request.line, "duplicate_custom_id", problem, request.custom_id)
        self._take(key)
        if before == request.digest[:VALUE]:
            self._pass_over()
            return None
        if before is not None:
            self.supersedes = True
            self.changed += before != FAILED
        self.sent += 1
        return request

    def _take(self, key: bytes) -> None:
        self.taken += 1
        if self.order is not None:
            self.order += key

    def _pass_over(self) -> None:
        self.done += 1
        if self.sent and self.order is not None:
            self.supersedes = True  # what is sent before it comes after it in the output
        if self.on_done is not None:
            self.on_done()
