"""The application: its endpoints, who may see them, and what it does with its session."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from lastcall.github import Event, GithubService, Router
from lastcall.github.app import create_app
from lastcall.github.settings import Settings
from lastcall.testing import GitHubServer

from .conftest import LIMIT, SECRET, private_key, signed
from .serving import in_thread

LOCAL = "http://localhost"
TOKEN = {"Authorization": "Bearer page"}


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    """Start a small GitHub."""
    with GitHubServer() as server:
        server.add_pull("octocat/hello", "A change")
        yield server


@pytest.fixture
def settings(tmp_path: Path, github: GitHubServer) -> Settings:
    """Return settings with a token, for that GitHub."""
    return Settings(secrets=(SECRET,), token="token", api_url=github.url, db=tmp_path / "x.sqlite3")


@contextmanager
def started(app: FastAPI, client: str = "127.0.0.1", base_url: str = LOCAL) -> Iterator[TestClient]:
    """Start the application, and call it as from an address."""
    with TestClient(app, base_url=base_url, client=(client, 1)) as calling:
        yield calling


def wait_for(client: TestClient, delivery_id: str, state: str) -> dict[str, Any]:
    """Return a delivery once it is in *state*; bounded."""
    found: dict[str, Any] = {}
    for _ in range(int(LIMIT / 0.02)):
        found = client.get(f"/deliveries/{delivery_id}.json").json()
        if found["state"] == state:
            return found
        asyncio.run(asyncio.sleep(0.02))
    raise AssertionError(found)


def deliver(client: TestClient, event: str = "push", body: bytes = b"{}", delivery_id: str = "1") -> int:
    """Send a signed delivery; return the status."""
    headers = signed(body, event, delivery_id)
    return int(client.post("/webhook", content=body, headers=headers).status_code)


def test_handlers_and_endpoints_share_one_session(settings: Settings, github: GitHubServer) -> None:
    """Every call goes over the application's connections, which are closed when it ends."""
    router, sessions = Router(), []

    @router.register("push")
    async def call(event: Event, github: GithubService) -> None:
        sessions.append(github.session)
        await github.get_my_user_info()

    with started(create_app(settings, router)) as client:
        for number in range(5):
            assert deliver(client, delivery_id=str(number)) == 202
            wait_for(client, str(number), "done")
        assert client.get("/user").json()["login"] == "octocat"
        assert github.connections_opened == 1
    assert len(set(map(id, sessions))) == 1
    assert sessions[0].closed


def test_a_handler_gets_the_service_of_its_installation(tmp_path: Path, github: GitHubServer) -> None:
    """A GitHub App calls with the token of the installation that the event is for."""
    github.add_installation(7, "octocat")
    app_settings = Settings(
        secrets=(SECRET,),
        app_id="1",
        private_key=private_key(),
        api_url=github.url,
        db=tmp_path / "a.sqlite3",
    )
    router = Router()

    @router.register("push")
    async def call(event: Event, github: GithubService) -> None:
        await github.gh.getitem("/repos/octocat/hello")

    with started(create_app(app_settings, router)) as client:
        deliver(client, body=b'{"installation": {"id": 7}}')
        wait_for(client, "1", "done")
        assert client.get("/user").status_code == 501
    assert any("/app/installations/7/access_tokens" in str(call.path) for call in github.calls)


def test_only_the_networks_that_github_names_are_let_in(settings: Settings, github: GitHubServer) -> None:
    """With "github" on the list, `GET /meta` is asked at the start; another address is refused."""
    app = create_app(replace(settings, allow=(), allow_github=True))
    with started(app, client="192.30.252.9") as client:
        for _ in range(int(LIMIT / 0.02)):
            if (status := deliver(client)) == 202:
                break
            asyncio.run(asyncio.sleep(0.02))
        assert status == 202
        assert any(call.path == "/meta" for call in github.calls)
    with started(app, client="203.0.113.9") as client:
        assert deliver(client, delivery_id="2") == 403


def test_a_dead_delivery_is_shown_and_replayed(settings: Settings) -> None:
    """State, attempts, last error and payload are there; a replay makes it whole."""
    router, broken = Router(), [True]

    @router.register("push")
    async def fails(event: Event, github: GithubService) -> None:
        if broken:
            raise RuntimeError("broken")

    with started(create_app(settings, router)) as client:
        deliver(client, body=b'{"a": [1]}')
        found = wait_for(client, "1", "queued")
        while not found["attempts"]:
            found = wait_for(client, "1", "queued")
        assert found["last_error"] == "RuntimeError: broken"
        assert found["payload"] == {"a": [1]}
        broken.clear()
        assert client.post("/deliveries/1/replay").status_code == 403, "a foreign page cannot send the header"
        assert client.post("/deliveries/1/replay", headers={"X-Lastcall": "1"}).json()["was"] == "queued"
        wait_for(client, "1", "done")
        assert client.get("/deliveries.json?state=done").json()["counts"]["done"] == 1
        assert deliver(client, body=b'{"a": [1]}') == 200


PAGES = ["/deliveries", "/lastcall"]
DATA = ["/deliveries.json", "/deliveries/1.json", "/metrics", "/user", "/lastcall/sessions.json"]


@pytest.mark.parametrize("path", [*PAGES, *DATA])
def test_without_a_token_only_this_machine_sees(settings: Settings, path: str) -> None:
    """Not another address, not through a proxy, and not by a name that was made to point here."""
    app = create_app(settings)
    with started(app, client="192.0.2.1") as client:
        assert client.get(path).status_code == 403
    with started(app) as client:
        assert client.get(path, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
        assert client.get(path, headers={"Host": "evil.example"}).status_code == 403
        assert client.get(path).status_code in {200, 404}


@pytest.mark.parametrize("path", DATA)
def test_with_a_token_it_is_asked_for_everywhere(settings: Settings, path: str) -> None:
    """This machine too needs it, and an odd header is 401."""
    wrongs: list[Any] = [{}, {"Authorization": "Bearer other"}, {b"Authorization": b"Bearer \xe9"}]
    with started(create_app(replace(settings, page_token="page"))) as client:
        for wrong in wrongs:
            assert client.get(path, headers=wrong).status_code == 401
        assert client.get(path, headers=TOKEN).status_code in {200, 404}


def test_metrics_are_prometheus_text(settings: Settings) -> None:
    """Prometheus's own parser reads what was counted; unknown events are counted, and no error."""
    with started(create_app(settings)) as client:
        deliver(client, event="not_invented_yet")
        wait_for(client, "1", "done")
        families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
    (unhandled,) = families["lastcall_github_webhook_unhandled"].samples
    assert (unhandled.labels, unhandled.value) == ({"event": "not_invented_yet"}, 1)
    assert any("session" in name for name in families), "the sessions' figures are there too"


def test_the_sessions_page_shows_the_applications_session(settings: Settings) -> None:
    """The page is served, and its data has the one session that every call shares."""
    with started(create_app(settings)) as client:
        assert "<html" in client.get("/lastcall").text
        client.get("/user")
        report = client.get("/lastcall/sessions.json").json()
    (pool,) = [site for site in report["live"]["sites"] if site["profile"] == "github"]
    assert (pool["count"], pool["requests"], pool["in_use"]) == (1, 1, 0)


def test_readiness_is_whether_deliveries_can_be_stored(settings: Settings) -> None:
    """Alive and ready are two questions."""
    with started(create_app(settings)) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 200


def test_an_application_can_be_started_again(settings: Settings) -> None:
    """What one start accepted and did not handle, the next one handles."""
    app = create_app(settings)
    for _ in range(2):
        with started(app) as client:
            assert deliver(client) in {200, 202}
            wait_for(client, "1", "done")


def test_secrets_are_in_no_repr(settings: Settings) -> None:
    """Settings can be logged."""
    assert SECRET not in repr(settings)
    assert "token='token'" not in repr(settings)


@pytest.mark.slow
def test_every_endpoint_keeps_to_the_openapi_description(settings: Settings) -> None:
    """Whatever is asked, answers have the statuses and forms described, and are never 5xx."""
    app = create_app(replace(settings, page_token="page"))
    checked: Counter[str] = Counter()

    def check(operation: Any) -> None:
        @hypothesis_settings(
            max_examples=15, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def run(case: schemathesis.Case[Any]) -> None:
            answer = case.call(headers=TOKEN)
            case.validate_response(
                answer, checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
            )
            checked[operation.path] += 1

        run()

    with in_thread(app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(path="/user")
        for operation in schema.get_all_operations():
            assert isinstance(operation, Ok), operation
            check(operation.ok())
    assert set(checked) == set(app.openapi()["paths"]) - {"/user"}


def test_a_middleware_of_the_application_sees_the_webhook(settings: Settings) -> None:
    """The webhook goes past the routing only: what was added to the application stands before it."""
    seen: list[str] = []

    class Look:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["type"] + scope.get("path", ""))
            await self.app(scope, receive, send)

    app = create_app(settings)
    app.add_middleware(Look)
    with started(app) as client:
        assert client.post("/webhook", content=b"{}", headers=signed(b"{}")).status_code == 202
        assert client.get("/webhook").status_code == 405
    assert seen == ["lifespan", "http/webhook", "http/webhook"]


def test_the_webhook_is_found_under_a_prefix(settings: Settings) -> None:
    """Mounted in another application, or behind a proxy's path, the route answers."""
    with TestClient(create_app(settings), base_url=LOCAL, root_path="/hooks") as client:
        assert client.post("/webhook", content=b"{}", headers=signed(b"{}")).status_code == 202
