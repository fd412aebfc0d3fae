"""Conditional requests, whose answers are nobody else's, and pages by any `Link` header."""

import pytest
from multidict import CIMultiDict
from yarl import URL

from lastcall.github.cache import ConditionalCache
from lastcall.github.messages import Request, Response
from lastcall.github.pages import link_header, next_page
from lastcall.testing import Answer, GitHubServer, LinkForm, Step

from .conftest import REPO, Service

HERE = URL("https://api.github.com/repos/a/b/issues?page=1")
NEXT = "https://api.github.com/repos/a/b/issues?page=2"


async def test_what_has_not_changed_is_not_sent_again_and_is_the_callers_own(
    server: GitHubServer, service: Service
) -> None:
    """The second answer is a 304; changing the first changes nothing for the next caller."""
    async with service("cached") as github:
        first = await github.get_issue(REPO, 1)
        first["title"] = "scribbled over"
        assert (await github.get_issue(REPO, 1))["title"] == "It is broken"
    assert "If-None-Match" in server.requests[1].headers


async def test_one_tokens_answer_is_never_anothers(server: GitHubServer, service: Service) -> None:
    """With a server that gives two tokens one ETag, each still gets its own body."""
    same = {"ETag": '"same"'}
    server.script.add(
        Step(Answer(body=b'{"for": "A"}', headers=same), lambda call: "A" in call.headers["Authorization"]),
        Step(Answer(body=b'{"for": "B"}', headers=same), lambda call: "B" in call.headers["Authorization"]),
    )
    async with service("A") as first:
        assert await first.gh.getitem("/user") == {"for": "A"}
        assert await service("B", session=first.session).gh.getitem("/user") == {"for": "B"}
    assert "If-None-Match" not in server.requests[1].headers


async def test_a_diff_is_not_answered_with_the_json_of_the_same_url(
    server: GitHubServer, service: Service
) -> None:
    """`Accept` is part of the key."""
    async with service("accepts") as github:
        await github.get_pull(REPO, 2)
        assert "diff --git" in await github.get_pull_diff(REPO, 2)
        assert (await github.get_pull(REPO, 2))["number"] == 2


async def test_pages_from_the_cache_lead_on(server: GitHubServer, service: Service) -> None:
    """A 304 for a page has its link all the same."""
    for number in range(120):
        server.add_issue(REPO, f"Issue {number}")
    async with service("paging") as github:
        first = [issue["number"] async for issue in github.get_issues(REPO)]
        assert [issue["number"] async for issue in github.get_issues(REPO)] == first
    assert len(first) == 122
    assert len(server.requests) == 4


@pytest.mark.parametrize("form", ["github", "unquoted", "late", "relative"])
async def test_every_page_is_read_whatever_the_form_of_its_link(
    service: Service, server: GitHubServer, form: LinkForm
) -> None:
    """Alone, gidgethub stops silently after the first page of some."""
    server.link_form = form
    for number in range(210):
        server.add_issue("many/issues", f"Issue {number}")
    async with service() as github:
        assert len([issue async for issue in github.get_issues("many/issues")]) == 210


@pytest.mark.parametrize(
    "link",
    [
        f'<{NEXT}>; rel="next"',
        f"<{NEXT}>; rel=next",
        f"<{NEXT}>;rel=next",
        f'<{NEXT}>; type="x"; rel="next"',
        f'<{NEXT}>; REL="NEXT"',
        f'<{NEXT}>; rel="last next"',
        f'<https://x/?a=1,2>; rel="prev", <{NEXT}>; rel="next"',
        f'<https://x/>; title="a, <b>; rel=next"; rel="prev",<{NEXT}>; rel="next"',
        '<?page=2>; rel="next"',
        '</repos/a/b/issues?page=2>; rel="next"',
    ],
)
def test_a_next_link_is_found(link: str) -> None:
    """Every form that RFC 8288 allows."""
    assert str(next_page(link, HERE)) == NEXT


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        ",;,",
        "rel=next",
        f'<{NEXT}>; rel="prev"',
        f'<{NEXT}>; rel="nextish"',
        f"<{NEXT}>; title=next",
        f'<{HERE}>; rel="next"',
        f'<{NEXT}>; rel="prev"; rel="next"',
        f"<{NEXT}",
    ],
)
def test_what_is_no_next_link_is_none(link: str | None) -> None:
    """Other relations, broken headers, and a page that would follow itself."""
    assert next_page(link, HERE) is None


def test_braces_in_a_next_page_survive_gidgethubs_templates() -> None:
    """A cursor may hold anything."""
    assert "{" not in link_header(URL("https://api.github.com/x?after={cursor}", encoded=True))


def test_the_cache_is_bounded_by_bytes() -> None:
    """The least recently used answers go, and none that would take too large a part is kept."""
    cache = ConditionalCache(1000)

    def keep(name: str, size: int) -> None:
        request = Request("GET", HERE.with_path(name), CIMultiDict())
        cache.settle("me", request, {}, Response(200, CIMultiDict(ETag=name), b"x" * size, HERE))

    for number in range(30):
        keep(f"/{number}", 100)
    keep("/large", 500)
    assert (len(cache), cache.bytes) == (10, 1000)


def test_a_callers_own_condition_is_left_alone() -> None:
    """Who sends a validator wants to see the 304."""
    cache = ConditionalCache(1000)
    plain = Request("GET", HERE, CIMultiDict())
    cache.settle("me", plain, {}, Response(200, CIMultiDict(ETag="1"), b"x", HERE))
    own = Request("GET", HERE, CIMultiDict({"if-none-match": "2"}))
    assert cache.validators("me", plain) == {"If-None-Match": "1"}
    assert cache.validators("me", own) == {}
    assert cache.settle("me", own, {}, Response(304, CIMultiDict(), b"", HERE)).status == 304
