"""
What `lastcall llm batch` takes as files grow: CPU and lines per second, memory, and what a resume costs.

    python benchmarks/llm/batch_sizes.py               10,000 and 100,000 lines; 5,000 at once
    python benchmarks/llm/batch_sizes.py 1000000       as many lines as you say (2.5 GB for a million)

Whole commands with their start-up, in one round each; how it compares with others is in `peers.py`. A resumed
run finds everything answered, and sends nothing: it reads input and output once.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from _compare import Command, Work, compare, table

LASTCALL = [sys.executable, "-m", "lastcall", "llm", "batch"]


def write_input(path: Path, work: Work) -> None:
    """Write a batch of the work's requests."""
    with path.open("w") as file:
        for number in range(work.requests):
            line = {"custom_id": f"n{number}", "method": "POST", "url": "/v1/chat/completions"}
            file.write(json.dumps({**line, "body": work.body(number)}) + "\n")


def commands(folder: Path) -> list[Command]:
    """Return the command in several ways, each from the input to an output of its own."""
    target = folder / "out.jsonl"

    def batch(*options: str, resumed: bool = False) -> Callable[[Work], Sequence[str]]:
        def argv(work: Work) -> Sequence[str]:
            if not resumed:
                target.unlink(missing_ok=True)
            files = [str(folder / "in.jsonl"), str(target)]
            given = ["--base-url", work.base_url, "--concurrency", str(work.at_once)]
            return [*LASTCALL, *files, *given, *options]

        return argv

    def answered(_: Work) -> int:
        with target.open("rb") as file:
            return sum(b'"status_code":200' in line for line in file)

    return [
        Command("500 at once", batch(), answered),
        Command("the same, resumed", batch(resumed=True), answered),
        Command("5,000 at once", batch("--concurrency", "5000"), answered),
        Command("500 at once, --ordered", batch("--ordered"), answered),
        Command("500 at once, --adaptive", batch("--adaptive"), answered),
    ]


def main(sizes: Sequence[int]) -> None:
    """Print a table for each size."""
    for lines in sizes:
        work = Work(requests=lines)
        with tempfile.TemporaryDirectory() as name:
            write_input(Path(name, "in.jsonl"), work)
            print(table(f"{lines:,} lines", compare(commands(Path(name)), work, rounds=1)), flush=True)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [10_000, 100_000])
