"""How a batch is getting on, as a person sees it: a panel on a terminal, lines elsewhere."""

import asyncio
import io
import re

import pytest
from rich.console import Console

from lastcall.cli import _llm_progress
from lastcall.cli._llm_progress import Progress
from lastcall.llm.statistics import Statistics

from .feeding import Clock, outcome

WAIT_S = 10.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def running(*, total: int | None = 1000) -> Statistics:
    """Return the statistics of a run under way, with some of every misfortune."""
    clock = Clock()
    stats = Statistics(total=total, limit=64, clock=clock)
    stats.resumed(100)
    for _ in range(200):
        stats.started()
        stats.finished(outcome(0.5), completion_tokens=30)
    for _ in range(64):
        stats.started()
    stats.refused("line is not JSON")
    stats.retried("429", 0.5)
    clock.now += 10
    return stats


def terminal(width: int = 100, *, no_color: bool = False) -> Console:
    """Return a console that takes itself for a terminal of so many columns."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=30, no_color=no_color)
    assert isinstance(console.file, io.StringIO)
    return console


def written(console: Console) -> str:
    """Return all that was written, escapes included."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def last_panel(console: Console) -> list[str]:
    """Return the lines of the panel as it was drawn last, without escapes."""
    lines = ESCAPES.sub("", written(console)).replace("\r", "\n").splitlines()
    start = max(index for index, line in enumerate(lines) if line.startswith("╭"))
    end = next(index for index in range(start, len(lines)) if lines[index].startswith("╰"))
    return lines[start : end + 1]


@pytest.mark.parametrize("width", [120, 92, 80, 60, 40, 26])
def test_a_panel_says_everything_on_any_terminal(width: int) -> None:
    """No line is wider than the terminal, and no figure is cut off to make it so."""
    console = terminal(width)
    with Progress(running(), console, 1000) as progress:
        progress.refresh()
    panel = last_panel(console)
    assert all(len(line) == min(width - 2, 100) for line in panel)
    text = " ".join(" ".join(line.strip("│ ") for line in panel).split())
    for words in (
        "301 of 1,000", "30.1 %", "20/s", "600 tokens/s", "p50", "p99", "64 of 64 in flight",
        "1 failed (1x line is not JSON)", "1 retried (1x 429)",
    ):  # fmt: skip
        assert words in text
    assert "100 from before" in panel[-1] or width < 30


def test_the_end_is_not_foretold_before_the_number_is_known() -> None:
    """While the input is still counted there is neither a bar nor an estimate."""
    console = terminal()
    with Progress(running(total=None), console) as progress:
        progress.refresh()
    text = "".join(last_panel(console))
    assert "301 done" in text
    assert "ETA" not in text
    assert "━" not in text


def test_a_note_stays_in_the_panel() -> None:
    """What another Ctrl-C would do is to be read until the end."""
    console = terminal()
    with Progress(running(), console, 1000) as progress:
        progress.note("Finishing 64 requests; Ctrl-C again cuts them off.")
        progress.refresh()
    assert "Ctrl-C again cuts them off." in "".join(last_panel(console))


def test_the_panel_is_taken_away_at_the_end() -> None:
    """The summary follows, and nothing of the panel is left above it; the cursor is back."""
    console = terminal()
    with Progress(running(), console, 1000) as progress:
        progress.refresh()
        height = len(last_panel(console))
    assert written(console).endswith("\x1b[1A\x1b[2K" * height)
    assert written(console).rindex("\x1b[?25h") > written(console).rindex("\x1b[?25l")


def test_a_panel_has_no_colours_where_none_are_wanted() -> None:
    """With NO_COLOR there is bold and dim, and no colour."""
    console = terminal(no_color=True)
    with Progress(running(), console, 1000) as progress:
        progress.refresh()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", written(console))


def test_a_terminal_made_narrower_is_wiped_of_what_it_wrapped() -> None:
    """Each row of 98 columns has become two of 60: one more is wiped for each."""
    console = terminal(100)
    with Progress(running(), console, 1000) as progress:
        progress.refresh()
        height = len(last_panel(console))
        before = len(written(console))
        console.width = 60
        progress.refresh()
        assert written(console)[before:].startswith("\x1b[2K\x1b[1A" * height)
    assert all(len(line) == 58 for line in last_panel(console))


async def test_the_panel_moves_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn anew on the loop's time, without a thread."""
    monkeypatch.setattr(_llm_progress, "REFRESH_S", 0.01)
    console = terminal()
    stats = running()
    with Progress(stats, console, 1000):
        async with asyncio.timeout(WAIT_S):
            while "301 of 1,000" not in ESCAPES.sub("", written(console)):  # noqa: ASYNC110 (a terminal has no event)
                await asyncio.sleep(0.01)


async def test_elsewhere_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a log there is a line now and then, without escapes, each later than the one before."""
    monkeypatch.setattr(_llm_progress, "LINE_S", 0.01)
    console = Console(file=io.StringIO(), width=40)
    with Progress(running(), console, 1000) as progress:
        async with asyncio.timeout(WAIT_S):
            while written(console).count("\n") < 2:  # noqa: ASYNC110 (a log has no event)
                await asyncio.sleep(0.01)
        progress.note("Finishing.")
    first, second, *_, last = written(console).splitlines()
    assert first == second
    assert first == (
        "lastcall: 0:10  301 of 1,000 (30.1 %), 20/s, 600 tokens/s, p50 516 ms, p99 516 ms, 64 in flight,"
        " 1 failed (1x line is not JSON), 1 retried (1x 429), ETA 0:35"
    )
    assert last == "lastcall: Finishing."
    assert "\x1b" not in written(console)
