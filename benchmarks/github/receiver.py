"""
Webhook receivers side by side: ours, which keeps every delivery on disk, and its peers, which keep none.

Needs node, npm and wrk; says which of them is missing, and measures nothing then. 50 connections, all 329
payloads of @octokit/webhooks-examples signed by @octokit/webhooks-methods, a GUID of its own a request, one
process a receiver, interleaved. CPU is the server process's own, in all its threads. uvicorn serves the
Python ones, with httptools where that is installed; the last line says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "npm-receivers"
PACKAGES = (
    "probot@14.3.2", "@octokit/webhooks@14.2.0", "@octokit/webhooks-examples@7.6.1",
    "@octokit/webhooks-methods@6.0.0",
)  # fmt: skip
SECRET = "a secret"
SECONDS = 3
ROUNDS = int(os.environ.get("ROUNDS", "5"))
UVICORN = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level=error", "--factory"]

PEERS = {
    "Probot": ["node", str(HERE / "receiver.mjs"), "probot", "{port}", SECRET],
    "@octokit/webhooks on node:http": ["node", str(HERE / "receiver.mjs"), "octokit", "{port}", SECRET],
    "FastAPI + gidgethub.sansio": [*UVICORN, "--port={port}", "receiver_apps:sansio_app"],
    "lastcall, durable": [*UVICORN, "--port={port}", "receiver_apps:ours"],
}


def main() -> int:
    """Measure and print."""
    if missing := [name for name in ("node", "npm", "wrk") if shutil.which(name) is None]:
        print(f"skipped: {', '.join(missing)} not found")
        return 0
    with tempfile.TemporaryDirectory(dir=CACHE.parent if CACHE.parent.exists() else None) as folder:
        deliveries = prepare(Path(folder))
        results: dict[str, list[dict[str, float]]] = {name: [] for name in PEERS}
        with contextlib.ExitStack() as stack:
            servers = {name: stack.enter_context(served(command, folder)) for name, command in PEERS.items()}
            for number in range(ROUNDS + 1):
                for name, (pid, port) in servers.items():
                    result = load(pid, port, deliveries, f"{number}-{pid}")
                    results[name] += [result] if number else []  # the first round warms up
    print(table(results))
    parser = "httptools" if importlib.util.find_spec("httptools") else "h11, the slower one"
    print(f"uvicorn's HTTP parser: {parser}")
    return 0


def prepare(folder: Path) -> Path:
    """Sign the payloads; return a Lua file that holds them."""
    if not (CACHE / "complete").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run([*npm, "--prefix", str(CACHE), *PACKAGES], check=True, timeout=300)
        (CACHE / "complete").touch()
    script = ROOT / "tests" / "github" / "webhook" / "sign.mjs"
    signing = ["node", str(script), SECRET]
    lines = subprocess.run(signing, cwd=CACHE, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [f"{{{lua(row['event'])}, {lua(row['signature'])}, {lua(row['body'])}}}" for row in rows]
    (path := folder / "deliveries.lua").write_text("return {" + ",\n".join(texts) + "}", encoding="utf-8")
    return path


def lua(text: str) -> str:
    """Return *text* as a Lua literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@contextlib.contextmanager
def served(command: list[str], folder: str) -> Iterator[tuple[int, int]]:
    """Start a receiver; give its pid and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    node = command[0] == "node"
    process = subprocess.Popen(
        [word.format(port=port) for word in command],
        cwd=CACHE if node else HERE,
        env={
            **os.environ,
            "SECRET": SECRET,
            "FOLDER": folder,
            "NODE_ENV": "production",
            "LOG_LEVEL": "fatal",
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def wait_for(port: int) -> None:
    """Wait until something listens; bounded."""
    for _ in range(400):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def load(pid: int, port: int, deliveries: Path, prefix: str) -> dict[str, float]:
    """Run wrk once; return its numbers and the CPU seconds of the server."""
    before = cpu(pid)
    done = subprocess.run(
        ["wrk", "-t1", "-c50", f"-d{SECONDS}s", "-s", str(HERE / "receiver.lua"), f"http://127.0.0.1:{port}"],
        env={**os.environ, "DELIVERIES": str(deliveries), "PREFIX": prefix, "HOOK": "/webhook"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    # What a receiver left for later, it has to pay for too.
    idle = cpu(pid)
    for _ in range(50):
        time.sleep(0.1)
        idle, last = cpu(pid), idle
        if idle - last < 0.01:
            break
    return {**result, "cpu": idle - before}


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return medians; the rate as a ratio to the first peer's of the same round, with its range."""
    first = next(iter(results.values()))
    lines = [
        f"{'':32} {'rate, ratio to ' + next(iter(results)):>28} {'CPU us':>8} {'p99 ms':>8} {'not 2xx':>8}"
    ]
    for name, rounds in results.items():
        ratios = [
            (one["requests"] / one["seconds"]) / (base["requests"] / base["seconds"])
            for one, base in zip(rounds, first, strict=True)
        ]
        rate = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        cost = statistics.median(one["cpu"] / one["requests"] * 1e6 for one in rounds)
        p99 = statistics.median(one["p99_ms"] for one in rounds)
        bad = sum(one["bad"] for one in rounds)
        lines.append(f"{name:32} {rate:>28} {cost:8.0f} {p99:8.0f} {bad:8.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
