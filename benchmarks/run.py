"""
Run every benchmark of this folder, one after the other, and print its table of ratios.

    python benchmarks/run.py              all of them
    python benchmarks/run.py ledger_cost  those whose name contains a word

Each is a process of its own, so that one does not warm or burden the next. The exit status is that
of the first that failed, 0 if none did; figures are for reading, no figure fails a run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(words: list[str]) -> int:
    """Run the benchmarks whose names contain one of *words*, all when there are none."""
    scripts = [path for path in sorted(HERE.rglob("*.py")) if path.stem != "run" and path.stem[0] != "_"]
    chosen = [path for path in scripts if not words or any(word in path.stem for word in words)]
    if not chosen:
        print(f"no benchmark has one of {words} in its name; there are: {', '.join(p.stem for p in scripts)}")
        return 2
    status = 0
    for path in chosen:
        print(f"\n### {path.relative_to(HERE)}", flush=True)
        started = time.monotonic()
        done = subprocess.run([sys.executable, str(path)], check=False, cwd=HERE)
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
        status = status or done.returncode
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
