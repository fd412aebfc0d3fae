"""The report of a run: what it holds, and how it reads as text and as JSON."""

import json
import re
from typing import Any

import jsonschema
import pytest

from lastcall.ledger.report import Report as SessionsReport
from lastcall.llm.report import Verdict, as_html, as_json, make_report, schema, write_text
from lastcall.llm.report.words import clock, duration, percent, short, tally
from lastcall.llm.statistics import Statistics

from .feeding import MARKUP, report


def test_the_schema_is_a_schema_and_describes_the_document() -> None:
    """What is written obeys what is documented, streams or not."""
    jsonschema.Draft202012Validator.check_schema(schema())
    for stream in (True, False):
        jsonschema.validate(json.loads(json.dumps(as_json(report(stream=stream)))), schema())


def test_a_run_of_nothing_has_a_report() -> None:
    """No request, no time, no session: each form can still be made."""
    nothing = make_report(Statistics())
    jsonschema.validate(as_json(nothing), schema())
    assert "0 answered, none failed" in write_text(nothing)
    assert as_html(nothing).startswith("<!doctype html>")


def test_the_document_adds_up() -> None:
    """What the series and the distributions hold is what was counted."""
    document = as_json(report())
    asked = document["requests"]
    assert sum(part["answered"] for part in document["series"]) == asked["answered"]
    assert sum(part["failed"] for part in document["series"]) == asked["failed"] == 5
    assert (
        sum(number for _, _, number in document["distributions"]["latency"]["buckets"]) == asked["answered"]
    )
    assert document["tokens"] == {
        "prompt": 40 * asked["answered"],
        "completion": 80 * asked["answered"],
        "completion_rate": pytest.approx(80 * asked["answered"] / 120, rel=1e-3),
    }
    assert (asked["resumed"], asked["cut_off"], document["concurrency"]) == (
        100,
        60,
        {"limit": 64, "max": 64},
    )


def test_a_plain_run_has_no_times_of_streams() -> None:
    """Where nothing was streamed nothing is said of tokens as they came."""
    found = as_json(report(stream=False))["distributions"]
    assert found["first_chunk"] is None
    assert found["between_chunks"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", "s3cret"),
        ("API key", "s3cret"),
        ("headers", "s3cret"),
        ("authorization", "s3cret"),
        ("base_url", "https://me:s3cret@api.example.com/v1?key=s3cret#s3cret"),
        ("base_urls", ["https://me:s3cret@a.example.com/v1", "https://b.example.com?key=s3cret"]),
    ],
)
def test_no_secret_gets_into_a_report(name: str, value: object) -> None:
    """Settings are told without keys, and addresses without credentials and queries."""
    made = make_report(Statistics(), settings={name: value, "max_tokens": 5})
    for text in (as_html(made), json.dumps(as_json(made)), write_text(made)):
        assert "s3cret" not in text
    assert made.settings["max_tokens"] == "5"


def test_settings_read_as_they_were_given() -> None:
    """What was not given is left out; yes and no are words; a name that is no text does no harm."""
    made = make_report(Statistics(), settings={"rpm": None, "stream": True, "input": "na\udce9f.jsonl"})
    assert made.settings == {"stream": "yes", "input": "na\\udce9f.jsonl"}
    as_html(made).encode()


def test_the_text_tells_all_that_matters() -> None:
    """Counts, percentiles, tokens, retries, errors and the ledger's verdict, a line each."""
    text = write_text(report())
    for words in (
        "answered, 5 failed, 60 cut off, 100 from before", " of 4,900 (", "in 2:00,", "latency ", "p99 ",
        "first token", "between tokens", "waited", "tokens ", "at most 64 of 64 at once", "stop",
        "1x 429, 1x connection", "1x line is not JSON, 1x 500", "1x timeout (first byte)",
        "1 session opened, 1 closed, none leaked",
    ):  # fmt: skip
        assert words in text
    assert str(report()) == text


@pytest.mark.parametrize("width", [40, 60, 100])
def test_long_lines_are_wrapped_between_their_parts(width: int) -> None:
    """Lists of kinds and percentiles go on in a new line below where they began."""
    for line in write_text(report(), width=width).splitlines():
        assert len(line) <= max(width, 18 + 60)
        assert not re.match(r" *,", line)


def test_colours_change_nothing_but_the_colours() -> None:
    """Without its escapes the coloured text is the plain one."""
    colored = write_text(report(), color=True)
    assert "\x1b[" in colored
    plain = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in plain.splitlines()] == write_text(report()).splitlines()


@pytest.mark.parametrize("ending", ["interrupted", "failed"])
def test_a_run_that_did_not_come_to_its_end_says_why(ending: Any) -> None:
    """The reason is in the text, and in the document."""
    made = make_report(Statistics(), ending=ending, reason="the disk is full")
    assert "the disk is full" in write_text(made)
    assert as_json(made)["reason"] == "the disk is full"


def test_the_verdict_is_that_of_the_ledger() -> None:
    """Sessions opened, closed and leaked; only all closed is clean."""
    clean = Verdict.of(SessionsReport(opened=2, closed=2))
    assert (str(clean), clean.is_clean) == ("2 sessions opened, 2 closed, none leaked", True)
    leaked = Verdict.of(SessionsReport(opened=3, closed=1, leaked=1))
    assert str(leaked) == "3 sessions opened, 1 closed, 1 leaked, 1 still open"
    assert not leaked.is_clean


def test_the_page_is_one_file_that_loads_nothing() -> None:
    """Nothing in it names another file or address, its policy forbids it, and data stay data."""
    page = as_html(report())
    assert "default-src 'none'" in page
    assert not re.search(
        r"""(?:src|href)=["'](?!data:)""", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    )
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert MARKUP not in page
    assert "latency         p50" in page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert len(page) < 200_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"), (0, "0"), (8.51e-5, "85.1 µs"), (0.000999, "999 µs"), (0.0009999, "1.00 ms"),
        (0.4119, "412 ms"), (0.9996, "1.00 s"), (1.934, "1.93 s"), (59.96, "60.0 s"), (300, "300 s"),
        (1500, "25 min"), (90_000, "25.0 h"),
    ],
)  # fmt: skip
def test_durations_have_three_figures(seconds: float | None, words: str) -> None:
    """A time is read at a glance, from microseconds to hours."""
    assert duration(seconds) == words


def test_numbers_are_short() -> None:
    """Rates have four figures at most, shares are never rounded up to all."""
    assert [short(value) for value in (0, 0.517, 3, 806.4, 9999.4, 27_120, 412_000, 1.26e9)] == [
        "0", "0.52", "3", "806", "9,999", "27.1k", "412k", "1,260M",
    ]  # fmt: skip
    assert [percent(*pair) for pair in ((0, 0), (1, 3), (9999, 10_000), (5, 5))] == [
        "0 %", "33.3 %", "99.9 %", "100 %",
    ]  # fmt: skip
    assert [clock(value) for value in (7.4, 724, 3723)] == ["0:07", "12:04", "1:02:03"]
    assert tally({"a": 1, "b": 1200, "c": 3, "d": 2}) == "1,200x b, 3x c, 2x d and 1 more"
