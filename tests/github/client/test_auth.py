"""GitHub Apps: signing, installation tokens made once and in time, and tokens that are refused."""

import asyncio
import time
from typing import Any

import aiohttp
import gidgethub
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lastcall.github import AppAuth, AppAuthError, GithubService
from lastcall.testing import Answer, GitHubServer

from .conftest import REPO, Service, keys


@pytest.fixture
def app() -> AppAuth:
    """Return the App that the server knows."""
    return AppAuth(7, keys()[0])


@pytest.fixture(autouse=True)
def _installed(server: GitHubServer) -> None:
    server.add_installation(11, "octo-org")
    server.add_installation(12, "other")


def tokens_made(server: GitHubServer) -> int:
    """Return how often a token was asked for."""
    return sum(request.path.endswith("/access_tokens") for request in server.requests)


def test_a_jwt_is_backdated_and_lives_less_than_ten_minutes(app: AppAuth) -> None:
    """Its clock may differ a minute from GitHub's; it is kept until it nears its end."""
    claims = jwt.decode(app.jwt(), keys()[1], algorithms=["RS256"])
    assert claims["iss"] == "7"
    assert claims["iat"] <= time.time() - 59
    assert claims["exp"] - claims["iat"] < 600
    assert app.jwt() == app.jwt()


def test_a_key_from_an_environment_variable_is_understood() -> None:
    """Newlines written as backslash and n, and blanks around, are no trouble."""
    AppAuth("client-id", "  " + keys()[0].replace("\n", "\\n") + " ").jwt()


@pytest.mark.parametrize("kind", ["nonsense", "public", "elliptic"])
def test_a_key_that_cannot_sign_is_refused_without_being_shown(kind: str) -> None:
    """The error names the trouble and not the key."""
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key: Any = {"nonsense": "secret", "public": keys()[1], "elliptic": elliptic}[kind]
    with pytest.raises(AppAuthError) as caught:
        AppAuth(7, key)
    assert "secret" not in str(caught.value)


async def test_many_calls_of_an_installation_make_one_token(
    server: GitHubServer, service: Service, app: AppAuth
) -> None:
    """Fifty tasks at once, and later calls, use a token that one task made; installations have their own."""
    async with service(None, auth=app) as github:
        first, second = github.for_installation(11), github.for_installation(12)
        await asyncio.gather(*(first.get_repo(REPO) for _ in range(50)))
        await asyncio.gather(second.get_repo(REPO), github.for_installation(11).get_repo(REPO))
    assert tokens_made(server) == 2
    used = {
        request.headers["Authorization"] for request in server.requests if request.path.startswith("/repos")
    }
    assert used == {f"Bearer {token}" for token in server.tokens.issued}


async def test_a_token_is_renewed_before_its_end(service: Service, app: AppAuth) -> None:
    """One that has little time left is not used again."""
    async with GitHubServer(app_id=7, public_key=keys()[1], token_life=0.0) as server:
        server.add_installation(11, "octo-org")
        server.add_repository(REPO)
        transport = GithubService(auth=app, base_url=server.url).gh.transport
        async with aiohttp.ClientSession() as session:
            transport.session = lambda: session
            made = [await app.token(11, transport) for _ in range(2)]
    assert made[0] != made[1]


async def test_a_new_token_that_is_not_known_yet_is_tried_again(service: Service, app: AppAuth) -> None:
    """GitHub refuses fresh tokens for a moment; the caller does not notice."""
    async with GitHubServer(app_id=7, public_key=keys()[1], token_lag=1) as server:
        server.add_installation(11, "octo-org")
        server.add_repository(REPO)
        async with service(None, auth=app.installation(11), base_url=server.url) as github:
            await github.get_repo(REPO)
        assert tokens_made(server) == 1


async def test_a_revoked_token_is_replaced(server: GitHubServer, service: Service, app: AppAuth) -> None:
    """An older token that is refused is dropped, and another one made, once."""
    async with service(None, auth=app.installation(11), new_token_age=0.0) as github:
        await github.get_repo(REPO)
        server.tokens.revoke()
        await github.get_repo(REPO)
        assert tokens_made(server) == 2
        server.script.add(*[Answer(status=401)] * 2)
        with pytest.raises(gidgethub.BadRequest):
            await github.get_repo(REPO)


async def test_an_installation_that_is_gone_is_forgotten(
    server: GitHubServer, service: Service, app: AppAuth
) -> None:
    """A 404 for the token drops the installation, and the next look finds the new one."""
    async with service(None, auth=app, new_token_age=0.0) as github:
        await (await github.for_repository(REPO)).get_repo(REPO)
        server.tokens.revoke()
        server.remove_installation(11)
        with pytest.raises(AppAuthError, match="no installation 11"):
            await (await github.for_repository(REPO)).get_repo(REPO)
        with pytest.raises(AppAuthError, match="not installed"):
            await github.for_repository(REPO)
        server.add_installation(13, "octo-org")
        assert (await (await github.for_repository(REPO)).get_repo(REPO))["full_name"] == REPO


async def test_a_wrong_clock_is_corrected_by_githubs(
    server: GitHubServer, service: Service, app: AppAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine an hour ahead signs again by the Date of the refusal."""
    real = time.time
    monkeypatch.setattr("lastcall.github.auth.wall_clock", lambda: real() + 3600)
    async with service(None, auth=app.installation(11)) as github:
        await github.get_repo(REPO)
    assert tokens_made(server) == 2


async def test_a_personal_token_has_no_installations(service: Service) -> None:
    """Asking for one says what is needed."""
    async with service() as github:
        with pytest.raises(TypeError, match="AppAuth"):
            github.for_installation(1)
