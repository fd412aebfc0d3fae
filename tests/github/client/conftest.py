"""A scripted GitHub, and services that do not wait for it as long as real ones."""

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lastcall.github import GithubService, Options
from lastcall.testing import GitHubServer

Service = Callable[..., GithubService]
REPO = "octo-org/hello"


@cache
def keys() -> tuple[str, bytes]:
    """Return a private and a public key as PEM, one pair for the process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public


@pytest.fixture
async def server() -> AsyncIterator[GitHubServer]:
    """Serve one repository with an issue and a pull request."""
    async with GitHubServer(app_id=7, public_key=keys()[1]) as running:
        running.add_issue(REPO, "It is broken")
        running.add_pull(REPO, "Mend it", files={"a.py": "@@ -1 +1 @@\n-old\n+new"})
        running.add_file(REPO, "docs/read me?.md", b"# \xff hello")
        yield running


@pytest.fixture
def service(server: GitHubServer) -> Service:
    """Return a function that makes a service for the server, with options by name."""

    def make(token: str | None = "token", **given: Any) -> GithubService:
        names = {"session", "auth", "api_version", "base_url", "user_agent"}
        others = {name: given.pop(name) for name in names & given.keys()}
        options = Options(**{"write_interval": 0.0, **given})
        return GithubService(token, **{"base_url": server.url, "options": options, **others})

    return make
