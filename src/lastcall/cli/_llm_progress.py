"""How a batch is getting on: a panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from lastcall.llm.report.words import clock, duration, percent, short, tally
from lastcall.llm.statistics import Snapshot, Statistics

__all__ = ["Progress"]

REFRESH_S = 0.25
"""Seconds between two looks of the panel."""
LINE_S, LINE_MAX_S = 5.0, 60.0
"""Without a panel: seconds until the first line, each wait twice the last, up to the second number."""
_WIDTH_MAX = 100
_BAR_BESIDE, _FIGURES_BESIDE = 64, 90
"""Columns from which on the bar stands beside its figures, and all other figures in one row."""
_CELLS = (18, 15, 23, 24)
_BARS = "▁▂▃▄▅▆▇█"


class Progress:
    """
    Shows `Statistics` while a batch runs. Use it inside the running loop: it draws on that loop's time.

    Args:
        stats: What to show.

        console: Where; rich finds out whether it is a terminal, and honours NO_COLOR.

        total: Requests in all; None if unknown.
    """

    def __init__(self, stats: Statistics, console: Console, total: int | None = None) -> None:
        self._stats = stats
        self._console = console
        self._note = ""
        self._timer: asyncio.TimerHandle | None = None
        self._line_s = LINE_S
        self._live: Live | None = None
        self._width = console.width
        if total is not None:
            stats.total = total
        if console.is_terminal and not (console.is_dumb_terminal or console.legacy_windows):
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                refresh_per_second=1,
            )

    def __enter__(self) -> Self:
        """Show it from now on."""
        if self._live is not None:
            self._live.start()
        with suppress(RuntimeError):  # without a loop it shows notes alone
            self._schedule(asyncio.get_running_loop())
        return self

    def __exit__(self, *_: object) -> None:
        """Take the panel away: the summary follows."""
        if self._timer is not None:
            self._timer.cancel()
        if self._live is not None:
            self._make_room()
            self._live.stop()

    def note(self, text: str) -> None:
        """Tell something that matters now, such as what another Ctrl-C will do; a panel keeps the last."""
        self._note = text
        if self._live is None:
            self._console.print(Text(f"lastcall: {text}"), soft_wrap=True)
        else:
            self.refresh()

    def refresh(self) -> None:
        """Draw it now, or write a line."""
        snapshot = self._stats.snapshot()
        if self._live is None:
            self._console.print(Text(line_of(snapshot)), soft_wrap=True)
            return
        self._make_room()
        rates = [part.answers / part.seconds for part in self._stats.recent() if part.seconds]
        self._live.update(panel_of(snapshot, self._note, rates, self._panel_width), refresh=True)

    @property
    def _panel_width(self) -> int:
        # Where the terminal echoes ^C it must find room: it would begin a row that nobody knows of.
        return min(self._width - len("^C"), _WIDTH_MAX)

    def _make_room(self) -> None:
        """Wipe the rows that a terminal made of ours when it became narrower."""
        old, self._width = self._panel_width, self._console.width
        if self._live is None or self._width >= old:
            return
        height = len(
            self._console.render_lines(self._live.renderable, self._console.options.update(width=old))
        )
        extra = height * (math.ceil(old / self._width) - 1)
        self._console.control(Control(*[(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * extra))

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._line_s if self._live is None else REFRESH_S, self._again, loop)

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._line_s = min(2 * self._line_s, LINE_MAX_S)
        self.refresh()
        self._schedule(loop)


def line_of(now: Snapshot) -> str:
    """Return how it stands as one line."""
    done = now.done + now.failed + now.resumed
    parts = [
        f"{done:,} of {now.total:,} ({percent(done, now.total)})"
        if now.total is not None
        else f"{done:,} done",
        f"{short(now.rate)}/s",
        f"{short(now.tokens_rate)} tokens/s" if now.tokens_rate else "",
        f"p50 {duration(now.p50)}, p99 {duration(now.p99)}" if now.p50 is not None else "",
        f"{now.in_flight:,} in flight",
        f"{now.failed:,} failed ({tally(now.errors)})" if now.failed else "",
        f"{sum(now.retries.values()):,} retried ({tally(now.retries)})" if now.retries else "",
        f"ETA {clock(now.eta)}" if now.eta is not None else "",
    ]
    return f"lastcall: {clock(now.seconds)}  {', '.join(filter(None, parts))}"


def panel_of(now: Snapshot, note: str, rates: list[float], width: int) -> RenderableType:
    """
    Return how it stands as a panel.

    Args:
        now: The state.

        note: A sentence below it, if any.

        rates: Requests per second over the last half minute, oldest first.

        width: Columns, its frame included.
    """
    flat = [cell for cell in _cells(now, rates) if cell.plain]
    rows: list[RenderableType] = [
        _bar(now, width),
        _side_by_side(flat, width) if width >= _BAR_BESIDE else Text("  ").join(flat),
    ]
    if now.failed:
        rows.append(Text.assemble((f"{now.failed:,} failed", "bold red"), f" ({tally(now.errors)})"))
    if now.retries:
        count = sum(now.retries.values())
        rows.append(Text.assemble((f"{count:,} retried", "yellow"), f" ({tally(now.retries)})"))
    if note:
        rows.append(Text(note, "bold yellow"))
    before = f"{now.resumed:,} from before · " if now.resumed else ""
    return Panel(
        Group(*rows),
        title=Text("lastcall llm batch", "bold"),
        title_align="left",
        subtitle=Text(f"{before}{clock(now.seconds)}", "dim"),
        subtitle_align="right",
        border_style="dim",
        width=width,
    )


def _bar(now: Snapshot, width: int) -> RenderableType:
    done = now.done + now.failed + now.resumed
    if now.total is None:
        return Text.assemble((f"{done:,}", "bold"), " done, how many there are is not known yet")
    left = Text.assemble((f"{done:,}", "bold"), f" of {now.total:,}")
    right = Text(percent(done, now.total) + (f"  ETA {clock(now.eta)}" if now.eta is not None else ""))
    bar = ProgressBar(total=now.total or 1, completed=done, complete_style="cyan", finished_style="green")
    grid = Table.grid(padding=(0, 1), expand=True)
    if width < _BAR_BESIDE:
        grid.add_row(bar)
        return Group(Text("  ").join([left, right]), grid)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    grid.add_row(left, bar, right)
    return grid


def _cells(now: Snapshot, rates: list[float]) -> list[Text]:
    limit = f" of {now.limit:,}" if now.limit is not None else ""
    latency = Text.assemble("p50 ", (duration(now.p50), "bold"), "  p99 ", (duration(now.p99), "bold"))
    return [
        Text.assemble((short(now.rate), "bold cyan"), "/s ", (_spark(rates), "cyan")),
        Text.assemble((short(now.tokens_rate), "bold cyan"), " tokens/s"),
        latency if now.p50 is not None else Text(),
        Text.assemble((f"{now.in_flight:,}", "bold"), f"{limit} in flight"),
    ]


def _side_by_side(cells: list[Text], width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=True)
    columns = len(cells) if width >= _FIGURES_BESIDE else 2
    for index in range(columns):
        # As wide as ever needed, so that figures do not wander from one look to the next.
        grid.add_column(justify="right" if index == columns - 1 else "left", min_width=_CELLS[index])
    for start in range(0, len(cells), columns):
        grid.add_row(*cells[start : start + columns])
    return grid


def _spark(rates: list[float], size: int = 10) -> str:
    top = max(rates, default=0.0)
    if not top:
        return ""
    return "".join(_BARS[min(len(_BARS) - 1, int(len(_BARS) * rate / top))] for rate in rates[-size:])
