"""What is sent again, and above all what is not."""

import asyncio
import json
import socket

import aiohttp
import gidgethub
import pytest
from aiohttp import ClientTimeout

from lastcall.testing import Answer, GitHubServer, Step

from .conftest import REPO, Service


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastcall.github.limits.backoff", lambda attempt: 0.001 * attempt)


@pytest.mark.parametrize(
    "fault",
    [
        *(Answer(status=status) for status in (500, 502, 503, 504)),
        Answer(cut="before"),
        Answer(cut="before", reset=True),
        Answer(cut="head"),
        Answer(cut="body"),
    ],
    ids=repr,
)
async def test_a_read_is_sent_again(server: GitHubServer, service: Service, fault: Answer) -> None:
    """A server's fault and a broken connection do not reach the caller of a GET."""
    server.script.add(fault)
    async with service() as github:
        assert (await github.get_user("hubot"))["login"] == "hubot"
    assert len(server.requests) == 2


async def test_a_read_that_keeps_failing_is_given_up(server: GitHubServer, service: Service) -> None:
    """After the last attempt the caller gets what the server said."""
    server.script.add(Step(Answer(status=502), times=None))
    async with service(attempts_max=3) as github:
        with pytest.raises(gidgethub.GitHubBroken):
            await github.get_user("hubot")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 404, 409, 422, 501])
async def test_an_answer_that_would_be_the_same_is_not_asked_for_again(
    server: GitHubServer, service: Service, status: int
) -> None:
    """Client errors are answers."""
    server.script.add(Answer(status=status))
    async with service() as github:
        with pytest.raises(gidgethub.HTTPException):
            await github.get_user("hubot")
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Answer(status=502), Answer(cut="head"), Answer(delay=5)], ids=repr)
@pytest.mark.parametrize("method", ["post", "patch"])
async def test_a_comment_is_not_made_twice(
    server: GitHubServer, service: Service, fault: Answer, method: str
) -> None:
    """POST and PATCH that may have arrived are not sent again."""
    server.script.add(fault)
    async with service(timeout=ClientTimeout(total=0.3)) as github:
        with pytest.raises((gidgethub.GitHubBroken, aiohttp.ClientError, TimeoutError)):
            await getattr(github.gh, method)(f"/repos/{REPO}/issues/1/comments", data={"body": "x"})
    assert len(server.requests) == 1


async def test_a_post_is_sent_again_if_the_caller_asks(server: GitHubServer, service: Service) -> None:
    """`retry_unsafe` takes the risk."""
    server.script.add(Answer(status=502))
    async with service(retry_unsafe=True) as github:
        await github.create_comment(REPO, 1, "x")
    assert len(server.requests) == 2


async def test_put_and_delete_are_sent_again(server: GitHubServer, service: Service) -> None:
    """What does the same twice may be sent twice."""
    server.script.add(Answer(status=502))
    async with service() as github:
        await github.put_file(REPO, "a", b"a", message="m")
    assert len(server.requests) == 2


async def test_a_graphql_query_is_sent_again_and_a_mutation_is_not(
    server: GitHubServer, service: Service
) -> None:
    """GraphQL has the same guards as REST."""
    server.script.add(Answer(status=502), Answer(), Answer(status=502))
    async with service() as github:
        await github.graphql("{ viewer { login } }")
        with pytest.raises(gidgethub.GitHubBroken):
            await github.graphql("mutation { addStar { clientMutationId } }")
    assert [json.dumps(dict(call.json))[:20] for call in server.calls].count('{"query": "mutation ') == 1


async def test_a_connection_that_never_opened_is_tried_again_even_for_a_post(service: Service) -> None:
    """Nothing was sent, so nothing can be done twice; the failure is told in the end."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        waits: list[str] = []
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with service(base_url=url, on_wait=lambda wait: waits.append(wait.reason)) as github:
            with pytest.raises(aiohttp.ClientConnectorError):
                await github.create_comment(REPO, 1, "x")
    assert waits == ["ClientConnectorError"] * 3


async def test_an_answer_that_does_not_come_ends_by_a_timeout_of_its_own(
    server: GitHubServer, service: Service
) -> None:
    """Each attempt has a limit, whatever the session's."""
    server.script.add(Answer(delay=60))
    async with service(timeout=ClientTimeout(total=0.2), attempts_max=1) as github:
        with pytest.raises(TimeoutError):
            await github.get_user("hubot")


async def test_a_call_that_is_cancelled_ends_at_once_and_lets_others_on(
    server: GitHubServer, service: Service
) -> None:
    """A cancelled write gives its turn to the next."""
    server.script.add(Answer(delay=60))
    async with service("cancelled") as github:
        stuck = asyncio.create_task(github.create_comment(REPO, 1, "stuck"))
        assert await server.await_until(lambda: server.requests_in_flight == 1)
        waiting = asyncio.create_task(github.create_comment(REPO, 1, "next"))
        stuck.cancel()
        assert (await waiting)["body"] == "next"
    assert stuck.cancelled()
