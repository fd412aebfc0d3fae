"""Addresses and headers, and what cannot be one."""

from __future__ import annotations

import pytest

from lastcall.llm.errors import RequestError
from lastcall.llm.target import Target


@pytest.mark.parametrize(
    ("base_url", "path", "address"),
    [
        ("http://h:1/v1", "/chat/completions", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "chat/completions", "http://h:1/v1/chat/completions"),
        ("http://h", "/v1/chat/completions", "http://h/v1/chat/completions"),
        ("https://h/a?api-version=1", "/x", "https://h/a/x?api-version=1"),
        ("https://h/a?api-version=1", "/x?y=2", "https://h/a/x?api-version=1&y=2"),
        ("https://me:pw@h/v1#part", "/x", "https://h/v1/x"),
        ("http://[::1]:8080/v1", "/x", "http://[::1]:8080/v1/x"),
        ("http://bücher.example/v1", "/x", "http://xn--bcher-kva.example/v1/x"),
    ],
)
def test_an_address_is_the_base_and_the_path(base_url: str, path: str, address: str) -> None:
    """Slashes are not doubled, the query is kept, credentials and fragment are not."""
    assert str(Target.make(base_url, path, headers={}).url) == address


@pytest.mark.parametrize(
    "base_url", ["", "h:1/v1", "ftp://h/v1", "http://", "//h/v1", "http://h:x/v1", "http://h:99999/v1"]
)
def test_what_is_no_address_is_refused(base_url: str) -> None:
    """Before anything is sent, and without repeating what may hold a password."""
    with pytest.raises(RequestError, match="base URL") as caught:
        Target.make(base_url, "/x", headers={})
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "secret\r\nY: 1"},
        {"X": "secret\n"},
        {"X": "secret\0"},
        {"X Y": "secret"},
        {"": "secret"},
        {"Content-Length": "5"},
        {"host": "secret"},
        {"TRANSFER-ENCODING": "chunked"},
    ],
)
def test_what_is_no_header_is_refused_without_its_value(headers: dict[str, str]) -> None:
    """A line break would smuggle in another header or request."""
    with pytest.raises(RequestError, match="header") as caught:
        Target.make("http://h", "/x", headers=headers)
    assert "secret" not in str(caught.value)
    with pytest.raises(RequestError):
        Target.make("http://h", "/x", headers={}).with_headers(headers)


def test_given_headers_take_precedence() -> None:
    """Over the defaults, and over credentials in the address; in any case."""
    target = Target.make("http://me:pw@h", "/x", headers={"authorization": "Bearer k", "ACCEPT": "a/b"})
    assert target.headers["Authorization"] == "Bearer k"
    assert target.headers["accept"] == "a/b"
    assert target.headers["Accept-Encoding"] == "identity"
    more = target.with_headers({"X-Key": "1", "accept": "c/d"})
    assert (more.headers["x-key"], more.headers["Accept"]) == ("1", "c/d")
    assert target.headers["accept"] == "a/b"


def test_a_target_shows_no_secret() -> None:
    """Neither query nor credentials nor headers are in its repr."""
    target = Target.make("https://me:pw@h/v1?key=secret", "/x", headers={"Authorization": "secret"})
    assert repr(target) == "<Target https://h/v1/x>"
    assert target.server == "https://h"
