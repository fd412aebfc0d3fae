"""Traffic of the real GitHub, recorded and played back by `@octokit/fixtures-server`."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import gidgethub
import pytest

from lastcall.github import GithubService, Options, TokenAuth
from lastcall.github.transport import Transport

from .counterparts import npm

FIXTURES = "@octokit/fixtures-server@8.1.7"
ORG = "octokit-fixture-org"
READY_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Scenario = Callable[[str], Awaitable[GithubService]]


class RecordedToken(TokenAuth):
    """The recordings want the old word before the token."""

    async def authorization(self, transport: Transport) -> str:
        """Return what the recorded clients sent."""
        return "token 0000000000000000000000000000000000000001"


@pytest.fixture(scope="module")
def recordings() -> Iterator[str]:
    """Start the server once, and give its address."""
    folder = npm(FIXTURES)
    node = shutil.which("node")
    assert node is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    command = [node, "node_modules/@octokit/fixtures-server/bin/server.js", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--fixtures-url", url], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_ready(process, port)
            yield url
        finally:
            process.kill()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            pytest.skip(f"fixtures-server ended with exit status {process.returncode}")
        try:
            socket.create_connection(("localhost", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.skip(f"fixtures-server was not ready within {READY_S} s")


@pytest.fixture
async def scenario(recordings: str) -> AsyncIterator[Scenario]:
    """Return a function that starts a scenario, and gives a service for it."""
    async with aiohttp.ClientSession() as session:

        async def start(name: str) -> GithubService:
            async with session.post(f"{recordings}/fixtures", json={"scenario": name}) as answer:
                base_url = (await answer.json())["url"]
            options = Options(attempts_max=1, write_interval=0)
            auth = RecordedToken(None)
            return GithubService(auth=auth, session=session, base_url=base_url, options=options)

        yield start


async def test_all_pages_of_a_recorded_list_are_read(scenario: Scenario) -> None:
    """Thirteen issues on five pages, with GitHub's own links and a reset in milliseconds."""
    github = await scenario("paginate-issues")
    found = github.gh.getiter(f"/repos/{ORG}/paginate-issues/issues?per_page=3")
    assert [issue["number"] async for issue in found] == list(range(13, 0, -1))


async def test_a_recorded_redirect_is_followed_for_reads_and_writes(scenario: Scenario) -> None:
    """A renamed repository: 301 for a GET, 307 for a PATCH."""
    github = await scenario("rename-repository")
    path, name = f"/repos/{ORG}/rename-repository", "rename-repository-newname"
    await github.gh.patch(path, data={"name": name})
    assert (await github.get_repo(f"{ORG}/rename-repository"))["name"] == name
    changes = {"name": name, "description": "test description"}
    assert (await github.gh.patch(path, data=changes))["description"] == "test description"


async def test_a_recorded_search_is_read(scenario: Scenario) -> None:
    """A list inside an object, under a limit of its own."""
    github = await scenario("search-issues")
    found = github.gh.getiter("/search/issues{?q}", {"q": f"sesame repo:{ORG}/search-issues"})
    assert len([issue async for issue in found]) == 2


async def test_a_recorded_refusal_names_its_field(scenario: Scenario) -> None:
    """A 422 of the real GitHub is gidgethub's error."""
    github = await scenario("errors")
    with pytest.raises(gidgethub.InvalidField, match="color"):
        await github.gh.post(f"/repos/{ORG}/errors/labels", data={"name": "foo", "color": "invalid"})
