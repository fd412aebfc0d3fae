"""GitHub's limits are respected, and waiting for them is bounded and visible."""

import asyncio
import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import gidgethub
import pytest
from multidict import CIMultiDict
from yarl import URL

from lastcall.github import Options, RateLimitError, Wait
from lastcall.github.limits import limit_of, spent
from lastcall.github.messages import Response, sanitise
from lastcall.testing import Answer, GitHubServer, Step

from .conftest import REPO, Service

NOW = 1_700_000_000.0
LIMITS = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0"}
Waits = list[tuple[str, float]]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make the client's waits short and say how long they would have been."""
    real: Callable[..., Any] = asyncio.sleep
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)
        await real(min(delay, 0.01))

    monkeypatch.setattr("lastcall.github.transport.sleep", sleep)
    monkeypatch.setattr("lastcall.github.lanes.monotonic", lambda: 1e6 + sum(seconds))
    return seconds


def answer(status: int, body: bytes = b"{}", **headers: Any) -> Response:
    """Return an answer; underscores in the names of *headers* stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CIMultiDict(named), body, URL("https://api.github.com/user"))


def limit(status: int, body: bytes = b"{}", attempt: int = 1, **headers: Any) -> tuple[str, float] | None:
    """Return which limit an answer is and how long it asks to wait."""
    again = limit_of(answer(status, body, **headers), attempt, Options(), now=NOW)
    return None if again is None else (again.reason, again.delay)


@pytest.mark.parametrize("status", [403, 429])
def test_a_primary_limit_waits_for_its_reset(status: int) -> None:
    """Nothing remaining means: until the reset, and a second for its fraction; 403 and 429 alike."""
    known: dict[str, Any] = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": f"{NOW + 30:.0f}"}
    assert limit(status, **known) == ("primary limit", 31.0)


def test_a_reset_in_milliseconds_means_the_same() -> None:
    """Proxies and recordings write milliseconds."""
    known: dict[str, Any] = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": f"{(NOW + 30) * 1000:.0f}"}
    assert limit(403, **known) == ("primary limit", 31.0)


@pytest.mark.parametrize("reset", ["", "soon", "-1", "nan", "9" * 40])
def test_a_nonsense_reset_is_a_minute(reset: str) -> None:
    """A reset that cannot be read neither waits for ever nor hammers."""
    assert limit(403, x_ratelimit_remaining="0", x_ratelimit_reset=reset) == ("primary limit", 60.0)


def test_a_wrong_clock_here_does_no_harm() -> None:
    """The answer's own Date counts: here the local clock is an hour behind."""
    known: dict[str, Any] = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": f"{NOW + 3630:.0f}"}
    assert limit(403, date=formatdate(NOW + 3600, usegmt=True), **known) == ("primary limit", 31.0)


def test_retry_after_comes_before_the_reset() -> None:
    """What is asked for by name is what is waited."""
    known: dict[str, Any] = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": f"{NOW + 900:.0f}"}
    assert limit(403, retry_after="7", **known) == ("primary limit", 7.0)


def test_a_secondary_limit_is_known_by_retry_after_or_its_words() -> None:
    """With Retry-After so long; without, a minute that doubles."""
    words = b'{"message": "You have exceeded a secondary rate limit."}'
    assert limit(403, retry_after="5") == ("secondary limit", 5.0)
    assert [limit(403, words, attempt) for attempt in (1, 2)] == [
        ("secondary limit", 60.0),
        ("secondary limit", 120.0),
    ]
    assert limit(429) == ("secondary limit", 60.0)


def test_a_plain_403_is_no_limit() -> None:
    """Missing permission is not waited for."""
    assert limit(403, b'{"message": "Resource not accessible"}', x_ratelimit_remaining="10") is None
    assert limit(404) is None


def test_the_last_request_of_an_hour_holds_back_the_next() -> None:
    """A good answer with nothing left tells how long to keep still; without a readable reset it does not."""
    known: dict[str, Any] = {"x_ratelimit_limit": "60", "x_ratelimit_remaining": "0"}
    assert spent(answer(200, x_ratelimit_reset=f"{NOW + 9:.0f}", **known), now=NOW) == 10.0
    assert spent(answer(200, x_ratelimit_reset="never", **known), now=NOW) == 0.0
    assert spent(answer(200, x_ratelimit_reset=f"{NOW - 9:.0f}", **known), now=NOW) == 0.0


async def test_a_millisecond_reset_does_not_cost_a_good_answer(
    server: GitHubServer, service: Service
) -> None:
    """Alone, gidgethub fails with "year 49745 is out of range" here."""
    server.script.add(Answer(headers={"X-RateLimit-Reset": "1700000000000"}))
    async with service() as github:
        assert (await github.get_user("hubot"))["login"] == "hubot"
        assert github.gh.rate_limit is not None
        assert github.gh.rate_limit.reset_datetime.year == 2023


@pytest.mark.parametrize("value", ["nan", "many", "-1", "1" * 30, ""])
async def test_odd_limit_headers_do_not_cost_a_good_answer(
    server: GitHubServer, service: Service, value: str
) -> None:
    """Each of the three headers may be nonsense."""
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    server.script.add(*(Answer(headers={name: value}) for name in names))
    async with service() as github:
        for _ in names:
            assert (await github.get_user("hubot"))["login"] == "hubot"


def test_an_unknown_charset_and_false_json_are_made_readable() -> None:
    """A charset that Python lacks, and an error page that claims to be JSON, are no crash of ours."""
    odd = sanitise(answer(200, b"{}", content_type="application/json; charset=nope"), now=NOW)
    assert odd.headers["content-type"] == "application/json; charset=utf-8"
    page = sanitise(answer(502, b"<html>", content_type="application/json"), now=NOW)
    assert page.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_limit_is_waited_for_whatever_the_method(
    server: GitHubServer, service: Service, slept: list[float], status: int, method: str
) -> None:
    """A limit refused the request, so that even a POST may be sent again; log and callback tell the wait."""
    waits: list[Wait] = []
    server.script.add(Answer(status=status, message="secondary rate limit", retry_after=3))
    async with service(on_wait=waits.append) as github:
        if method == "GET":
            await github.get_issue(REPO, 1)
        else:
            await github.create_comment(REPO, 1, "once")
    path = f"/repos/{REPO}/issues/1" + ("" if method == "GET" else "/comments")
    assert waits == [Wait("secondary limit", 3.0, method, path, 1)]
    assert slept == [3.0]
    assert len(server.comments(REPO, 1)) == (method == "POST")


async def test_a_limit_that_asks_for_too_long_is_an_error_that_says_how_long(
    server: GitHubServer, service: Service
) -> None:
    """No wait begins that would be over the bound; gidgethub's class catches it too."""
    server.script.add(Answer(status=403, headers=LIMITS, retry_after=1800))
    async with service(wait_max=60) as github:
        with pytest.raises(gidgethub.RateLimitExceeded, match="1800 s") as caught:
            await github.get_user("hubot")
    assert isinstance(caught.value, RateLimitError)
    assert (caught.value.asked, caught.value.request) == (1800.0, "GET /users/hubot")


async def test_a_limit_holds_back_the_tokens_other_calls_too(server: GitHubServer, service: Service) -> None:
    """While GitHub limits a token, another service with it asks nothing; another token may."""
    server.script.add(Answer(status=403, message="secondary rate limit", retry_after=900))
    async with service("limited", wait_max=1) as github:
        with pytest.raises(RateLimitError):
            await github.get_user("hubot")
        with pytest.raises(RateLimitError):
            await service("limited", session=github.session, wait_max=1).get_user("octocat")
        await service("other", session=github.session).get_user("octocat")
    assert [request.path for request in server.requests] == ["/users/hubot", "/users/octocat"]


@pytest.mark.parametrize("method", ["get_issue", "create_comment"])
async def test_those_who_wait_for_their_turn_are_held_back_too(
    server: GitHubServer, service: Service, method: str
) -> None:
    """A limit that comes while others queue is not met by each of them in turn."""
    server.script.add(Answer(status=403, message="secondary rate limit", retry_after=900, delay=0.05))
    given = (REPO, 1, "x") if method == "create_comment" else (REPO, 1)
    async with service(f"queue {method}", wait_max=1, concurrent_max=1) as github:
        calls = [getattr(github, method)(*given) for _ in range(5)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [RateLimitError] * 5
    assert len(server.requests) == 1


async def test_a_limit_of_one_resource_leaves_the_others(server: GitHubServer, service: Service) -> None:
    """A primary limit of the search does not hold back the rest."""
    headers = {**LIMITS, "x-ratelimit-reset": f"{time.time() + 900:.0f}", "x-ratelimit-resource": "search"}
    server.script.add(Answer(status=403, headers=headers))
    async with service("searching", wait_max=1) as github:
        for _ in range(2):
            with pytest.raises(RateLimitError, match="primary"):
                await github.gh.getitem("/search/issues?q=x")
        await github.get_user("hubot")
    assert len(server.requests) == 2


async def test_a_limit_that_never_ends_is_given_up(
    server: GitHubServer, service: Service, slept: list[float]
) -> None:
    """The number of attempts is bounded as well as the time."""
    server.script.add(Step(Answer(status=429, retry_after=1), times=None))
    async with service(attempts_max=3) as github:
        with pytest.raises(RateLimitError):
            await github.get_user("hubot")
    assert len(server.requests) == 3


async def test_a_limited_graphql_answer_of_200_is_a_limit_too(
    server: GitHubServer, service: Service, slept: list[float]
) -> None:
    """GraphQL says RATE_LIMITED with a 200."""
    body = b'{"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}'
    server.script.add(Answer(body=body, content_type="application/json", headers={"retry-after": "2"}))
    async with service() as github:
        assert await github.graphql("{ viewer { login } }") == {"viewer": {"login": "octocat"}}
    assert slept == [2.0]


async def test_waits_are_logged_without_the_query(
    server: GitHubServer, service: Service, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """A log line has method and path; what stands in a query is nobody's business."""
    server.script.add(Answer(status=429, retry_after=1))
    with caplog.at_level(logging.INFO, "lastcall.github"):
        async with service() as github:
            await github.gh.getitem("/users/hubot?secret=1")
    assert [record.message for record in caplog.records] == [
        "GET /users/hubot: waits 1.0 s for secondary limit"
    ]


async def test_few_requests_of_a_token_are_under_way_at_once(server: GitHubServer, service: Service) -> None:
    """However many tasks ask, the server sees as many as allowed."""
    server.script.default = Answer(delay=0.02)
    async with service("few", concurrent_max=3) as github:
        await asyncio.gather(*(github.get_user(f"user{number}") for number in range(12)))
    assert server.requests_in_flight_peak == 3


async def test_queries_are_not_paced_and_mutations_are(
    server: GitHubServer, service: Service, slept: list[float]
) -> None:
    """A GraphQL query is a read; the word in a string or a comment makes no mutation of it."""
    async with service("graph", write_interval=1.0) as github:
        for _ in range(2):
            await github.graphql('# no mutation\nquery { search(query: "mutation") { n } }')
        assert slept == []
        for _ in range(2):
            await github.graphql("mutation { addStar { clientMutationId } }")
    assert slept == [pytest.approx(1.0, abs=0.5)]
