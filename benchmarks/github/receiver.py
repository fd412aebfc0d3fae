"""
Webhook receivers side by side: ours, which keeps every delivery on disk, and its peers, which keep none.

Needs node, npm and wrk; says which of them is missing, and measures nothing then. 50 connections, all 329
payloads of @octokit/webhooks-examples signed by @octokit/webhooks-methods, a GUID of its own a request, one
process a receiver, interleaved. Every receiver runs a handler that does nothing. CPU is the server process's
own, in all its threads, until it is idle again: handling that comes after the answer is in it.

Probot and ours are measured as a GitHub App, for which they make a client for each delivery's installation,
and with a token, where Probot makes none. Ratios are to the Probot of the same kind, of the same round.
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
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

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
NODE = ["node", str(HERE / "receiver.mjs")]
SERVE = [
    sys.executable,
    "-m",
    "lastcall",
    "github",
    "serve",
    "--port={port}",
    "--handlers=_receiver_apps:router",
]
UVICORN = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level=error", "--factory"]

PEERS = {
    "Probot, as an App": [*NODE, "probot", "{port}", SECRET, "{folder}/key.pem"],
    "lastcall, as an App, durable": [*SERVE, "--db={folder}/app.sqlite3"],
    "Probot, with a token": [*NODE, "probot", "{port}", SECRET],
    "lastcall, with a token, durable": [*SERVE, "--db={folder}/token.sqlite3"],
    "@octokit/webhooks on node:http": [*NODE, "octokit", "{port}", SECRET],
    "FastAPI + gidgethub.sansio": [*UVICORN, "--port={port}", "_receiver_apps:sansio_app"],
}
BASES = ("Probot, as an App", "Probot, with a token")


def main() -> int:
    """Measure and print."""
    if reason := cannot():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:  # on a disk, which /tmp may not be
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
    print(f"uvicorn's HTTP parser: {parser}; Python {sys.version.split()[0]}")
    return 0


def cannot() -> str:
    """Fetch the peers, once; return why nothing can be measured here, "" if it can."""
    if missing := [name for name in ("node", "npm", "wrk") if shutil.which(name) is None]:
        return f"{', '.join(missing)} not found"
    if not Path("/proc/self/stat").exists():
        return "no /proc, which tells what a process costs"
    if (CACHE / "complete").exists():
        return ""
    CACHE.mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run([*npm, "--prefix", str(CACHE), *PACKAGES], check=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        return f"npm could not fetch the peers: {error}"
    (CACHE / "complete").touch()
    return ""


def prepare(folder: Path) -> Path:
    """Sign the payloads; return a Lua file that holds them."""
    script = ROOT / "tests" / "github" / "webhook" / "sign.mjs"
    signing = ["node", str(script), SECRET]
    lines = subprocess.run(signing, cwd=CACHE, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [f"{{{lua(row['event'])}, {lua(row['signature'])}, {lua(row['body'])}}}" for row in rows]
    (folder / "key.pem").write_bytes(private_key())
    (path := folder / "deliveries.lua").write_text("return {" + ",\n".join(texts) + "}", encoding="utf-8")
    return path


def private_key() -> bytes:
    """Return a private key as GitHub gives one to an App."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def lua(text: str) -> str:
    """Return *text* as a Lua literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@contextlib.contextmanager
def served(command: list[str], folder: str) -> Iterator[tuple[int, int]]:
    """Start a receiver; give its pid and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    app = any("app.sqlite3" in word for word in command)
    identity = (
        {"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_PATH": f"{folder}/key.pem"}
        if app
        else {"GITHUB_TOKEN": "token"}
    )
    settings = {"SECRET": SECRET, "GITHUB_WEBHOOK_SECRET": SECRET, **identity}
    process = subprocess.Popen(
        [word.format(port=port, folder=folder) for word in command],
        cwd=CACHE if command[0] == "node" else HERE,
        env={**os.environ, "NODE_ENV": "production", **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
    """Return medians; rate and CPU also as ratios to a Probot of the same round, with their ranges."""
    lines = [f"{'':32} {'rate, ratio':>18} {'CPU, ratio':>18} {'CPU us':>7} {'p99 ms':>7} {'not 2xx':>8}"]
    base = results[BASES[0]]
    for name, rounds in results.items():
        base = rounds if name in BASES else base
        rate = ratios(
            [one["requests"] / one["seconds"] for one in pair] for pair in zip(rounds, base, strict=True)
        )
        cost = ratios(
            [one["cpu"] / one["requests"] for one in pair] for pair in zip(rounds, base, strict=True)
        )
        cpu_us = statistics.median(one["cpu"] / one["requests"] * 1e6 for one in rounds)
        p99 = statistics.median(one["p99_ms"] for one in rounds)
        bad = sum(one["bad"] for one in rounds)
        lines.append(f"{name:32} {rate:>18} {cost:>18} {cpu_us:7.0f} {p99:7.0f} {bad:8.0f}")
    return "\n".join(lines)


def ratios(pairs: Iterable[list[float]]) -> str:
    """Return the median and the range of one value over the other."""
    found = [one / other for one, other in pairs]
    return f"{statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f})"


if __name__ == "__main__":
    sys.exit(main())
