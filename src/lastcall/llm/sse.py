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

    __slots__ = ("_data", "_halves_crlf", "_pieces", "_started", "done")

    def __init__(self) -> None:
        self.done = False
        """Whether `[DONE]` came."""
        self._pieces: list[bytes] = []  # of a line that has not ended
        self._data: list[bytes] = []  # of an event that has not ended, one for each of its lines
        self._halves_crlf = False
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, of any length, and return the data of each event that is complete now."""
        if not self._pieces and not self._data and data.startswith(b"data: ") and data.endswith(b"\n\n"):
            events = data[6:-2].split(b"\n\ndata: ")
            # What servers send nearly always: events of one line each, whole, and no CR anywhere.
            if data.count(b"\n") == 2 * len(events) and b"\r" not in data and b"" not in events:
                self._started = True
                self._halves_crlf = False
                return self._until_done(events)
        return self._until_done(self._feed_lines(data))

    def finish(self) -> list[bytes]:
        """Take the end, and return the data of an event whose last lines were there but for the empty one."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        if rest.removeprefix(b"data:").strip() == _DONE:
            self._take_line(b"data: [DONE]")
        return self._until_done(self._event())

    def _until_done(self, events: list[bytes]) -> list[bytes]:
        if self.done:
            return []
        if _DONE in events:
            self.done = True
            del events[events.index(_DONE) :]
        return events

    def _feed_lines(self, data: bytes) -> list[bytes]:
        if self._halves_crlf and data:
            self._halves_crlf = False
            data = data.removeprefix(b"\n")
        if not self._started and not (data := self._without_mark(data)):
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
        self._started = True
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
