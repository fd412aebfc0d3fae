"""Answers of every shape, on both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import aiohttp
import pytest
from yarl import URL

from lastcall.llm.errors import AnswerError, ConnectionFailedError, TruncatedError
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.testing import Answer, OpenAIServer

from .raw import PATIENCE, Peer, RawServer

Body = Callable[..., bytes]


def target(server: RawServer, **headers: str) -> Target:
    return Target.make(server.url, "/v1/chat/completions", headers=headers)


async def test_an_answer_is_given_back_whole(
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Status, headers in any case, and the bytes of the body."""
    answer = await wire.post(chat, body(), patient)
    assert answer.status == 200
    assert answer.headers["X-Request-Id"] == answer.headers["x-request-id"] == "req_00000001"
    assert json.loads(answer.body)["object"] == "chat.completion"
    call = server.calls[0]
    assert call.headers["Authorization"] == "Bearer key"
    assert call.headers["Content-Type"] == "application/json"
    assert call.json["messages"] == [{"role": "user", "content": "hello"}]


async def test_connections_are_used_again_after_answers_of_every_kind(
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts
) -> None:
    """Plain answers, streams read in both ways, and refusals leave a connection that can be used again."""
    server.script.add(Answer(), Answer(status=400), Answer(), Answer(status=429))
    await wire.post(chat, body(), patient)
    await wire.post(chat, body(), patient)
    async for _ in await wire.open(chat, body(stream=True), patient):
        pass
    opened = await wire.open(chat, body(stream=True), patient)
    assert (await opened.answer()).status == 429
    await wire.collect(chat, body(stream=True), patient)
    await wire.post(chat, body(), patient)
    # The end of a stream may come a moment after its [DONE], so that the next request wants another one.
    assert {call.connection for call in server.calls} <= {1, 2}
    assert len(server.calls) == 6


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 408, 409, 429, 500, 503])
async def test_every_status_is_given_back(  # noqa: PLR0917
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts, status: int
) -> None:
    """No status is an error here, and no redirect is followed."""
    server.script.add(Answer(status=status, headers={"Location": "/v1/models"}, body=b'{"no":1}'))
    answer = await wire.post(chat, body(), patient)
    assert (answer.status, answer.body) == (status, b'{"no":1}')
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(split=1, text="abc"),
        Answer(split=7),
        Answer(gzip=True, text="word " * 100_000),
        Answer(text="x" * 2**20),
        Answer(http10=True, text="x" * 300_000),
        Answer(close=True),
        Answer(informational=(100, 103)),
        Answer(content_type="text/plain"),
    ],
    ids=repr,
)
async def test_a_body_arrives_however_it_is_sent(  # noqa: PLR0917
    wire: Wire, server: OpenAIServer, chat: Target, body: Body, patient: Timeouts, answer: Answer
) -> None:
    """Split, packed, large, without a length, after informational answers: the body is what it is."""
    server.script.add(answer, answer)
    for _ in range(2):
        got = json.loads((await wire.post(chat, body(), patient)).body)
        text = got["choices"][0]["message"]["content"]
        assert text == answer.text or answer.text is None


async def test_an_answer_without_a_body_is_empty(wire: Wire, patient: Timeouts) -> None:
    """204 has no body, and the connection goes on."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await peer.request()
        await peer.answer(b"{}")

    async with RawServer(serve) as raw:
        to = target(raw)
        assert (await wire.post(to, b"{}", patient)).body == b""
        assert (await wire.post(to, b"{}", patient)).body == b"{}"
        assert len(raw.peers) == 1


async def test_a_large_body_is_sent_whole(wire: Wire, patient: Timeouts) -> None:
    """Bodies far above what a socket takes at once arrive, byte by byte the same."""
    large = bytes(range(256)) * 2**14

    async def serve(peer: Peer) -> None:
        await asyncio.sleep(0.05)  # the socket fills up
        await peer.request()
        await peer.answer(b"{}")

    async with RawServer(serve) as raw:
        assert (await wire.post(target(raw), large, patient)).status == 200
        assert raw.requests[0].endswith(b"\r\n\r\n" + large)


async def test_a_refusal_before_a_large_body_was_read_is_given_back(wire: Wire, patient: Timeouts) -> None:
    """The rest of the body is not waited for, and the connection is not used again."""

    async def serve(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.answer(b"too large", status="413 Content Too Large")
        await peer.gone()

    async with RawServer(serve) as raw:
        answer = await wire.post(target(raw), b"x" * 2**25, patient)
        assert (answer.status, answer.body) == (413, b"too large")
        async with asyncio.timeout(PATIENCE):
            await raw.peers[0].ended.wait()


async def test_the_request_is_what_a_server_expects(short_wire: Wire, patient: Timeouts) -> None:
    """The short way writes the head itself: line, host, length, the headers given, each once."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")

    async with RawServer(serve) as raw:
        to = Target.make(f"{raw.url}/a%20b?api-version=1&x=%26", "chat", headers={"X-Title": "grün"})
        await short_wire.post(to, b'{"a":1}', patient)
        head, _, sent = raw.requests[0].partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        names = [field.split(":")[0].lower() for field in fields]
        assert line == "POST /a%20b/chat?api-version=1&x=%26 HTTP/1.1"
        assert sorted(names) == sorted(set(names))
        assert {"host", "user-agent", "accept", "accept-encoding", "content-type"} <= set(names)
        assert "X-Title: grün" in fields
        assert f"Host: {URL(raw.url).authority}" in fields
        assert "Content-Length: 7" in fields
        assert "transfer-encoding" not in names
        assert sent == b'{"a":1}'


async def test_a_method_may_be_given(wire: Wire, server: OpenAIServer, patient: Timeouts) -> None:
    """The list of models is a GET."""
    models = Target.make(server.base_url, "models", headers={})
    answer = await wire.post(models, b"", patient, method="GET")
    assert json.loads(answer.body)["object"] == "list"
    assert (await wire.post(models, b"", patient)).status == 405


async def test_credentials_of_the_address_are_a_header_and_never_shown(wire: Wire, patient: Timeouts) -> None:
    """What stands before the `@` is sent as `Authorization`."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")

    async with RawServer(serve) as raw:
        to = Target.make(raw.url.replace("://", "://me:s%20cret@"), "/x?key=secret", headers={})
        await wire.post(to, b"{}", patient)
        assert b"\r\nAuthorization: Basic bWU6cyBjcmV0\r\n" in raw.requests[0]
        assert "secret" not in repr(to)
        assert "cret" not in repr(to) + to.server


async def test_headers_of_a_borrowed_session_are_sent_too(patient: Timeouts) -> None:
    """A session's own headers come with each request; the target's take precedence."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")

    async with (
        RawServer(serve) as raw,
        aiohttp.ClientSession(headers={"X-Tenant": "a", "X-Both": "session"}) as session,
    ):
        assert Wire(session).reason is None
        await Wire(session).post(target(raw, **{"x-both": "target"}), b"{}", patient)
        head = raw.requests[0].lower()
        assert b"x-tenant: a" in head
        assert b"x-both: target" in head
        assert b"x-both: session" not in head


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"not HTTP at all\r\n\r\n", AnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", AnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", TruncatedError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", TruncatedError),
        (b"HTTP/1.1 200 OK\r\nContent-", TruncatedError),
        (b"H", TruncatedError),
        (b"", ConnectionFailedError),
    ],
)
async def test_a_broken_answer_is_an_error_that_says_how_far_it_came(
    short_wire: Wire, patient: Timeouts, sent: bytes, problem: type[Exception]
) -> None:
    """Nothing, a piece of the head, or a piece of the body make different errors; nothing is sent twice."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)

    async with RawServer(serve) as raw:
        with pytest.raises(problem) as caught:
            await short_wire.post(target(raw), b"{}", patient)
        assert type(caught.value) is problem
        assert len(raw.requests) == 1
        assert caught.value.server == raw.url  # type: ignore[attr-defined]
        assert caught.value.body == (b"half" if b"half" in sent else b"ha" if b"ha" in sent else b"")  # type: ignore[attr-defined]


async def test_an_answer_that_is_cut_carries_what_came(wire: Wire, patient: Timeouts) -> None:
    """Body, status and request id of the part that came are in the error, on both ways."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nx-request-id: req_7\r\nContent-Length: 9\r\n\r\nhalf")

    async with RawServer(serve) as raw:
        with pytest.raises(TruncatedError) as caught:
            await wire.post(target(raw), b"{}", patient)
    error = caught.value
    assert (error.body, error.status, error.request_id) == (b"half", 200, "req_7")


async def test_a_packed_body_that_cannot_be_unpacked_is_an_error(wire: Wire, patient: Timeouts) -> None:
    """A server that says gzip and sends something else is not believed."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"not gzip at all", "Content-Encoding: gzip")
        await peer.gone()

    async with RawServer(serve) as raw:
        with pytest.raises(AnswerError):
            await wire.post(target(raw), b"{}", patient)


async def test_a_refused_connection_is_an_error_with_its_reason(wire: Wire, patient: Timeouts) -> None:
    """Nobody listens: said in the system's words, with the server and without the query."""
    async with RawServer(Peer.gone) as raw:
        to = Target.make(raw.url, "/x?secret=1", headers={})
    with pytest.raises(
        ConnectionFailedError, match=r"no connection could be made: .*(refused|Connect)"
    ) as caught:
        await wire.post(to, b"{}", patient)
    assert caught.value.server == to.server
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, aiohttp.ClientConnectionError)
