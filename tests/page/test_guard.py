"""Who may see a page."""

import base64
import hashlib
import re

import pytest

from lastcall.ledger.live import sessions_html
from lastcall.page import assemble, refusal

REMEDY = "do this"


def asked(
    peer: str | None = "127.0.0.1", *, host: str = "localhost:8000", token: str | None = None, **headers: str
) -> int:
    """Return the status a request is refused with, 0 if it may pass."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    refused = refusal(peer, named, token, remedy=REMEDY)
    return refused.status if refused is not None else 0


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_pass(peer: str) -> None:
    """Every loopback address is this machine."""
    assert asked(peer) == 0


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "::2", "::ffff:192.0.2.1", "testclient", "", None])
def test_others_may_not(peer: str | None) -> None:
    """Other addresses, and those that are none, are refused."""
    assert asked(peer) == 403


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_real_ip", "via", "x_forwarded_host"])
def test_nobody_passes_through_a_proxy(header: str) -> None:
    """A proxy on this machine speaks for others."""
    assert asked(**{header: "for=127.0.0.1"}) == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:1", "[::1]:80", "app.localhost:5"])
def test_local_names_may_be_used(host: str) -> None:
    """A browser on this machine says one of its local names."""
    assert asked(host=host) == 0


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"])
def test_a_foreign_name_that_points_here_is_refused(host: str) -> None:
    """A page of another site whose name was made to point here is known by its host."""
    assert asked(host=host) == 403


def test_a_refusal_says_how_to_guard() -> None:
    """The one sentence has the remedy in it."""
    refused = refusal("192.0.2.1", {}, None, remedy=REMEDY)
    assert refused is not None
    assert refused.reason.endswith(REMEDY)


@pytest.mark.parametrize("given", ["Bearer sesame", "bearer  sesame "])
def test_who_has_the_token_passes_from_anywhere(given: str) -> None:
    """With a token neither the address nor a proxy matters."""
    assert asked("192.0.2.1", token="sesame", host="app.example", via="1.1 proxy", authorization=given) == 0


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer sesam", "Bearer sesame2", "Basic sesame", "sesame", "Bearer é"]
)
def test_another_token_does_not(given: str) -> None:
    """Without the right token even this machine is refused."""
    assert asked(token="sesame", authorization=given) == 401


def test_a_page_allows_its_own_script_and_style_alone() -> None:
    """The policy names the hashes of what is in the page, and nothing inline beside."""
    page = sessions_html()
    policy = page.headers["Content-Security-Policy"]
    html = page.html.decode()
    for name in ("style", "script"):
        (text,) = re.findall(f"<{name}>(.*?)</{name}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(
        r"\son\w+=|\sstyle=|https?://|innerHTML", html.replace("http://www.w3.org/2000/svg", "")
    )


def test_a_title_is_text() -> None:
    """What a page is called cannot break out of its title."""
    assert b"<title>&lt;b&gt;</title>" in assemble("<b>", "", "").html
