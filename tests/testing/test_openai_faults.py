"""The faults of a wire that a script can ask for: odd streams, bare answers, connections that end."""

import asyncio
import json
import math
import re
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from lastcall.testing import Answer, ConnectionEnd, OpenAIServer, Script, completion_text, tls_contexts

CHAT = "/v1/chat/completions"
QUESTION = "Which planet has the tallest mountain?"
BODY = {"model": "any", "messages": [{"role": "user", "content": QUESTION}]}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Serve with an empty script."""
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def session(server: OpenAIServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session to the server."""
    async with aiohttp.ClientSession(server.url) as opened:
        yield opened


async def ask(session: aiohttp.ClientSession, **changes: Any) -> str:
    """Post a request; return the body of the answer, whatever its status."""
    async with session.post(CHAT, json={**BODY, **changes}, allow_redirects=False) as response:
        return await response.text()


def on_the_wire(answer: Answer, **changes: Any) -> bytes:
    """Return all bytes that a server sends for a request, until it ends the connection."""
    raw = json.dumps({**BODY, **changes}).encode()
    with OpenAIServer(Script(answer)) as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=5) as sock:
            sock.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n" % CHAT.encode())
            sock.sendall(b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(raw), raw))
            return sock.makefile("rb").read()


def read_events(text: str) -> list[str]:
    """Return the data of a stream's events, read as the standard says."""
    found: list[str] = []
    lines: list[str] = []
    for line in re.split(r"\r\n|\r|\n", text):
        name, _, value = line.partition(":")
        if name == "data":
            lines.append(value.removeprefix(" "))
        elif not line and lines:
            found.append("\n".join(lines))
            lines = []
    return found


FORMS = [
    {"event_line_end": "\r\n"},
    {"event_line_end": "\r"},
    {"event_comment": "keepalive"},
    {"event_space": False},
    {"event_name": "message"},
    {"event_multiline": True},
    {
        "event_line_end": "\r\n",
        "event_comment": "",
        "event_space": False,
        "event_multiline": True,
        "split": 3,
    },
]


@pytest.mark.parametrize("form", FORMS, ids="+".join)
async def test_a_stream_says_the_same_in_every_form(
    server: OpenAIServer, session: aiohttp.ClientSession, form: dict[str, Any]
) -> None:
    """However its lines end and whatever stands between them, a reader of events reads the usual ones."""
    server.script.add(Answer(), Answer(**form))
    usual = await ask(session, stream=True)
    odd = await ask(session, stream=True)
    assert usual != odd
    *chunks, done = read_events(odd)
    assert done == "[DONE]"
    deltas = [json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == completion_text(QUESTION)


async def test_comments_and_names_are_lines_of_their_own(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """A comment stands before each event, a name in it."""
    server.script.add(Answer(event_comment="keepalive", event_name="message", tokens=["a"]))
    first, second, *_ = (await ask(session, stream=True)).split("\n\n")
    assert first == ": keepalive"
    assert second.startswith("event: message\ndata: {")


@pytest.mark.parametrize(
    "status", [*range(200, 206), 299, *range(300, 309), *range(400, 452), *range(500, 530)]
)
async def test_every_final_status_can_be_answered(
    server: OpenAIServer, session: aiohttp.ClientSession, status: int
) -> None:
    """The connection is good for the next request, whatever the status."""
    server.script.add(Answer(status=status))
    async with session.post(CHAT, json=BODY, allow_redirects=False) as response:
        assert response.status == status
        await response.read()
    async with session.post(CHAT, json=BODY) as response:
        assert response.status == 200
    assert server.connections_opened == 1


async def test_a_redirect_names_a_place(server: OpenAIServer, session: aiohttp.ClientSession) -> None:
    """It has a Location and no body; a client that follows it arrives."""
    server.script.add(Answer.redirect(CHAT, 308))
    async with session.post(CHAT, json=BODY) as response:
        assert [(past.status, past.headers["Location"]) for past in response.history] == [(308, CHAT)]
        assert response.status == 200


def test_an_answer_of_http_1_0_ends_with_its_connection() -> None:
    """It says no length and no chunks, plain and streamed."""
    for streamed in (False, True):
        head, _, body = on_the_wire(Answer(http10=True), stream=streamed).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 OK\r\n")
        assert b"content-length" not in head.lower()
        assert b"transfer-encoding" not in head.lower()
        assert body.startswith(b"data: {" if streamed else b"{")
        assert body.endswith(b"data: [DONE]\n\n" if streamed else b"}")


async def test_an_answer_of_http_1_0_is_read_by_a_client(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """With an error status and a delay between its parts too; the next request has a new connection."""
    server.script.add(Answer(http10=True, status=503), Answer(http10=True, split=50, event_delay=0.001))
    assert json.loads(await ask(session))["error"]["type"] == "server_error"
    assert json.loads(await ask(session))["choices"]
    assert server.connections_opened == 2


def test_informational_answers_come_first() -> None:
    """Each is a head of its own before the final one."""
    said = on_the_wire(Answer(informational=(100, 103))).split(b"\r\n\r\n")
    assert [head.split(b"\r\n")[0] for head in said[:3]] == [
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 103 Early Hints",
        b"HTTP/1.1 200 OK",
    ]


async def test_a_client_reads_past_informational_answers(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """The final answer is read, and the connection is used again."""
    server.script.default = Answer(informational=(102, 103))
    for _ in range(2):
        assert json.loads(await ask(session))["choices"]
    assert server.connections_opened == 1


@pytest.mark.parametrize("split", [None, 1])
def test_raw_bytes_are_sent_as_they_are(split: int | None) -> None:
    """Nothing is added, and the connection ends."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
    assert on_the_wire(Answer(raw=raw, split=split)) == raw


async def test_what_is_no_http_is_an_error_of_the_client(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """A server of something else can be played."""
    server.script.add(Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n"))
    with pytest.raises(aiohttp.ClientError):
        await ask(session)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_can_end_after_the_answer_without_a_word(
    server: OpenAIServer,
    session: aiohttp.ClientSession,
    streamed: bool,  # noqa: FBT001
    reset: bool,  # noqa: FBT001
) -> None:
    """The answer is whole and says nothing of it."""
    server.script.add(Answer(cut="after", reset=reset))
    async with session.post(CHAT, json={**BODY, "stream": streamed}) as response:
        assert "Connection" not in response.headers
        assert (await response.text()).endswith("[DONE]\n\n" if streamed else "}")
    assert await server.await_until(lambda: server.connection_ends[ConnectionEnd.SERVER] == 1)


async def test_a_stream_can_stall_in_the_middle(server: OpenAIServer, session: aiohttp.ClientSession) -> None:
    """What is before the pause arrives; the rest never does."""
    server.script.add(Answer(event_delay=math.inf))
    async with session.post(CHAT, json={**BODY, "stream": True}) as response:
        assert (await response.content.readuntil(b"\n\n")).startswith(b"data: {")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.content.read(1), 0.05)


async def test_a_length_that_is_not_true_is_kept(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """A body shorter than its length, then the end of the connection, is a cut body to a client."""
    server.script.add(Answer(headers={"Content-Length": "5000"}, cut="after"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(session)


async def test_a_megabyte_comes_in_one_line(server: OpenAIServer, session: aiohttp.ClientSession) -> None:
    """Plain, and as one event of a stream."""
    server.script.default = Answer(tokens=["x" * 2**20])
    assert max(map(len, (await ask(session)).split("\n"))) > 2**20
    assert max(map(len, (await ask(session, stream=True)).split("\n"))) > 2**20


async def test_https_with_the_right_name_is_served() -> None:
    """The client's context trusts the server's certificate."""
    tls = tls_contexts()
    async with OpenAIServer(ssl=tls.server) as server:
        connector = aiohttp.TCPConnector(ssl=tls.client)
        async with aiohttp.ClientSession(server.url, connector=connector) as session:
            assert json.loads(await ask(session))["choices"]
    assert b"BEGIN CERTIFICATE" in tls.authority


async def test_a_certificate_can_be_for_another_name() -> None:
    """A client that checks names refuses it."""
    tls = tls_contexts("elsewhere.test")
    async with OpenAIServer(ssl=tls.server) as server:
        connector = aiohttp.TCPConnector(ssl=tls.client)
        async with aiohttp.ClientSession(server.url, connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await ask(session)


async def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    """The client's own context does not trust it."""
    async with OpenAIServer(ssl=tls_contexts().server) as server:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        async with aiohttp.ClientSession(server.url, connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await ask(session)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"text": "a", "tokens": ["a"]}, "give one of them"),
        ({"informational": (200,)}, "100 to 199"),
        ({"informational": (101,)}, "not 101"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    """The mistake is found where it is written."""
    with pytest.raises(ValueError, match=sentence):
        Answer(**wrong)
