"""Server-sent events in bytes that are cut anywhere."""

from __future__ import annotations

import json
import random

import pytest

from lastcall.llm.sse import EventParser

CHUNK = json.dumps({"choices": [{"delta": {"content": "naïve 東京 🙂"}}]}, ensure_ascii=False).encode()


def parsed(*pieces: bytes) -> list[bytes]:
    parser = EventParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.finish()


STREAMS = {
    "usual": b"data: one\n\ndata: two\n\ndata: [DONE]\n\n",
    "crlf": b"data: one\r\n\r\ndata: two\r\n\r\ndata: [DONE]\r\n\r\n",
    "cr": b"data: one\r\rdata: two\r\rdata: [DONE]\r\r",
    "mixed ends": b"data: one\r\n\ndata: two\n\r\ndata: [DONE]\r\n\r\n",
    "no space": b"data:one\n\ndata:two\n\ndata:[DONE]\n\n",
    "comments": b": hello\n\ndata: one\n: keepalive\n\n:\n\ndata: two\n\n: bye\ndata: [DONE]\n\n",
    "names and ids": b"event: x\nid: 1\ndata: one\nretry: 5\n\nevent: y\ndata: two\n\ndata: [DONE]\n\n",
    "mark": b"\xef\xbb\xbfdata: one\n\ndata: two\n\ndata: [DONE]\n\n",
    "empty events": b"\n\n\ndata: one\n\n\n\ndata: two\n\n\ndata\n\ndata:\n\ndata: [DONE]\n\n",
    "no end after done": b"data: one\n\ndata: two\n\ndata: [DONE]",
    "no empty line after done": b"data: one\n\ndata: two\n\ndata: [DONE]\n",
    "after done": b"data: one\n\ndata: two\n\ndata: [DONE]\n\ndata: three\n\n",
    "no done": b"data: one\n\ndata: two\n\n",
    "no empty line at the end": b"data: one\n\ndata: two\n",
    "unknown fields": b"datum: no\ndata: one\ndatabase: no\n\ndata: two\n\n",
    "last line cut": b"data: one\n\ndata: two\n\ndata: thr",
}


@pytest.mark.parametrize("name", STREAMS)
def test_events_are_the_same_wherever_the_bytes_are_cut(name: str) -> None:
    """Two pieces, cut at every offset, give what the whole gives."""
    stream = STREAMS[name]
    assert parsed(stream) == [b"one", b"two"]
    for cut in range(len(stream) + 1):
        assert parsed(stream[:cut], stream[cut:]) == [b"one", b"two"], (name, cut)


@pytest.mark.parametrize("name", STREAMS)
def test_events_are_the_same_byte_by_byte(name: str) -> None:
    """Each byte on its own gives what the whole gives, with nothing between and with empty pieces."""
    pieces = [bytes([byte]) for byte in STREAMS[name]]
    assert parsed(*pieces) == [b"one", b"two"]
    assert parsed(*(part for piece in pieces for part in (piece, b""))) == [b"one", b"two"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_number_of_cuts_changes_nothing(end: bytes) -> None:
    """A stream of real chunks, cut at random places, gives the chunks; the seeds are fixed."""
    events = [CHUNK.replace(b"content", b"content%d" % number) for number in range(12)]
    lines = [
        line for number, event in enumerate(events) for line in (b": c%d" % number, b"data: " + event, b"")
    ]
    stream = end.join([*lines, b"data: [DONE]", b"", b""])
    for seed in range(300):
        cuts = sorted(random.Random(seed).choices(range(len(stream)), k=seed % 17))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert parsed(*pieces) == events, seed


def test_a_character_cut_in_the_middle_is_whole_again() -> None:
    """Bytes are joined before anyone decodes them."""
    stream = b"data: " + CHUNK + b"\n\n"
    for cut in range(len(stream)):
        assert [json.loads(event) for event in parsed(stream[:cut], stream[cut:])] == [json.loads(CHUNK)]


def test_lines_of_data_are_joined_by_a_line_feed() -> None:
    """An event may spread its data over several lines."""
    assert parsed(b'data: {"a":\ndata:  1,\r\ndata\ndata: "b": 2}\n\n') == [b'{"a":\n 1,\n\n"b": 2}']


def test_done_is_told_and_ends_all() -> None:
    """`done` is true from `[DONE]` on, and what comes after is no event."""
    parser = EventParser()
    assert parser.feed(b"data: one\n\n") == [b"one"]
    assert not parser.done
    assert parser.feed(b"data: two\n\ndata: [DONE]\n\ndata: three\n\n") == [b"two"]
    assert parser.done
    assert parser.feed(b"data: four\n\n") == []
    assert parser.finish() == []


def test_a_burst_gives_all_its_events_at_once() -> None:
    """Many whole events in one piece come out together, in order."""
    events = [b'{"n": %d}' % number for number in range(100)]
    parser = EventParser()
    assert parser.feed(b"".join(b"data: %b\n\n" % event for event in events)) == events


def test_a_megabyte_in_one_line_takes_time_in_its_length_only() -> None:
    """A line in very many pieces is joined once, not once a piece."""
    line = b"x" * 2**20
    parser = EventParser()
    pieces = [b"data: ", *(line[at : at + 16] for at in range(0, len(line), 16)), b"\n\n"]
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert events == [line]


def test_two_events_may_share_a_piece_with_half_of_a_third() -> None:
    """What is left over belongs to the next piece."""
    parser = EventParser()
    assert parser.feed(b"data: 1\n\ndata: 2\n\ndata: ") == [b"1", b"2"]
    assert parser.feed(b"3\n\n") == [b"3"]


def test_data_that_contains_the_mark_of_an_event_is_one_event() -> None:
    """Only line ends divide: `data: ` within a line is text."""
    assert parsed(b'data: {"text":"\\n\\ndata: x"}\n\n') == [b'{"text":"\\n\\ndata: x"}']
