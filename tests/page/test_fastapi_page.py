"""`sessions_page()` in an application: what it answers, and to whom."""

from collections.abc import Iterator
from typing import Annotated, Any

import aiohttp
import httpx
import jsonschema
import pytest
import schemathesis
from fastapi import Depends, FastAPI, Header, HTTPException
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families

from lastcall import ledger
from lastcall.fastapi import sessions_page
from lastcall.ledger.live import traffic
from lastcall.ledger.watch import current

from .conftest import full_pool


@pytest.fixture(autouse=True)
def unwatched() -> Iterator[None]:
    """Begin without a watch, and end so."""
    ledger.unwatch()
    yield
    ledger.unwatch()
    while traffic._users:
        traffic.end()


def application(*args: Any, **options: Any) -> FastAPI:
    """Make an application that has the page and nothing else."""
    app = FastAPI()
    app.include_router(sessions_page(*args, **options))
    return app


async def get(
    app: FastAPI, path: str, *, peer: str = "127.0.0.1", base: str = "http://localhost", **headers: str
) -> httpx.Response:
    """Ask *app* as a client at *peer*."""
    transport = httpx.ASGITransport(app, client=(peer, 5))
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        return await client.get(
            path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )


async def test_the_page_begins_the_watch() -> None:
    """Sessions opened after `sessions_page()` are in the JSON, which obeys the schema."""
    app = application()
    async with aiohttp.ClientSession():
        answer = await get(app, "/lastcall/sessions.json")
    document = answer.json()
    jsonschema.validate(document, ledger.schema())
    assert document["live"]["level"] == "sessions"
    assert [site["count"] for site in document["live"]["sites"]] == [1]


async def test_a_watch_that_is_on_goes_on() -> None:
    """A page that is mounted later keeps what is known, and the level."""
    with ledger.watch("responses"):
        async with aiohttp.ClientSession():
            live = (await get(application(), "/lastcall/sessions.json")).json()["live"]
    assert (live["level"], len(live["sites"])) == ("responses", 1)


@pytest.mark.parametrize(
    ("path", "page"), [("/lastcall", "/lastcall"), ("/", "/"), ("/ops/http/", "/ops/http")]
)
async def test_the_page_is_where_it_was_put(path: str, page: str) -> None:
    """Page, JSON and metrics are at the path given."""
    app = application(path)
    answers = [await get(app, page.rstrip("/") + beside) for beside in ("/sessions.json", "/metrics")]
    answers.append(await get(app, page))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[2].headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answers[2].headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/lastcall", "/lastcall/sessions.json", "/lastcall/metrics"])
async def test_strangers_are_told_how_to_guard_it(path: str) -> None:
    """On a public address a request gets one sentence with the remedy, and no data."""
    answer = await get(application(), path, peer="192.0.2.7")
    assert answer.status_code == 403
    assert "give sessions_page() a token= or dependencies=" in answer.json()["detail"]


async def test_a_proxy_on_this_machine_is_a_stranger() -> None:
    """Loopback does not count where a proxy says for whom it asks."""
    answer = await get(application(), "/lastcall/sessions.json", x_forwarded_for="127.0.0.1")
    assert answer.status_code == 403


async def test_a_token_opens_the_data_and_the_page_asks_for_it() -> None:
    """With a token the page, which holds no data, is open, and JSON and metrics are not."""
    app = application(token="sesame")
    assert (await get(app, "/lastcall", peer="192.0.2.7")).status_code == 200
    for path in ("/lastcall/sessions.json", "/lastcall/metrics"):
        refused = await get(app, path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert (await get(app, f"{path}?token=sesame")).status_code == 401
        opened = await get(app, path, peer="192.0.2.7", authorization="Bearer sesame")
        assert opened.status_code == 200


async def test_a_dependency_guards_everything_in_place_of_the_address() -> None:
    """The application's own dependency decides, for strangers and for this machine."""

    async def require_admin(x_user: Annotated[str, Header()] = "") -> None:
        if x_user != "admin":
            raise HTTPException(404)

    app = application(dependencies=[Depends(require_admin)])
    for path in ("/lastcall", "/lastcall/sessions.json", "/lastcall/metrics"):
        assert (await get(app, path)).status_code == 404
        assert (await get(app, path, peer="192.0.2.7", x_user="admin")).status_code == 200


async def test_a_token_holds_beside_a_dependency() -> None:
    """Where both are given both are asked for."""

    async def anybody() -> None: ...

    app = application(token="sesame", dependencies=[Depends(anybody)])
    assert (await get(app, "/lastcall/sessions.json")).status_code == 401


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "lastcall"}, "slash"),
        ({"token": ""}, "empty"),
        ({"token": " "}, "empty"),
        ({"token": "é"}, "ASCII"),
    ],
)
def test_a_page_that_cannot_be_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    """A mistake in the call is said in one sentence, and begins no watch."""
    with pytest.raises(ValueError, match=words):
        sessions_page(**options)
    assert current()[1] is None


async def test_prometheus_reads_the_metrics(url: str) -> None:
    """Prometheus' own parser finds connections, waiters, sessions by line, and durations."""
    app = application()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/some?token=s3cret") as response:
        await response.read()
    async with full_pool(url, waiting=3):
        text = (await get(app, "/lastcall/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    connections = {
        sample.labels["http_connection_state"]: sample.value
        for sample in families["http_client_open_connections"].samples
    }
    assert connections == {"active": 2, "idle": 0}
    assert [sample.value for sample in families["lastcall_requests_waiting"].samples] == [3]
    opened = families["lastcall_sessions_opened"]
    assert opened.type == "counter"
    assert {sample.labels["code_function_name"] for sample in opened.samples} == {
        "test_prometheus_reads_the_metrics",
        "full_pool",
    }
    port = url.rpartition(":")[2]
    counts = [
        sample.value
        for sample in families["http_client_request_duration_seconds"].samples
        if sample.name.endswith("_count") and sample.labels["server_port"] == port
    ]
    assert counts
    assert "s3cret" not in text


async def test_the_page_of_a_mounted_application_works() -> None:
    """A sub-application, whose lifespan does not run, may have the page too."""
    outer = FastAPI()
    outer.mount("/inner", application())
    assert (await get(outer, "/inner/lastcall/sessions.json")).status_code == 200


@pytest.mark.parametrize("path", ["/lastcall/sessions.json", "/lastcall/metrics"])
def test_whatever_is_asked_gets_an_answer_that_was_promised(path: str) -> None:
    """Schemathesis finds no request that is answered otherwise than the OpenAPI document says."""

    async def anybody() -> None: ...

    app = application(dependencies=[Depends(anybody)])
    operation = schemathesis.openapi.from_asgi("/openapi.json", app)[path]["GET"]
    tried = 0

    @settings(
        max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case[Any]) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate()

    run()
    assert tried
