"""Owning and borrowing, the calls people need, and what they refuse."""

import asyncio
import pickle
from typing import Any

import aiohttp
import gidgethub
import pytest

from lastcall import OwnershipError, SessionClosedError, SessionManager, SessionProfile
from lastcall.github import AppAuth, AppAuthError, ForeignUrlError, GithubService, Options, RateLimitError
from lastcall.testing import GitHubServer

from .conftest import REPO, Service, keys


async def test_owning_reuses_one_connection_and_closes_it_on_an_exception(
    server: GitHubServer, service: Service
) -> None:
    """Every call goes over the one session, which ends with the block whatever happens in it."""

    async def work() -> None:
        async with service() as github:
            for _ in range(3):
                await github.get_my_user_info()
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        await work()
    assert await server.await_until_no_connections()
    assert server.connections_opened == 1


async def test_borrowing_never_closes_what_it_was_given(server: GitHubServer, service: Service) -> None:
    """A borrower is ready at once, and leaves the session open, entered or not."""
    async with aiohttp.ClientSession() as shared:
        async with service(session=shared) as github:
            await github.get_my_user_info()
        assert (await service(session=shared).get_my_user_info())["login"] == "octocat"
        assert not shared.closed


async def test_the_origin_notes_spelling_works(server: GitHubServer) -> None:
    """`GithubService(session=..., oauth_token=...)` borrows, as the note that began it writes it."""
    async with aiohttp.ClientSession() as shared:
        github = GithubService(session=shared, oauth_token="secret", base_url=server.url)
        user = await github.gh.getitem("/user")
    assert user["login"] == "octocat"
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


async def test_a_session_with_a_base_url_of_its_own_can_be_lent(
    server: GitHubServer, service: Service
) -> None:
    """A profile's base URL does not get in the way, not on the oldest aiohttp either."""
    async with SessionManager(SessionProfile("github", base_url=server.url)) as sessions:
        github = service(session=await sessions.get("github"))
        assert (await github.get_repo(REPO))["full_name"] == REPO


async def test_an_owner_outside_its_block_says_so(service: Service) -> None:
    """A call before the session is open names the right forms."""
    with pytest.raises(OwnershipError, match="async with"):
        await service().get_user()


async def test_a_closed_session_is_told_at_once(server: GitHubServer, service: Service) -> None:
    """A call over a session that its owner closed is not tried again and again."""
    async with SessionManager() as sessions:
        session = await sessions.get()
    with pytest.raises(SessionClosedError):
        await service(session=session).get_user()


def test_two_identities_at_once_are_refused() -> None:
    """A token and an App cannot both be meant."""
    with pytest.raises(ValueError, match="one of"):
        GithubService("token", auth=AppAuth(1, keys()[0]))


@pytest.mark.parametrize("url", ["github.example", "ftp://host", "https://host/?a=1", "https://me@host"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    """A base URL must have scheme and host, and no query nor credentials."""
    with pytest.raises(ValueError, match="base_url"):
        GithubService(base_url=url)


def test_no_repr_shows_a_token() -> None:
    """Neither the service nor its identity tells the token."""
    github = GithubService("secret-token")
    assert "secret-token" not in f"{github!r} {github.auth!r} {vars(github)!r}"


def test_errors_can_be_pickled() -> None:
    """Errors cross processes whole."""
    errors: list[Any] = [
        RateLimitError("primary limit", 60, 10, 0, "GET /user"),
        ForeignUrlError("http://a", "http://b"),
        AppAuthError("no"),
    ]
    for error in errors:
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


async def test_every_request_says_who_asks_and_for_which_version(
    server: GitHubServer, service: Service
) -> None:
    """User-Agent and API version go with REST and GraphQL."""
    async with service(user_agent="my-app") as github:
        await github.get_user("hubot")
        await github.graphql("{ viewer { login } }")
    for request in server.requests:
        assert request.headers["User-Agent"] == "my-app"
        assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"


async def test_issues_and_comments_can_be_read_and_written(server: GitHubServer, service: Service) -> None:
    """Issues and comments: create, read, change and delete."""
    async with service() as github:
        made = await github.create_issue(REPO, "New", "text", labels=["bug"])
        await github.update_issue(REPO, made["number"], state="closed")
        assert (await github.get_issue(REPO, made["number"]))["state"] == "closed"
        found = [issue["title"] async for issue in github.get_issues(REPO, state="all", labels=["bug"])]
        assert found == ["New"]
        first = await github.create_comment(REPO, 1, "one")
        second = await github.create_comment(REPO, 1, "two")
        await github.update_comment(REPO, first["id"], "changed")
        await github.delete_comment(REPO, second["id"])
        assert [comment["body"] async for comment in github.get_comments(REPO, 1)] == ["changed"]


async def test_pull_requests_can_be_read_and_reviewed(server: GitHubServer, service: Service) -> None:
    """Pull requests: their files, diff and reviews."""
    async with service() as github:
        assert [pull["title"] async for pull in github.get_pulls(REPO)] == ["Mend it"]
        assert (await github.get_pull(REPO, 2))["changed_files"] == 1
        assert [file["filename"] async for file in github.get_pull_files(REPO, 2)] == ["a.py"]
        assert "+new" in await github.get_pull_diff(REPO, 2)
        await github.create_review(REPO, 2, event="APPROVE", body="good")
        assert [review["state"] async for review in github.get_reviews(REPO, 2)] == ["APPROVED"]
        assert [comment async for comment in github.get_review_comments(REPO, 2)] == []


async def test_check_runs_can_be_made_and_read(server: GitHubServer, service: Service) -> None:
    """Check runs: a list inside an object is iterated as a list."""
    async with service() as github:
        run = await github.create_check_run(REPO, name="lint", head_sha="abc")
        await github.update_check_run(REPO, run["id"], conclusion="success")
        found = [run["conclusion"] async for run in github.get_check_runs(REPO, "abc")]
    assert found == ["success"]


async def test_contents_of_any_name_and_bytes_come_whole(server: GitHubServer, service: Service) -> None:
    """Question marks and blanks in a path, and bytes that are no text, are no trouble."""
    async with service() as github:
        assert await github.get_file(REPO, "docs/read me?.md") == b"# \xff hello"
        found = await github.get_content(REPO, "docs/read me?.md")
        assert isinstance(found, dict)
        assert found["size"] == 9
        listed = await github.get_content(REPO)
        assert isinstance(listed, list)
        assert [entry["name"] for entry in listed] == ["docs"]
        await github.put_file(REPO, "new.txt", b"new", message="add it")
        assert await github.get_file(REPO, "new.txt", ref="main") == b"new"


async def test_repositories_of_users_and_installations_are_listed(
    server: GitHubServer, service: Service
) -> None:
    """Mine, another's and an installation's repositories."""
    async with service() as github:
        assert [repo["full_name"] async for repo in github.get_repos()] == [REPO]
        assert [repo["full_name"] async for repo in github.get_repos("octo-org")] == [REPO]
        assert [repo async for repo in github.get_repos("nobody")] == []
        assert [repo["full_name"] async for repo in github.get_installation_repos()] == [REPO]


@pytest.mark.parametrize("name", ["hello", "a/b/c", "../user", "a/..", "a b/c", "", "a/b?x=1"])
async def test_a_name_that_would_ask_for_something_else_is_refused(service: Service, name: str) -> None:
    """Only "owner/name" gets into a path."""
    async with service() as github:
        with pytest.raises(ValueError, match="owner/name"):
            await github.get_repo(name)


async def test_a_path_does_not_climb_out_of_contents(service: Service) -> None:
    """Dots in a path of a file would reach another endpoint."""
    async with service() as github:
        with pytest.raises(ValueError, match=r"\.\."):
            await github.get_file(REPO, "../../../user")


async def test_what_is_not_there_is_gidgethubs_error(service: Service) -> None:
    """Errors of GitHub keep gidgethub's classes, raw bytes included."""
    async with service() as github:
        with pytest.raises(gidgethub.BadRequest, match="Not Found"):
            await github.get_issue(REPO, 99)
        with pytest.raises(gidgethub.BadRequest, match="Not Found"):
            await github.get_file(REPO, "none")
        with pytest.raises(gidgethub.InvalidField, match="title") as caught:
            await github.create_issue(REPO, "")
    assert caught.value.status_code == 422


async def test_enterprise_paths_are_kept_and_graphql_is_beside_them(
    server: GitHubServer, service: Service
) -> None:
    """A base of /api/v3 goes before REST paths; GraphQL is at /api/graphql."""
    async with service(base_url=f"{server.url}/api/v3/") as github:
        with pytest.raises(gidgethub.BadRequest):
            await github.get_my_user_info()
        with pytest.raises(gidgethub.GraphQLException):
            await github.graphql("{ viewer { login } }")
    assert [request.path for request in server.requests] == ["/api/v3/user", "/api/graphql"]


async def test_services_made_for_each_request_share_one_pace(server: GitHubServer) -> None:
    """Writes of one token are a second apart whoever makes them; here the wait is told, not waited."""
    waits: list[float] = []

    async with aiohttp.ClientSession() as shared:
        options = Options(write_interval=0.05, on_wait=lambda wait: waits.append(wait.seconds))
        made = [GithubService("t", session=shared, base_url=server.url, options=options) for _ in range(4)]
        await asyncio.gather(*(github.create_comment(REPO, 1, "hi") for github in made))
    assert len(waits) == 3
    assert server.requests_in_flight_peak == 1
