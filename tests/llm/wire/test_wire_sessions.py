"""The wire over sessions of every kind: shared, lent, watched, closed, with TLS and with proxies."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any
from unittest import mock

import aiohttp
import pytest
import trustme
from yarl import URL

from lastcall import ledger
from lastcall.errors import SessionClosedError
from lastcall.ledger.live import traffic
from lastcall.llm.errors import ConnectionFailedError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.sessions import SessionManager
from lastcall.testing import Answer, OpenAIServer

from .asking import asked
from .raw import PATIENCE, Peer, RawServer, until

Body = Callable[..., bytes]


async def silent(peer: Peer) -> None:
    """Read the request and never answer."""
    await peer.request()
    await peer.gone()


async def half_a_stream(peer: Peer) -> None:
    """Begin a stream and never end it."""
    await peer.request()
    await peer.stream(b"data: {}\n\n", end=False)
    await peer.gone()


async def test_durations_are_measured_on_the_short_way_too(
    short_wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Who mounts the page of sessions pays for it with microseconds, and misses no request."""
    before = sum(sum(one.counts) for one in traffic.REQUESTS.series.values())
    traffic.begin()
    try:
        assert short_wire.reason is None
        await short_wire.post(chat, body(), patient)
        await short_wire.collect(chat, body(stream=True), patient)
        server.script.add(Answer(cut="before"))
        server.script.add(Answer(cut="before"))
        with pytest.raises(ConnectionFailedError):
            await short_wire.post(chat, body(), patient)
    finally:
        traffic.end()
    assert sum(sum(one.counts) for one in traffic.REQUESTS.series.values()) == before + 3


async def test_a_shared_session_takes_the_short_way(
    manager: SessionManager, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Its connector sees each request while it is open, and nothing of it afterwards."""
    server.script.add(Answer(delay=0.2))
    session = await manager.get("llm")
    wire = Wire(session)
    assert wire.reason is None
    task = asyncio.create_task(wire.post(chat, body(), patient))
    await until(lambda: bool(server.calls))
    (at_work,) = session.shared.at_work()
    assert (at_work.method, at_work.path) == ("POST", "/v1/chat/completions")
    assert (await task).status == 200
    assert session.shared.at_work() == ()
    assert (session.shared.in_use, session.shared.idle) == (0, 1)


@pytest.mark.parametrize("how", ["post", "open", "collect"])
@pytest.mark.parametrize("serve", [silent, half_a_stream])
async def test_whoever_is_cut_off_by_closing_learns_who_closed(
    manager: SessionManager, patient: Timeouts, how: str, serve: Callable[[Peer], object]
) -> None:
    """A request at work when the manager closes ends with the manager's error, not with one of ours."""
    async with RawServer(serve) as raw:  # type: ignore[arg-type]
        wire, to = Wire(await manager.get("llm")), Target.make(raw.url, "/x", headers={})
        task = asyncio.create_task(asked(wire, how, to, b"{}", patient))
        async with asyncio.timeout(PATIENCE):
            await until(lambda: bool(raw.requests))
            await asyncio.sleep(0.02)
            await manager.close(grace=0)
            with pytest.raises(SessionClosedError, match="test_wire_sessions"):
                await task
            await raw.peers[0].ended.wait()


async def test_closing_waits_for_a_request_at_work(
    manager: SessionManager, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """The manager's grace is for ours as for any other request."""
    server.script.add(Answer(delay=0.2))
    wire = Wire(await manager.get("llm"))
    task = asyncio.create_task(wire.post(chat, body(), patient))
    async with asyncio.timeout(PATIENCE):
        await until(lambda: bool(server.calls))
        await manager.close(grace=PATIENCE)
    assert (await task).status == 200


async def test_a_session_that_is_closing_refuses(
    manager: SessionManager, chat: Target, body: Body, patient: Timeouts
) -> None:
    """New requests get the error that names who closed it; a plain closed session gets aiohttp's."""
    wire = Wire(await manager.get("llm"))
    await manager.close()
    with pytest.raises(SessionClosedError):
        await wire.post(chat, body(), patient)
    async with aiohttp.ClientSession() as session:
        wire = Wire(session)
    with pytest.raises(RuntimeError, match="closed"):
        await wire.post(chat, body(), patient)


@pytest.mark.parametrize("serve", [silent, half_a_stream])
async def test_a_plain_session_closed_under_a_request_ends_it(
    short_wire: Wire, patient: Timeouts, serve: Callable[[Peer], object]
) -> None:
    """Aiohttp tells no reader; the sweep does, within a second."""
    async with RawServer(serve) as raw:  # type: ignore[arg-type]
        task = asyncio.create_task(short_wire.collect(Target.make(raw.url, "/x", headers={}), b"{}", patient))
        async with asyncio.timeout(PATIENCE):
            await until(lambda: bool(raw.requests))
            await asyncio.sleep(0.02)
            await short_wire.session.close()
            with pytest.raises(
                aiohttp.ClientError if serve is silent else Exception, match=r"closed|cut off"
            ):
                await task


async def test_what_watches_requests_sees_ours(
    server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """The ledger at the level of responses, and whatever else replaces `_request`, is passed through."""
    async with aiohttp.ClientSession() as session:
        wire = Wire(session)
        assert wire.reason is None
        with mock.patch.object(aiohttp.ClientSession, "_request", autospec=True) as replaced:
            replaced.side_effect = ZeroDivisionError
            assert wire.reason is not None
            with pytest.raises(ZeroDivisionError):
                await wire.post(chat, body(), patient)
        with ledger.watch("responses"):
            assert wire.reason is not None
            assert (await wire.post(chat, body(), patient)).status == 200
        assert wire.reason is None
        assert (await wire.post(chat, body(), patient)).status == 200


async def test_a_proxy_around_the_request_is_passed_through(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Tracers put an object there that has all attributes of the method it calls."""
    original: Any = aiohttp.ClientSession._request
    calls: list[str] = []

    class Proxy:
        def __init__(self, method: Any) -> None:
            self._method = method

        def __getattr__(self, name: str) -> Any:
            return getattr(self._method, name)

        def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
            calls.append(method)
            return self._method(method, *args, **kwargs)

    monkeypatch.setattr(
        aiohttp.ClientSession, "_request", property(lambda session: Proxy(original.__get__(session)))
    )
    async with aiohttp.ClientSession() as session:
        assert (await Wire(session).post(chat, body(), patient)).status == 200
    assert calls == ["POST"]


async def test_the_ledger_sees_the_session_and_no_leak(
    server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Watching sessions does not close the short way, and counts its requests."""
    with ledger.watch("sessions") as watch:
        async with aiohttp.ClientSession() as session:
            wire = Wire(session)
            assert wire.reason is None
            await asyncio.gather(*(wire.post(chat, body(), patient) for _ in range(5)))
            (record,) = ledger.open_sessions()
            assert record.requests == 5
        assert not watch.report().leaks


async def test_traces_of_a_session_are_called(
    server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """A session that traces its requests keeps doing so."""
    seen: list[str] = []

    async def started(session: object, context: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.method)

    traces = aiohttp.TraceConfig()
    traces.on_request_start.append(started)
    async with aiohttp.ClientSession(trace_configs=[traces]) as session:
        await Wire(session).post(chat, body(), patient)
    assert seen == ["POST"]


async def test_a_lent_session_works(
    manager: SessionManager, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """A session with a request method of its own is asked by that method."""
    async with await manager.lend("llm") as session:
        assert (await Wire(session).post(chat, body(), patient)).status == 200


async def test_cookies_of_a_session_are_sent_and_none_are_kept(patient: Timeouts) -> None:
    """A jar that holds cookies closes the short way; what an answer sets is not kept on it."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(b"{}", "Set-Cookie: set=1")

    async with RawServer(serve) as raw:
        to = Target.make(raw.url, "/x", headers={})
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                await Wire(session).post(to, b"{}", patient)
            assert b"cookie" not in raw.requests[-1].lower()
        jar = aiohttp.CookieJar(unsafe=True)
        jar.update_cookies({"given": "2"}, URL(raw.url))
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            await Wire(session).post(to, b"{}", patient)
            assert b"given=2" in raw.requests[-1]


async def test_a_proxy_is_used(patient: Timeouts) -> None:
    """A target with a proxy goes to the proxy, with the whole address in the request's line."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b'{"by":"proxy"}')

    async with RawServer(serve) as proxy, aiohttp.ClientSession() as session:
        to = Target.make("http://model.invalid/v1", "/x", headers={}, proxy=URL(proxy.url))
        answer = await Wire(session).post(to, b"{}", patient)
        assert answer.body == b'{"by":"proxy"}'
        assert proxy.requests[0].startswith(b"POST http://model.invalid/v1/x HTTP/1.1\r\n")


async def test_a_proxy_that_refuses_is_an_error_of_the_connection(patient: Timeouts) -> None:
    """A 407 to a tunnel is the proxy's, no answer of the model's server."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"", status="407 Proxy Authentication Required")

    async with RawServer(serve) as proxy, aiohttp.ClientSession() as session:
        to = Target.make("https://model.invalid/v1", "/x", headers={}, proxy=URL(proxy.url))
        with pytest.raises(ConnectionFailedError, match="the proxy refused with 407"):
            await Wire(session).post(to, b"{}", patient)


async def test_tls_is_verified_and_its_refusals_are_explained(
    wire: Wire, body: Body, patient: Timeouts
) -> None:
    """The right authority is good; an unknown one, and a wrong name, are errors that say so."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with OpenAIServer(ssl=context) as server:
        path = "/chat/completions"
        good = Target.make(server.base_url, path, headers={}, ssl=trusting)
        for _ in range(2):
            assert (await wire.post(good, body(), patient)).status == 200
        collected = await wire.collect(good, body(stream=True), patient)
        assert json.loads(collected.assembled(path).body)["choices"]
        unknown = Target.make(server.base_url, path, headers={})
        with pytest.raises(ConnectionFailedError, match="certificate is refused"):
            await wire.post(unknown, body(), patient)
        wrong_name = server.base_url.replace("127.0.0.1", "localhost")
        with pytest.raises(ConnectionFailedError, match=r"certificate is refused: .*localhost"):
            await wire.post(Target.make(wrong_name, path, headers={}, ssl=trusting), body(), patient)


async def test_a_plain_server_where_tls_is_expected_is_an_error(
    wire: Wire, server: OpenAIServer, body: Body, patient: Timeouts
) -> None:
    """Https to a port that speaks http fails with its reason."""
    to = Target.make(server.base_url.replace("http://", "https://"), "/chat/completions", headers={})
    with pytest.raises(ConnectionFailedError):
        await wire.post(to, body(), patient)


async def test_two_wires_and_five_hundred_targets_share_a_session(
    server: OpenAIServer, body: Body, patient: Timeouts
) -> None:
    """What is prepared of one target does not reach another, whichever session asks."""
    async with aiohttp.ClientSession() as one, aiohttp.ClientSession() as two:
        wires = [Wire(one), Wire(two)]
        targets = [
            Target.make(server.base_url, "/chat/completions", headers={"X-Number": str(number)})
            for number in range(500)
        ]
        await asyncio.gather(
            *(wires[number % 2].post(to, body(str(number)), patient) for number, to in enumerate(targets))
        )
        await wires[0].post(targets[0], body("last"), patient)
        await wires[1].post(targets[0], body("last"), patient)
    sent = {call.json["messages"][0]["content"]: call.headers["X-Number"] for call in server.calls}
    assert sent == {str(number): str(number) for number in range(500)} | {"last": "0"}


async def test_connections_are_shared_with_requests_of_aiohttp(
    server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """A connection goes from our hands into aiohttp's and back, with its timers and parser as they expect."""
    async with aiohttp.ClientSession() as session:
        wire = Wire(session)
        for number in range(3):
            assert (await wire.post(chat, body(str(number)), patient)).status == 200
            async with session.get(f"{server.base_url}/models") as response:
                assert (await response.json())["object"] == "list"
            server.script.add(Answer(delay=30))
            with pytest.raises(aiohttp.SocketTimeoutError):
                await session.post(
                    chat.url, data=body(str(number)), timeout=aiohttp.ClientTimeout(sock_read=0.05)
                )
            await wire.collect(chat, body(str(number), stream=True), patient)
