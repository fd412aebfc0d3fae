"""
From JSONL to JSONL, whole commands with their start-up: `gather` + json, and `lastcall llm batch`.

    python benchmarks/llm/batch_commands.py [LINES]

The command has retries, resume, statistics and its progress (in lines) on. Aim: at most 0.45 of the CPU of
`gather` + json, which has none of these and holds everything in memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from _compare import Command, Work, main

HERE = Path(__file__).resolve().parent
LASTCALL = [sys.executable, "-m", "lastcall", "llm", "batch"]


def write_input(path: Path, work: Work) -> None:
    """Write a batch of the work's requests."""
    with path.open("w") as file:
        for number in range(work.requests):
            line = {
                "custom_id": f"request-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": work.body(number),
            }
            file.write(json.dumps(line) + "\n")


def peers(folder: Path) -> list[Command]:
    """Return the commands, each from the input to an output of its own."""
    source, target = str(folder / "in.jsonl"), folder / "out.jsonl"

    def lastcall(*options: str) -> Callable[[Work], Sequence[str]]:
        def command(work: Work) -> Sequence[str]:
            target.unlink(missing_ok=True)
            given = ["--base-url", work.base_url, "--concurrency", str(work.at_once)]
            return [*LASTCALL, source, str(target), *given, *options]

        return command

    def gather(work: Work) -> Sequence[str]:
        target.unlink(missing_ok=True)
        return [
            sys.executable,
            str(HERE / "_gather.py"),
            source,
            str(target),
            work.base_url,
            str(work.at_once),
        ]

    def answered(_: Work) -> int:
        with target.open() as file:
            return len(
                {
                    json.loads(line)["custom_id"]
                    for line in file
                    if '"status_code":200' in line.replace(" ", "")
                }
            )

    return [
        Command("gather + json", gather, answered),
        Command("lastcall llm batch", lastcall(), answered),
        Command("the same, --ordered", lastcall("--ordered"), answered),
        Command("the same, --adaptive", lastcall("--adaptive"), answered),
    ]


if __name__ == "__main__":
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    work = Work(requests=lines)
    with tempfile.TemporaryDirectory() as name:
        write_input(Path(name, "in.jsonl"), work)
        main(f"JSONL to JSONL, {lines:,} lines, {work.at_once} at once", peers(Path(name)), work, rounds=3)
