"""Arguments, the environment, and proxies."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from lastcall.llm import RequestError, Timeouts, create_openai_api_handle_async
from lastcall.llm.proxies import environments_proxy
from lastcall.llm.settings import addresses
from lastcall.testing import OpenAIServer

from .conftest import HELLO, KEY, MakeHandle


async def test_what_is_not_given_comes_from_the_environment(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of OpenAI's own clients; a line break at the key's end is no part of it."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment\n")
    monkeypatch.setenv("OPENAI_MODEL", "from-environment")
    handle = create_openai_api_handle_async()
    assert (await handle(HELLO))["model"] == "from-environment"
    assert server.calls[0].headers["Authorization"] == "Bearer sk-from-environment"


async def test_an_empty_key_sends_none(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers without keys; the environment's is not sent to them."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    await create_openai_api_handle_async(server.base_url, "", "tiny")(HELLO)
    assert "Authorization" not in server.calls[0].headers


async def test_without_a_model_the_request_names_it(server: OpenAIServer) -> None:
    """A handle may serve many models."""
    handle = create_openai_api_handle_async(server.base_url, KEY)
    assert (await handle(HELLO, model="mine"))["model"] == "mine"


async def test_headers_go_over_the_handles_own(server: OpenAIServer, make: MakeHandle) -> None:
    """Azure wants its key in another header, and some gateways another form of it."""
    await make(headers={"api-key": "x", "Authorization": "Basic abc"})(HELLO)
    call = server.calls[0]
    assert (call.headers["api-key"], call.headers["Authorization"]) == ("x", "Basic abc")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": ""}, "no server is named"),
        ({"base_url": []}, "names no server|no server is named"),
        ({"base_url": "localhost:8000"}, "no address"),
        ({"base_url": "ftp://host/v1"}, "no address"),
        ({"base_url": "http://[::1/v1"}, "no address"),
        ({"base_url": "http://host/v1=0"}, "weight"),
        ({"base_url": [("http://host/v1", -1)]}, "weight"),
        ({"api_key": "sk-with a-blank"}, "api_key"),
        ({"api_key": "sk-\u00fc"}, "api_key"),
        ({"timeouts": -1}, "timeout"),
        ({"timeouts": "soon"}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"concurrency": 0}, "concurrency"),
        ({"rpm": -5}, "rpm"),
        ({"tpm": 0}, "tpm"),
        ({"wait_max": 0}, "wait_max"),
    ],
)
def test_what_cannot_be_is_said_when_the_handle_is_made(options: dict[str, Any], says: str) -> None:
    """In a sentence that does not repeat the key."""
    given = {"base_url": "http://127.0.0.1:1/v1", "api_key": KEY, "model": "tiny"} | options
    with pytest.raises(RequestError, match=says) as caught:
        create_openai_api_handle_async(**given)
    assert "sk-" not in str(caught.value)


async def test_headers_that_cannot_be_are_said_before_anything_is_sent(make: MakeHandle) -> None:
    """A line break in a value would be a header of its own."""
    with pytest.raises(RequestError, match="X-Bad"):
        await make(headers={"X-Bad": "a\r\nb"})(HELLO)


async def test_a_timeout_of_a_call_that_cannot_be_is_refused(make: MakeHandle) -> None:
    """Before anything is sent."""
    with pytest.raises(RequestError, match="timeout=0"):
        await make()(HELLO, timeout=0)


def test_timeouts_may_be_seconds() -> None:
    """For each attempt, as `timeout=` of a call."""
    handle = create_openai_api_handle_async("http://127.0.0.1:1/v1", KEY, timeouts=7)
    assert handle._options.timeouts == Timeouts(attempt=7)


def test_servers_and_weights_are_read_from_urls() -> None:
    """A number behind the last "=" is a weight, where there is no query that it could belong to."""
    given: list[str | tuple[str, float]] = [
        "http://a/v1",
        "http://b:8000/v1=2.5",
        "http://c/v1?x=3",
        ("http://d/v1?x=3", 4),
        "http://e/k=v",
    ]
    found = [(str(address.url), address.weight) for address in addresses(given)]
    assert found == [
        ("http://a/v1", 1.0),
        ("http://b:8000/v1", 2.5),
        ("http://c/v1?x=3", 1.0),
        ("http://d/v1?x=3", 4.0),
        ("http://e/k=v", 1.0),
    ]


def test_a_password_in_a_url_is_not_shown() -> None:
    """It is sent, as OpenAI's client and curl do, and appears nowhere."""
    handle = create_openai_api_handle_async("http://user:hidden@127.0.0.1:1/v1", "", "tiny")
    assert handle.server == "http://127.0.0.1:1"
    assert "hidden" not in repr(handle) + repr(handle._settings)


class Proxy:
    """A proxy on the loopback that passes plain HTTP on, and counts."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on to the server that it names."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen.append(head)
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.split()
        url = URL(target.decode())
        length = int(
            next(part[16:] for part in rest.split(b"\r\n") if part.lower().startswith(b"content-length"))
        )
        there, back = await asyncio.open_connection(url.host, url.port)
        body = await reader.readexactly(length)
        back.write(
            b"%s %s %s\r\nConnection: close\r\n%s" % (method, url.raw_path.encode(), version, rest) + body
        )
        writer.write(await there.read())
        for stream in (back, writer):
            stream.close()
            await stream.wait_closed()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """A proxy that the environment names, with a password."""
    made = Proxy()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    made.url = f"http://user:hidden@127.0.0.1:{port}"
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", made.url)
    yield made
    listening.close()
    await listening.wait_closed()


async def test_a_proxy_of_the_environment_is_left_alone(proxy: Proxy, make: MakeHandle) -> None:
    """With clear_proxy, the default, requests go straight; the environment is as it was."""
    before = dict(os.environ)
    await make()(HELLO)
    assert not proxy.seen
    assert dict(os.environ) == before


async def test_a_proxy_of_the_environment_is_used_where_asked_for(
    server: OpenAIServer, proxy: Proxy, make: MakeHandle
) -> None:
    """It concerns that handle alone, and streams as well."""
    handle, other = make(clear_proxy=False), make()
    assert (await handle(HELLO))["object"] == "chat.completion"
    assert [chunk async for chunk in handle.stream(HELLO)]
    await other(HELLO)
    assert len(proxy.seen) == 2
    assert b"proxy-authorization: basic" in proxy.seen[0].lower()
    assert server.requests_count == 3


async def test_a_proxy_of_the_session_is_used(server: OpenAIServer, proxy: Proxy, make: MakeHandle) -> None:
    """A borrowed session that has one says how the server is reached."""
    async with aiohttp.ClientSession(proxy=proxy.url) as session:
        await make(session=session)(HELLO)
    assert len(proxy.seen) == 1


def test_hosts_that_the_environment_excepts_have_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`no_proxy` counts, schemes are told apart, and SOCKS is refused with a sentence."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "proxy.test:3128")
    monkeypatch.setenv("no_proxy", "inner.test")
    assert environments_proxy(URL("https://api.test/v1")) == URL("http://proxy.test:3128")
    assert environments_proxy(URL("https://inner.test/v1")) is None
    assert environments_proxy(URL("http://api.test/v1")) is None
    monkeypatch.setenv("all_proxy", "socks5://user:hidden@proxy.test:1080")
    with pytest.raises(RequestError, match="socks5") as caught:
        environments_proxy(URL("http://api.test/v1"))
    assert "hidden" not in str(caught.value)
