"""Server-sent events, found in bytes that may be cut anywhere."""

from __future__ import annotations

__all__ = ["EventParser"]

_DONE = b"[DONE]"
_MARK = b"\xef\xbb\xbf"


class EventParser:
    """
    Finds the data of server-sent events.

    It wants no text: what is cut in the middle of a character is joined before anybody decodes it. Lines
    may end in LF, CRLF or CR; comments, names and ids of events are passed over; the data of an event over
    several lines is joined by LF. The `[DONE]` of OpenAI's API is the end, whatever comes after.

    Source: HTML Living Standard, section 9.2.6, "Interpreting an event stream".
    """

    __slots__ = ("_at_start", "_data", "_halves_crlf", "_is_between", "_pieces", "done")

    def __init__(self) -> None:
        self.done = False
        """Whether `[DONE]` came."""
        self._pieces: list[bytes] = []  # of a line that has not ended
        self._data: list[bytes] = []  # of an event that has not ended, one for each of its lines
        self._halves_crlf = False
        self._at_start = True
        self._is_between = True

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, of any length, and return the data of each event that is complete now."""
        events: list[bytes] = []
        self.feed_into(data, events)
        return events

    def feed_into(self, data: bytes, events: list[bytes]) -> None:
        """Do what `feed` does, and append to *events*."""
        # What servers send nearly always: whole events of one line each, and no CR anywhere.
        if self._is_between and data.startswith(b"data: ") and data.endswith(b"\n\n"):
            inner = data[6:-2]
            self._at_start = False
            if b"\r" not in inner:
                if b"\n" not in inner:
                    if inner and inner != _DONE:
                        events.append(inner)
                        return
                else:
                    several = inner.split(b"\n\ndata: ")
                    if inner.count(b"\n") == 2 * len(several) - 2 and b"" not in several:
                        self._add(several, events)
                        return
        self._add(self._feed_lines(data), events)
        self._is_between = not (
            self._pieces or self._data or self._halves_crlf or self.done or self._at_start
        )

    def finish(self) -> list[bytes]:
        """Take the end, and return the data of an event whose last lines were there but for the empty one."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        if rest.removeprefix(b"data:").strip() == _DONE:
            self._take_line(b"data: [DONE]")
        events: list[bytes] = []
        self._add(self._event(), events)
        return events

    def _add(self, found: list[bytes], events: list[bytes]) -> None:
        """Append what was found, up to the end of all."""
        if self.done:
            return
        if _DONE in found:
            self.done = True
            self._is_between = False
            del found[found.index(_DONE) :]
        events += found

    def _feed_lines(self, data: bytes) -> list[bytes]:
        if self._halves_crlf and data:
            self._halves_crlf = False
            data = data.removeprefix(b"\n")
        if self._at_start and not (data := self._without_mark(data)):
            return []
        if b"\n" not in data and b"\r" not in data:
            if data:
                self._pieces.append(data)
            return []
        if b"\r" in data:
            self._halves_crlf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = (b"".join(self._pieces) + data).split(b"\n")
        self._pieces = [rest] if rest else []
        events: list[bytes] = []
        for line in lines:
            if line:
                self._take_line(line)
            elif self._data:
                events += self._event()
        return events

    def _without_mark(self, data: bytes) -> bytes:
        """Hold the first bytes back until it is known whether they are a byte order mark."""
        data = b"".join(self._pieces) + data
        self._pieces.clear()
        if len(data) < len(_MARK) and _MARK.startswith(data):
            self._pieces = [data] if data else []
            return b""
        self._at_start = False
        return data.removeprefix(_MARK)

    def _take_line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            self._data.append(b"")

    def _event(self) -> list[bytes]:
        data = b"\n".join(self._data)
        self._data.clear()
        return [data] if data else []
