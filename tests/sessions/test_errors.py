"""Errors say what happened, with which value, and what to do; and carry it as data."""

import pickle

import aiohttp
import pytest

from lastcall.errors import LastcallError, ProfileError, SessionClosedError, UnknownProfileError


@pytest.mark.parametrize(
    "error",
    [
        ProfileError("github", "no good", "limit", "limit_per_host"),
        UnknownProfileError("githb", ("default", "github")),
        SessionClosedError("github", "app.py:12", 1.5),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: LastcallError) -> None:
    """An error raised in a child process arrives with its data and its message."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_a_closed_session_is_caught_as_aiohttp_users_would() -> None:
    """SessionClosedError is a ClientConnectionError, and a RuntimeError as aiohttp's own."""
    error = SessionClosedError("github", "app.py:12", 0.0)
    assert isinstance(error, aiohttp.ClientConnectionError)
    assert isinstance(error, RuntimeError)
    assert "session 'github' was closed by app.py:12 at" in str(error)


def test_an_unknown_profile_lists_the_declared_ones_and_the_line_to_add() -> None:
    """The message helps with a slip of the keyboard and with a forgotten declaration."""
    message = str(UnknownProfileError("githb", ("default", "github")))
    assert "declared: 'default', 'github'" in message
    assert "Did you mean 'github'?" in message
    assert "sessions.add(SessionProfile('githb', ...))" in message
