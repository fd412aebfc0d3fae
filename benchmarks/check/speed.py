"""
How long a check takes, beside ruff: cold, warm, and of one file.

    python benchmarks/check/speed.py [TREE...]

Without trees: those of `trees.py` that are there. Every figure is the best of three processes, in seconds
of wall clock, with the CPU seconds beside it; starting Python is part of it. ruff runs its flake8-async,
simplify and bugbear rules without its cache, then with it.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from trees import TREES

PROGRAM = """
import sys
from pathlib import Path
from lastcall.check import CheckConfig, run
cache = Path(sys.argv[1]) if sys.argv[1] else None
result = run(sys.argv[2:], CheckConfig(), cache=cache)
print(result.files, len(result.findings))
"""

SPEED = ("homeassistant", "litellm", "ccxt", "langchain-community")
RUNS = 3


class Cost(NamedTuple):
    """What one process took."""

    wall: float
    """Seconds by the clock."""

    cpu: float
    """Seconds of all its processes."""


def cost(command: list[str]) -> Cost:
    """Run a command and return what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def best(command: list[str], *, fresh: Path | None = None) -> Cost:
    """Return the cheapest of several runs, each with *fresh* deleted before it."""
    runs = []
    for _ in range(RUNS):
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        runs.append(cost(command))
    return Cost(min(run.wall for run in runs), min(run.cpu for run in runs))


def measure(tree: Path) -> dict[str, Cost]:
    """Return what each way of checking a tree takes."""
    ruff = [sys.executable, "-m", "ruff"] if shutil.which("ruff") is None else ["ruff"]
    rules = ["check", "--isolated", "--select", "ASYNC,SIM,B", "--quiet", "--exit-zero"]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "lastcall"
        kept = Path(folder) / "ruff"
        ours = [sys.executable, "-c", PROGRAM]
        one = next(file for file in sorted(tree.rglob("*.py")) if b"ClientSession(" in file.read_bytes())
        return {
            "cold": best([*ours, str(cache), str(tree)], fresh=cache),
            "warm": best([*ours, str(cache), str(tree)]),
            "one file": best([*ours, "", str(one)]),
            "start": best([sys.executable, "-c", "import lastcall.check"]),
            "ruff cold": best([*ruff, *rules, "--no-cache", str(tree)]),
            "ruff warm": best([*ruff, *rules, "--cache-dir", str(kept), str(tree)]),
        }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    trees = options.trees or [TREES / name for name in SPEED if (TREES / name).is_dir()]
    table = {tree.name: measure(tree) for tree in trees}
    if options.json:
        print(
            json.dumps(
                {name: {way: run._asdict() for way, run in row.items()} for name, row in table.items()}
            )
        )
        return
    for name, row in table.items():
        print(name)
        for way, run in row.items():
            print(f"  {way:10} {run.wall:6.2f} s   {run.cpu:6.2f} s CPU")


if __name__ == "__main__":
    main()
