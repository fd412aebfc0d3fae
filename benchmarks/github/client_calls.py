"""
Calls for each second of CPU time: `GithubService` against gidgethub bare, githubkit, and PyGithub in threads.

Each peer asks one `GitHubServer`, which runs in a process of its own, for the same repository, so many times
with so many at once; interleaved rounds. githubkit (which needs hishel before 2) and PyGithub are not among
the project's dependencies: they are installed into an environment of the benchmark's own, in the system's
temporary folder, and skipped with a reason where that fails. CPU time is that of the client's process alone.

    python benchmarks/github/client_calls.py
"""

from __future__ import annotations

import asyncio
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CALLS, AT_ONCE, ROUNDS = 400, 10, 5
REPO = "octocat/hello"
PEERS = ("lastcall", "lastcall, nothing cached", "gidgethub bare", "githubkit", "PyGithub, threads")
PACKAGES = ("githubkit==0.16.0", "hishel<2", "PyGithub")


async def _many(call: Callable[[], object]) -> None:
    async def worker() -> None:
        for _ in range(CALLS // AT_ONCE):
            await call()  # type: ignore[misc]

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def _lastcall(url: str, cache_bytes_max: int) -> None:
    from lastcall.github import GithubService, Options

    options = Options(cache_bytes_max=cache_bytes_max)
    async with GithubService("token", base_url=url, options=options) as github:
        await _many(lambda: github.get_repo(REPO))


async def _gidgethub(url: str) -> None:
    import aiohttp
    from gidgethub.aiohttp import GitHubAPI

    async with aiohttp.ClientSession() as session:
        github = GitHubAPI(session, "bench", oauth_token="token", base_url=url)
        await _many(lambda: github.getitem(f"/repos/{REPO}"))


async def _githubkit(url: str) -> None:
    githubkit = importlib.import_module("githubkit")
    async with githubkit.GitHub("token", base_url=url, http_cache=False) as github:
        owner, name = REPO.split("/")
        await _many(lambda: github.rest.repos.async_get(owner, name))


def _pygithub(url: str) -> None:
    github = importlib.import_module("github")
    client = github.Github(
        base_url=url, auth=github.Auth.Token("token"), seconds_between_requests=0, pool_size=AT_ONCE
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: client.get_repo(REPO).full_name, range(CALLS)))


def run(peer: str, url: str) -> None:
    """Let one peer make its calls, and print the seconds of CPU it took, imports left out."""
    runs: dict[str, Callable[[], object]] = {
        PEERS[0]: lambda: asyncio.run(_lastcall(url, 2**24)),
        PEERS[1]: lambda: asyncio.run(_lastcall(url, 0)),
        PEERS[2]: lambda: asyncio.run(_gidgethub(url)),
        PEERS[3]: lambda: asyncio.run(_githubkit(url)),
        PEERS[4]: lambda: _pygithub(url),
    }
    runs[peer]()  # imports, models and connections of the first round
    started = time.process_time()
    runs[peer]()
    print(time.process_time() - started)


def serve() -> None:
    """Serve until standard input ends."""
    from lastcall.testing import GitHubServer

    with GitHubServer(limit=10**9) as server:
        server.add_repository(REPO)
        print(server.url, flush=True)
        sys.stdin.read()


def peers_python() -> str | None:
    """Return the Python of an environment that has the other peers; None if there is none, and why."""
    folder = Path(tempfile.gettempdir()) / f"lastcall-bench-github-{os.getpid()}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=60)
        subprocess.run(pip, check=True, timeout=180, capture_output=True)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"skipped githubkit and PyGithub: they cannot be installed ({type(error).__name__})")
        return None
    return str(python)


def measure(python: str, peer: str, url: str) -> float | None:
    """Return the seconds of CPU that a peer took, None if it failed."""
    done = subprocess.run(
        [python, __file__, "run", peer, url], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        print(f"skipped {peer}: {done.stderr.strip().splitlines()[-1][:100]}")
        return None
    return float(done.stdout)


def main() -> None:
    """Measure all peers in turn, so many rounds, and print the table."""
    others = peers_python()
    pythons = {peer: sys.executable if index < 3 else others for index, peer in enumerate(PEERS)}
    seconds: dict[str, list[float]] = {}
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for _ in range(ROUNDS):
            for peer, python in list(pythons.items()):
                taken = measure(python, peer, url) if python else None
                if taken is None:
                    del pythons[peer]
                else:
                    seconds.setdefault(peer, []).append(taken)
        assert server.stdin is not None
        server.stdin.close()
    bare = statistics.median(seconds[PEERS[2]])
    print(f"  {'':26}  {'calls per CPU second':>20}  {'to bare':>8}")
    for peer, taken_all in seconds.items():
        middle = statistics.median(taken_all)
        print(f"  {peer:26}  {CALLS / middle:20.0f}  {bare / middle:7.2f}x")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:4])
    else:
        main()
