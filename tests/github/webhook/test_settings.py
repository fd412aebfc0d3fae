"""Settings: read from the environment and a file, and refused with everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastcall.github.settings import Settings, SettingsError

GOOD = {"GITHUB_WEBHOOK_SECRET": "new, old", "GITHUB_TOKEN": "token"}


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """The file holds what the environment does not; secrets keep no blanks around them."""
    (tmp_path / ".env").write_text("GITHUB_TOKEN=file\nGITHUB_WEBHOOK_DB=file.sqlite3\n")
    settings = Settings.from_environment(GOOD, env_file=tmp_path / ".env")
    assert (settings.token, settings.db) == ("token", Path("file.sqlite3"))
    assert settings.secrets == ("new", "old")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"GITHUB_WEBHOOK_SECRET": ""}, "GITHUB_WEBHOOK_SECRET"),
        ({"GITHUB_WEBHOOK_SECRET": "a,,b"}, "GITHUB_WEBHOOK_SECRET"),
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN"),
        ({"GITHUB_TOKEN": "a\nb"}, "GITHUB_TOKEN"),
        ({"GITHUB_APP_ID": "1"}, "not both"),
        ({"GITHUB_TOKEN": "", "GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": "x"}, "private key"),
        ({"GITHUB_APP_PRIVATE_KEY_PATH": "/nowhere/key"}, "/nowhere/key"),
        ({"GITHUB_API_URL": "ftp://x"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "https://u:p@x"}, "GITHUB_API_URL"),
        ({"GITHUB_WEBHOOK_ALLOW": "10.0.0.1/8"}, "GITHUB_WEBHOOK_ALLOW"),
        ({"GITHUB_WEBHOOK_ORDERED": "maybe"}, "GITHUB_WEBHOOK_ORDERED"),
        ({"GITHUB_WEBHOOK_CONCURRENCY": "0"}, "GITHUB_WEBHOOK_CONCURRENCY"),
        ({"GITHUB_WEBHOOK_CONCURRENCY": "nan"}, "GITHUB_WEBHOOK_CONCURRENCY"),
        ({"GITHUB_WEBHOOK_KEEP_DAYS": "3"}, "GITHUB_WEBHOOK_KEEP_DAYS"),
        ({"GITHUB_WEBHOOK_KEEP_DAYS": "nan"}, "GITHUB_WEBHOOK_KEEP_DAYS"),
        ({"GITHUB_WEBHOOK_SWEEP": "yes"}, "GITHUB_WEBHOOK_HOOK"),
        ({"GITHUB_WEBHOOK_HOOK": "o/r"}, "GITHUB_WEBHOOK_HOOK"),
        ({"GITHUB_WEBHOOK_PAGE_TOKEN": " "}, "GITHUB_WEBHOOK_PAGE_TOKEN"),
        ({"GITHUB_WEBHOOK_PAGE_TOKEN": "\u00e9"}, "GITHUB_WEBHOOK_PAGE_TOKEN"),
    ],
)
def test_what_cannot_be_is_named(values: dict[str, str], name: str) -> None:
    """The sentence names the setting, and repeats no secret."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({**GOOD, **values}, env_file=None)
    assert name in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Nobody mends one setting to learn of the next."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({}, env_file=None)
    assert len(caught.value.problems) == 2
