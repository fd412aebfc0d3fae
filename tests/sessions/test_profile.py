"""Profiles: frozen data, aiohttp's own words, helpful refusals, no secrets shown."""

import copy
import dataclasses
import warnings
from typing import Any

import aiohttp
import pytest

from lastcall.errors import ProfileError
from lastcall.sessions import SessionManager, SessionProfile


def test_an_unknown_option_suggests_the_nearest() -> None:
    """A slip of the keyboard is answered by the option that was meant."""
    with pytest.raises(
        ProfileError, match=r"unknown option 'limit_per_hosts'.*Did you mean 'limit_per_host'"
    ):
        SessionProfile("github", limit_per_hosts=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": -1}, "limit is a whole number"),
        ({"keepalive": 0}, "keepalive is seconds above 0"),
        ({"max_age": "1h"}, "max_age is seconds above 0"),
        ({"timeout": True}, "timeout is seconds above 0"),
        ({"base_url": "/api"}, "base_url is an absolute URL"),
        ({"connector": None}, "comes from the manager"),
        ({"keepalive_timeout": 3}, "is called 'keepalive' here"),
        ({"name": ""}, "non-empty"),
    ],
)
def test_a_value_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    """The error names the option and says what would do."""
    with pytest.raises(ProfileError, match=message):
        SessionProfile(**options)


def test_a_profile_is_frozen_and_equal_by_value() -> None:
    """It can be compared, hashed, copied and replaced, not changed."""
    profile = SessionProfile("github", headers={"a": "b"}, raise_for_status=True)
    assert profile == SessionProfile("github", headers={"a": "b"}, raise_for_status=True)
    assert hash(profile) == hash(copy.copy(profile))
    assert dataclasses.replace(profile, limit=5).options == {"raise_for_status": True}
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.limit = 3  # type: ignore[misc]


def test_repr_shows_no_secret() -> None:
    """Neither header values nor credentials nor queries are shown."""
    shown = repr(
        SessionProfile(
            "github",
            base_url="https://user:secret@api.github.com/?key=secret",
            headers={"Authorization": "secret"},
            proxy="http://user:secret@proxy:8080",
            cookie_jar="secret",
            limit=5,
        )
    )
    assert shown == (
        "SessionProfile('github', base_url='https://api.github.com', headers=['Authorization'], limit=5,"
        " proxy='http://proxy:8080', cookie_jar=...)"
    )


async def test_every_option_of_aiohttp_reaches_it() -> None:
    """Session and connector get what is theirs, under aiohttp's own names."""
    async with SessionManager(
        SessionProfile("x", limit=7, force_close=True, use_dns_cache=False, raise_for_status=True, timeout=3)
    ) as sessions:
        session = await sessions.get("x")
        assert session.raise_for_status is True
        assert session.timeout == aiohttp.ClientTimeout(total=3)
        assert (session.shared.limit, session.shared.force_close, session.shared.use_dns_cache) == (
            7,
            True,
            False,
        )


async def test_the_defaults_are_those_documented() -> None:
    """1,000 connections, 600 per host, 15 s of keep-alive, no environment, no cookies."""
    async with SessionManager() as sessions:
        session = await sessions.get()
        assert (session.shared.limit, session.shared.limit_per_host) == (1000, 600)
        assert session.shared._keepalive_timeout == 15
        assert session.trust_env is False
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)


async def test_no_option_makes_aiohttp_warn() -> None:
    """`enable_cleanup_closed` is passed on only where aiohttp honours it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with SessionManager(SessionProfile(enable_cleanup_closed=True, cookies=True)) as sessions:
            assert isinstance((await sessions.get()).cookie_jar, aiohttp.CookieJar)
