"""What the webhook service needs to know, from the environment and a `.env` file, checked at its start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from yarl import URL

from lastcall.errors import SetupError

from .networks import Network

__all__ = ["Settings", "SettingsError", "read_environment"]

_API_URL = "https://api.github.com"
_GITHUB = "github"


class SettingsError(SetupError):
    """
    Settings that cannot be; nothing was started.

    Attributes:
        problems: All of them, a sentence each; they never repeat a secret.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """Return the problems, one after the other."""
        return "; ".join(self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    Settings of the webhook service. Its `repr` shows no secret.

    Raises:
        SettingsError: If they cannot be, with everything that is wrong.
    """

    secrets: tuple[str, ...] = field(repr=False)
    """Of the webhook, at least one; several while one is being replaced. `GITHUB_WEBHOOK_SECRET`."""

    token: str | None = field(default=None, repr=False)
    """A personal token. `GITHUB_TOKEN`."""

    app_id: str | None = None
    """Of the GitHub App, instead of a token. `GITHUB_APP_ID`."""

    private_key: str | None = field(default=None, repr=False)
    """Of the GitHub App, PEM. `GITHUB_APP_PRIVATE_KEY`, or a file named by `GITHUB_APP_PRIVATE_KEY_PATH`."""

    api_url: str = _API_URL
    """Of GitHub Enterprise: `https://HOST/api/v3`. `GITHUB_API_URL`."""

    db: Path = Path("deliveries.sqlite3")
    """File of the inbox. `GITHUB_WEBHOOK_DB`."""

    page_token: str | None = field(default=None, repr=False)
    """Guards deliveries, metrics, sessions and `/user`; None: only this machine may see them.
    `GITHUB_WEBHOOK_PAGE_TOKEN`."""

    allow: tuple[Network, ...] | None = None
    """Networks that may send deliveries; None for any. `GITHUB_WEBHOOK_ALLOW`, separated by commas."""

    allow_github: bool = False
    """Whether GitHub's own networks may, as `GET /meta` lists them: the word "github" in the same list."""

    ordered: bool = False
    """Whether deliveries of one repository are handled one after the other. `GITHUB_WEBHOOK_ORDERED`."""

    concurrency: int = 20
    """How many deliveries are handled at once. `GITHUB_WEBHOOK_CONCURRENCY`."""

    keep_days: float = 14.0
    """How long handled deliveries are kept, at least 8 days, beyond which GitHub sends none again; dead ones
    twice as long. `GITHUB_WEBHOOK_KEEP_DAYS`."""

    sweep: bool = False
    """Whether GitHub is asked for failed deliveries, which are then sent again. `GITHUB_WEBHOOK_SWEEP`."""

    hook: str | None = None
    """The repository webhook to sweep, as "owner/name/hook id"; None for the GitHub App's.
    `GITHUB_WEBHOOK_HOOK`."""

    def __post_init__(self) -> None:
        """Check everything."""
        if problems := tuple(_problems(self)):
            raise SettingsError(problems)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None, *, env_file: str | os.PathLike[str] | None = ".env"
    ) -> "Settings":
        """
        Return the settings that the environment holds.

        Args:
            environ: Names to values; None for `os.environ`. It is not changed.

            env_file: Holds what the environment does not; one that does not exist is ignored. None for none.

        Raises:
            SettingsError: If they cannot be.
        """
        values = read_environment(environ, env_file=env_file)
        read = _Reader(values)
        settings = {
            "secrets": tuple(map(str.strip, values.get("GITHUB_WEBHOOK_SECRET", "").split(","))),
            "token": values.get("GITHUB_TOKEN") or None,
            "app_id": values.get("GITHUB_APP_ID") or None,
            "private_key": read.private_key(),
            "api_url": values.get("GITHUB_API_URL") or _API_URL,
            "db": Path(values.get("GITHUB_WEBHOOK_DB") or "deliveries.sqlite3"),
            "page_token": values.get("GITHUB_WEBHOOK_PAGE_TOKEN") or None,
            "allow": read.networks("GITHUB_WEBHOOK_ALLOW"),
            "allow_github": _GITHUB in read.words("GITHUB_WEBHOOK_ALLOW"),
            "ordered": read.switch("GITHUB_WEBHOOK_ORDERED"),
            "concurrency": read.whole("GITHUB_WEBHOOK_CONCURRENCY", 20),
            "keep_days": read.number("GITHUB_WEBHOOK_KEEP_DAYS", 14),
            "sweep": read.switch("GITHUB_WEBHOOK_SWEEP"),
            "hook": values.get("GITHUB_WEBHOOK_HOOK") or None,
        }
        if read.problems:
            raise SettingsError(tuple(read.problems))
        return cls(**settings)  # type: ignore[arg-type] # one value for each field, of its type


class _Reader:
    """Reads values out of texts, and gathers what is wrong with them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: list[str] = []

    def words(self, name: str) -> list[str]:
        return [word.strip() for word in self._values.get(name, "").split(",") if word.strip()]

    def networks(self, name: str) -> tuple[Network, ...] | None:
        found: list[Network] = []
        words = self.words(name)
        for word in words:
            try:
                found += [] if word == _GITHUB else [ip_network(word)]
            except ValueError as error:
                self.problems.append(
                    f'{name} takes networks such as 192.0.2.0/24 and the word "github": {error}'
                )
        return tuple(found) if words else None

    def switch(self, name: str) -> bool:
        text = self._values.get(name, "").strip().lower()
        if text not in {"", "0", "no", "false", "off", "1", "yes", "true", "on"}:
            self.problems.append(f"{name} is yes or no, not {text!r}")
        return text in {"1", "yes", "true", "on"}

    def number(self, name: str, default: float) -> float:
        text = self._values.get(name) or str(default)
        try:
            return float(text)
        except ValueError:
            self.problems.append(f"{name} is a number, not {text!r}")
            return default

    def whole(self, name: str, default: int) -> int:
        text = self._values.get(name) or str(default)
        if not text.isdecimal():
            self.problems.append(f"{name} is a whole number, not {text!r}")
            return default
        return int(text)

    def private_key(self) -> str | None:
        if key := self._values.get("GITHUB_APP_PRIVATE_KEY"):
            return key.replace("\\n", "\n")  # an environment variable often cannot hold lines
        if not (path := self._values.get("GITHUB_APP_PRIVATE_KEY_PATH")):
            return None
        try:
            return Path(path).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a PEM file"
            self.problems.append(f"GITHUB_APP_PRIVATE_KEY_PATH: {path} cannot be read: {reason}")
            return None


def read_environment(
    environ: Mapping[str, str] | None = None, *, env_file: str | os.PathLike[str] | None = ".env"
) -> dict[str, str]:
    """Return the environment, and what it does not hold from the file, if there is one."""
    return {**_read_env_file(env_file), **(os.environ if environ is None else environ)}


def _read_env_file(path: str | os.PathLike[str] | None) -> dict[str, str]:
    if path is None or not os.path.isfile(path):  # noqa: PTH113 - takes any path
        return {}
    # Imported here: whoever makes Settings in code needs no such package.
    from dotenv import dotenv_values  # noqa: PLC0415

    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _problems(settings: Settings) -> list[str]:
    problems = []
    if not settings.secrets or not all(secret.strip() for secret in settings.secrets):
        problems.append(
            "GITHUB_WEBHOOK_SECRET is not set, or one of its parts is empty: anybody could sign deliveries;"
            " set it to the webhook's secret, or to the old and the new one with a comma between"
        )
    problems += _credential_problems(settings)
    url = _url(settings.api_url)
    if url is None or url.scheme not in {"http", "https"} or not url.host or url.user or url.query_string:
        problems.append("GITHUB_API_URL is an address such as https://HOST/api/v3, without user or query")
    token = settings.page_token
    if token is not None and not (token.strip() and token.isascii()):
        problems.append("GITHUB_WEBHOOK_PAGE_TOKEN is blank, or not in ASCII, all that a header can carry")
    if settings.concurrency < 1:
        problems.append(f"GITHUB_WEBHOOK_CONCURRENCY is at least 1, not {settings.concurrency}")
    if not settings.keep_days >= 8:  # noqa: PLR2004 - GitHub Enterprise sends again for 7 days
        problems.append(
            f"GITHUB_WEBHOOK_KEEP_DAYS is at least 8, not {settings.keep_days:g}: what GitHub sends"
            " again after it was forgotten here would be handled twice"
        )
    if settings.sweep and not settings.app_id and not settings.hook:
        problems.append("GITHUB_WEBHOOK_SWEEP with a token needs GITHUB_WEBHOOK_HOOK=owner/name/id")
    if settings.hook is not None and not _is_hook(settings.hook):
        problems.append("GITHUB_WEBHOOK_HOOK is owner/name/id, the id a number")
    return problems


def _credential_problems(settings: Settings) -> list[str]:
    if settings.token:
        if settings.app_id or settings.private_key:
            return ["set GITHUB_TOKEN, or GITHUB_APP_ID and its key, not both"]
        return [] if settings.token.isprintable() else ["GITHUB_TOKEN has a line break or the like in it"]
    if not settings.app_id or not settings.private_key:
        return [
            "set GITHUB_TOKEN, or GITHUB_APP_ID with GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_PATH"
        ]
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        load_pem_private_key(settings.private_key.encode(), password=None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        return ["the private key of the GitHub App is not a PEM private key without a password"]
    return []


def _url(text: str) -> URL | None:
    try:
        return URL(text)
    except ValueError:
        return None


def _is_hook(text: str) -> bool:
    parts = text.split("/")
    return len(parts) == 3 and all(parts) and parts[2].isdecimal()  # noqa: PLR2004 - owner, name, id
