"""A token goes to the API's scheme, host and port, and nowhere else."""

import gidgethub
import pytest

from lastcall.github import ForeignUrlError
from lastcall.testing import Answer, GitHubServer, LoopbackServer

from .conftest import REPO, Service


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1/user",
        "https://127.0.0.1/user",
        "http://127.0.0.1:1/user",
        "http://api.github.com@evil.example/",
    ],
)
async def test_a_foreign_url_is_refused_before_anything_is_sent(service: Service, url: str) -> None:
    """Another scheme, host or port is an error that does not repeat the query."""
    async with service() as github:
        with pytest.raises(ForeignUrlError) as caught:
            await github.gh.getitem(f"{url}?secret=1")
    assert "secret" not in str(caught.value)


async def test_credentials_in_a_url_are_refused(server: GitHubServer, service: Service) -> None:
    """They would be sent instead of the token."""
    async with service() as github:
        with pytest.raises(ForeignUrlError):
            await github.gh.getitem(server.url.replace("//", "//user:pass@") + "/user")


async def test_a_next_page_elsewhere_is_refused(server: GitHubServer, service: Service) -> None:
    """A `Link` header is not trusted more than any URL."""
    with LoopbackServer() as elsewhere:
        server.script.add(Answer(headers={"Link": f'<{elsewhere.url}/more>; rel="next"'}))
        async with service() as github:
            with pytest.raises(ForeignUrlError):
                _ = [issue async for issue in github.get_issues(REPO)]
        assert elsewhere.requests_count == 0


async def test_a_redirect_elsewhere_is_followed_without_the_token(
    server: GitHubServer, service: Service
) -> None:
    """Archives and artifacts are on other hosts, which need no token."""
    with LoopbackServer() as elsewhere:
        server.script.add(Answer(status=302, body=b"", headers={"Location": f"{elsewhere.url}/echo"}))
        async with service() as github:
            await github.gh.getbytes(f"/repos/{REPO}/tarball", accept="application/json")
        headers = elsewhere.requests[0].headers
    assert "Authorization" not in headers
    assert headers["User-Agent"]


async def test_a_redirect_of_a_moved_repository_is_followed_with_the_token(
    server: GitHubServer, service: Service
) -> None:
    """Renamed repositories answer 301 for reads and 307 for writes."""
    server.script.add(Answer(status=301, body=b"", headers={"Location": f"/repos/{REPO}"}))
    async with service() as github:
        assert (await github.get_repo("octo-org/old"))["full_name"] == REPO
        moved = {"Location": f"{server.url}/repos/{REPO}/issues/1/comments"}
        server.script.add(Answer(status=307, body=b"", headers=moved))
        await github.create_comment("octo-org/old", 1, "moved")
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer token"}
    assert server.comments(REPO, 1)[0]["body"] == "moved"


async def test_a_write_is_not_redirected_elsewhere(server: GitHubServer, service: Service) -> None:
    """Bodies go to the API alone."""
    with LoopbackServer() as elsewhere:
        server.script.add(Answer(status=307, body=b"", headers={"Location": f"{elsewhere.url}/echo"}))
        async with service() as github:
            with pytest.raises(gidgethub.RedirectionException):
                await github.create_comment(REPO, 1, "x")
        assert elsewhere.requests_count == 0


async def test_redirects_in_a_circle_end(server: GitHubServer, service: Service) -> None:
    """A loop is given up after a few rounds."""
    circle = Answer(status=302, body=b"", headers={"Location": "/user"})
    server.script.add(*[circle] * 20)
    async with service() as github:
        with pytest.raises(gidgethub.RedirectionException):
            await github.get_user()
    assert len(server.requests) == 5
