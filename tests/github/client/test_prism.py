"""Every call of the service against Prism, which mocks GitHub by its own description of its paths."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import gidgethub
import pytest

from lastcall.github import ForeignUrlError, GithubService, Options

from .counterparts import npm
from .test_openapi import OPENAPI, body_problems

PRISM = "@stoplight/prism-cli@5.16.0"
REPO = "octo-org/hello"
READY_S = 150

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def _first(items: AsyncIterator[Any]) -> Any:
    # Its links are canned and lead to the real GitHub, where nothing is sent: one page is what can be read.
    with contextlib.suppress(ForeignUrlError):
        async for item in items:
            return item
    return None


CALLS: dict[str, Callable[[GithubService], Awaitable[Any]]] = {
    "get_my_user_info": lambda github: github.get_my_user_info(),
    "get_user": lambda github: github.get_user("octocat"),
    "get_repos": lambda github: _first(github.get_repos()),
    "get_repos of an owner": lambda github: _first(github.get_repos("octocat")),
    "get_installation_repos": lambda github: _first(github.get_installation_repos()),
    "get_repo": lambda github: github.get_repo(REPO),
    "get_content": lambda github: github.get_content(REPO, "README.md"),
    "put_file": lambda github: github.put_file(REPO, "a.txt", b"a", message="m", branch="main"),
    "get_check_runs": lambda github: _first(github.get_check_runs(REPO, "main")),
    "create_check_run": lambda github: github.create_check_run(
        REPO, name="lint", head_sha="abc", status="in_progress"
    ),
    "update_check_run": lambda github: github.update_check_run(REPO, 1, status="queued"),
    "get_issue": lambda github: github.get_issue(REPO, 1),
    "get_issues": lambda github: _first(
        github.get_issues(REPO, state="all", labels=["bug"], since="2026-01-01T00:00:00Z")
    ),
    "create_issue": lambda github: github.create_issue(REPO, "title", "body", labels=["bug"]),
    "update_issue": lambda github: github.update_issue(REPO, 1, state="closed"),
    "get_comments": lambda github: _first(github.get_comments(REPO, 1)),
    "create_comment": lambda github: github.create_comment(REPO, 1, "hi"),
    "update_comment": lambda github: github.update_comment(REPO, 1, "ho"),
    "delete_comment": lambda github: github.delete_comment(REPO, 1),
    "get_pull": lambda github: github.get_pull(REPO, 1),
    "get_pulls": lambda github: _first(github.get_pulls(REPO, state="closed")),
    "get_pull_files": lambda github: _first(github.get_pull_files(REPO, 1)),
    "get_reviews": lambda github: _first(github.get_reviews(REPO, 1)),
    "create_review": lambda github: github.create_review(REPO, 1, event="COMMENT", body="hm"),
    "get_review_comments": lambda github: _first(github.get_review_comments(REPO, 1)),
}
"""Those that answer JSON; a diff and a raw file are not in the description."""


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    """Start Prism once, which takes half a minute, and give its address."""
    folder = npm(PRISM, OPENAPI)
    node = shutil.which("node")
    assert node is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        node,
        "node_modules/@stoplight/prism-cli/dist/index.js",
        "mock",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    description = "node_modules/@octokit/openapi/generated/api.github.com.json"
    with subprocess.Popen(
        [*command, "-d", description], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            pytest.skip(f"Prism ended with exit status {process.returncode}")
        try:
            urllib.request.urlopen(f"{url}/user", timeout=20).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.skip(f"Prism was not ready within {READY_S} s")


Sent = list[tuple[str, str, bytes]]
"""Method, path and body of each request."""


@pytest.fixture
def sent() -> Sent:
    """Hold what the session sent."""
    return []


@pytest.fixture
async def session(sent: Sent) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that says `Accept: application/json`: Prism does not know GitHub's own media types."""

    async def note(
        _session: aiohttp.ClientSession, _context: object, params: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        sent.append((params.method.lower(), params.url.path, params.chunk))

    async def accept_json(
        _session: aiohttp.ClientSession, _context: object, params: aiohttp.TraceRequestStartParams
    ) -> None:
        params.headers["Accept"] = "application/json"

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(accept_json)
    trace.on_request_chunk_sent.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as opened:
        yield opened


async def test_every_call_is_a_request_that_github_describes(
    prism: str, session: aiohttp.ClientSession, sent: Sent
) -> None:
    """Prism answers 404 to a path and 405 to a method that is not described; bodies fit the description."""
    options = Options(write_interval=0, attempts_max=1)
    wrong: dict[str, Exception] = {}
    async with GithubService("token", session=session, base_url=prism, options=options) as github:
        for name, call in CALLS.items():
            try:
                async with asyncio.timeout(30):
                    await call(github)
            except (gidgethub.GitHubException, OSError, ValueError) as error:
                wrong[name] = error
    assert not wrong
    bodies = [(method, path, json.loads(body)) for method, path, body in sent if body]
    assert len(bodies) == len([name for name in CALLS if name.startswith(("create", "update", "put"))])
    assert not [one for one in bodies if body_problems(*one)]


async def test_a_path_that_is_not_described_is_refused(prism: str, session: aiohttp.ClientSession) -> None:
    """The check above can fail."""
    async with GithubService("token", session=session, base_url=prism) as github:
        with pytest.raises(gidgethub.HTTPException) as caught:
            await github.gh.getitem(f"/repos/{REPO}/nonsense")
    assert caught.value.status_code == 404
