"""
Run both programs under `lastcall run` against a server that counts, and show the difference.

Exit code: 0 when the leaking program leaked and the sharing one did not, 1 otherwise, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lastcall.testing import Answer, OpenAIServer, Script

HERE = Path(__file__).resolve().parent
LEAKY, SHARED = "leaky_llm.py", "shared_llm.py"

TRY = ("examples/leaky_llm.py", "--jsonl", "examples/small.jsonl", "--concurrent", "5")
"""A command for the reader, from the project's directory."""

THINKING = 0.2
"""Seconds the server takes for an answer, so that all who ask at once are seen at once."""

SPARE_FILES = 256
SETTLE_LIMIT = 1.0
END_LIMIT = 30.0


class ComparisonError(Exception):
    """The comparison could not be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one program did."""

    program: str
    """Its file name."""

    seconds: float
    """What it says it took."""

    sessions: dict[str, int]
    """From "opened", "closed" and "leaked" to how many, as lastcall reports."""

    leaks: list[dict[str, Any]]
    """The leaks of the report, most frequent first."""

    connections: dict[str, int]
    """From "opened", "at once" and "left open" to how many, as the server counted."""


def main() -> int:
    """Run the comparison and return the exit code."""
    arguments = parse_arguments()
    console = Console(highlight=False)
    try:
        total = count_requests(arguments.jsonl) * arguments.rounds
        raise_file_limit(total + SPARE_FILES)
        leaky, shared = (run_program(name, arguments, total, console) for name in (LEAKY, SHARED))
    except (ComparisonError, subprocess.TimeoutExpired) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare.py: interrupted, both programs are ended", file=sys.stderr)
        return 130
    show(console, leaky, shared, f"{total:,} chats, {arguments.concurrent:,} at once")
    unexpected = what_is_unexpected(leaky, shared, total)
    for sentence in unexpected:
        print(f"compare.py: {sentence}", file=sys.stderr)
    return 1 if unexpected else 0


def parse_arguments() -> argparse.Namespace:
    """Return the options; without any they are those of `make run`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("--jsonl", type=Path, default=HERE / "small.jsonl")
    parser.add_argument("--concurrent", type=int, default=500, metavar="N", help="how many at once")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="ask the file N times")
    return parser.parse_args()


def count_requests(path: Path) -> int:
    """Return how many chats a file holds."""
    try:
        with path.open(encoding="utf-8") as lines:
            return sum(bool(line.strip()) for line in lines)
    except OSError as error:
        raise ComparisonError(f"{path}: {error.strerror}") from None


def raise_file_limit(needed: int) -> None:
    """Let this process and its children open so many files, or say how to allow it."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 (not on Windows)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise ComparisonError(
            f"{needed:,} files must be open at once and the limit here is {hard:,}: "
            f"allow more with `ulimit -n {needed}`, or ask less with `--rounds 1`"
        ) from None


def run_program(name: str, arguments: argparse.Namespace, total: int, console: Console) -> Outcome:
    """Run one of the programs under `lastcall run` and return how it did."""
    script = Script(default=Answer(delay=THINKING))
    with tempfile.TemporaryDirectory() as folder, OpenAIServer(script) as server:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "lastcall", "run", "--report", f"json:{report}"]
        command += [str(HERE / name), "--jsonl", str(arguments.jsonl), "--hold"]
        command += ["--concurrent", str(arguments.concurrent), "--rounds", str(arguments.rounds)]
        with started(command, server.base_url, Path(folder) / "stderr") as process:
            show_progress(process, server, total, f"{name:14}", console)
            told = process.stdout.readline() if process.stdout else ""
            is_closing = server.wait_until(
                lambda: server.connections_open < server.connections_opened, SETTLE_LIMIT
            )
            if is_closing:
                server.wait_until_no_connections(END_LIMIT)
            connections = {
                "opened": server.connections_opened,
                "at once": server.connections_peak,
                "left open": server.connections_open,
            }
            process.communicate("\n", timeout=END_LIMIT)
        return read_outcome(name, told, report, connections)


@contextmanager
def started(command: Sequence[str], base_url: str, stderr: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a program; end it if the block fails, and pass on what it said if it fails itself."""
    environment = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "none"}
    with stderr.open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            yield process
        finally:
            end(process)
        if process.returncode:
            errors.seek(0)
            said = errors.read().strip() or "nothing"
            raise ComparisonError(
                f"`{' '.join(command[1:])}` ended with {process.returncode} and said:\n{said}"
            )


def end(process: subprocess.Popen[str]) -> None:
    """End a program that is still running, and close its pipes."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
    process.communicate()


def show_progress(
    process: subprocess.Popen[str], server: OpenAIServer, total: int, title: str, console: Console
) -> None:
    """Show how many chats were asked, until all were or the program has ended."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    if not console.is_terminal:
        print(f"compare.py: {title.strip()} ...", file=sys.stderr, flush=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(title, total=total)
        while process.poll() is None and server.requests_count < total:
            server.wait_until(lambda: server.requests_count >= total, timeout=0.1)
            progress.update(bar, completed=server.requests_count)


def read_outcome(name: str, told: str, report: Path, connections: dict[str, int]) -> Outcome:
    """Return the outcome from the program's last line and lastcall's report."""
    found = re.search(r"in ([\d.]+) s", told)
    if not found or not report.exists():
        raise ComparisonError(f"{name} ended without its result and report; its last line was {told!r}")
    data = json.loads(report.read_text(encoding="utf-8"))
    leaks = sorted(data["leaks"], key=lambda leak: -leak["count"])
    return Outcome(name, float(found[1]), data["sessions"], leaks, connections)


def what_is_unexpected(leaky: Outcome, shared: Outcome, total: int) -> list[str]:
    """Return a sentence for each thing that is not as it should be; empty when all is."""
    checks = {
        f"{LEAKY} should leak {total:,} sessions, and leaked {leaky.sessions['leaked']:,}": (
            leaky.sessions["leaked"] == total
        ),
        f"{LEAKY} should leave its connections open, and left none": leaky.connections["left open"] > 0,
        f"{SHARED} should leak no session, and leaked {shared.sessions['leaked']:,}": (
            shared.sessions["leaked"] == 0
        ),
        f"{SHARED} should close its connections, and left {shared.connections['left open']:,} open": (
            shared.connections["left open"] == 0
        ),
    }
    return [sentence for sentence, holds in checks.items() if not holds]


def show(console: Console, leaky: Outcome, shared: Outcome, title: str) -> None:
    """Print the table, the line that leaks, and the change that mends it."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column(leaky.program, justify="right")
    table.add_column(shared.program, justify="right")
    for name in ("opened", "closed", "leaked"):
        add_row(
            table, f"sessions {name}", leaky.sessions[name], shared.sessions[name], alarm=name == "leaked"
        )
    table.add_section()
    for name in leaky.connections:
        left, right = leaky.connections[name], shared.connections[name]
        add_row(table, f"connections {name}, says the server", left, right, alarm=name == "left open")
    table.add_section()
    table.add_row("seconds", f"{leaky.seconds:.2f}", f"{shared.seconds:.2f}")
    console.print(table)
    for leak in leaky.leaks[:1]:
        show_leak(console, leak)
    show_change(console)
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    console.print(f"\nThe whole report: {python} -m lastcall run {' '.join(TRY)}", soft_wrap=True)


def add_row(table: Table, name: str, left: int, right: int, *, alarm: bool) -> None:
    """Add a row of counts; with *alarm* what is not zero is red."""
    styles = ["bold red" if count else "green" for count in (left, right)] if alarm else ["", ""]
    table.add_row(name, *(Text(f"{n:,}", style) for n, style in zip((left, right), styles, strict=True)))


def show_leak(console: Console, leak: dict[str, Any]) -> None:
    """Print where the sessions were opened, as the report names it."""
    site = leak["site"]
    times = f"  x {leak['count']:,}, {leak['evidence']}"
    console.print("The line that leaks, as `lastcall run` names it", style="bold")
    console.print(Text(f"  {site['file']}:{site['line']}", "cyan") + Text(times, "red"), soft_wrap=True)
    console.print(Text(f"      {site['source']}\n"), soft_wrap=True)


def show_change(console: Console) -> None:
    """Print the lines in which the two programs differ, their docstrings aside."""
    before, after = ((HERE / name).read_text(encoding="utf-8").splitlines() for name in (LEAKY, SHARED))
    console.print("All that differs between the two programs", style="bold")
    headers = ("---", "+++", "@@")
    for line in difflib.unified_diff(before, after, n=0, lineterm=""):
        if line[1:].strip() and not line.startswith(headers) and not line[1:].startswith('"""'):
            console.print(Text(f"  {line}", "red" if line.startswith("-") else "green"), soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
