"""The OpenAI-compatible server: the API's shapes, its refusals, and every fault a script can ask for."""

import asyncio
import base64
import email.utils
import json
import math
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from lastcall.testing import Answer, Call, ConnectionEnd, OpenAIServer, Script, Step, completion_text

QUESTION = "Which planet has the tallest mountain?"
CHAT = "/v1/chat/completions"


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


def body(**changes: Any) -> dict[str, Any]:
    """Return the body of a chat request."""
    return {"model": "any", "messages": [{"role": "user", "content": QUESTION}], **changes}


async def ask(session: aiohttp.ClientSession, path: str = CHAT, /, **changes: Any) -> tuple[int, Any]:
    """Post a request; return the status and the JSON of the answer."""
    async with session.post(path, json=body(**changes)) as response:
        return response.status, await response.json()


async def stream(session: aiohttp.ClientSession, path: str = CHAT, **changes: Any) -> list[str]:
    """Post a streamed request; return the data of its events, in order."""
    async with session.post(path, json=body(stream=True, **changes)) as response:
        assert response.content_type == "text/event-stream"
        events = (await response.text()).split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") for event in events)
    return [event.removeprefix("data: ") for event in events]


async def test_a_chat_completion_has_the_shape_of_the_reference(session: aiohttp.ClientSession) -> None:
    """Each documented field is there, and the counts add up."""
    status, data = await ask(session)
    (choice,) = data["choices"]
    assert status == 200
    assert (data["object"], data["model"]) == ("chat.completion", "any")
    assert data["id"].startswith("chatcmpl-")
    assert abs(data["created"] - time.time()) < 60
    assert choice["message"] == {"role": "assistant", "content": completion_text(QUESTION), "refusal": None}
    assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, "stop", None)
    usage = data["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_the_text_depends_on_the_prompt_alone(session: aiohttp.ClientSession) -> None:
    """Asked again the model says the same, asked something else it says something else."""
    texts = [(await ask(session))[1]["choices"][0]["message"]["content"] for _ in range(2)]
    assert texts[0] == texts[1] != completion_text("another question")


async def test_content_may_be_given_in_parts(session: aiohttp.ClientSession) -> None:
    """The text of a message of parts is that of its text parts."""
    parts = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    _, data = await ask(session, messages=[{"role": "user", "content": parts}])
    assert data["choices"][0]["message"]["content"] == completion_text(QUESTION)


async def test_a_stream_is_events_that_end_with_done(session: aiohttp.ClientSession) -> None:
    """A first chunk names the role, the deltas join to the text, the last one says why it stopped."""
    *chunks, done = await stream(session)
    data = [json.loads(chunk) for chunk in chunks]
    deltas = [item["choices"][0]["delta"] for item in data]
    assert done == "[DONE]"
    assert {item["object"] for item in data} == {"chat.completion.chunk"}
    assert len({item["id"] for item in data}) == 1
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == completion_text(QUESTION)
    assert [item["choices"][0]["finish_reason"] for item in data][-2:] == [None, "stop"]
    assert all("usage" not in item for item in data)


async def test_a_stream_tells_its_usage_when_asked(session: aiohttp.ClientSession) -> None:
    """With include_usage each chunk has a null, and one more chunk without choices has the counts."""
    *chunks, last, _done = await stream(session, stream_options={"include_usage": True})
    assert all(json.loads(chunk)["usage"] is None for chunk in chunks)
    final = json.loads(last)
    assert final["choices"] == []
    assert final["usage"] == (await ask(session))[1]["usage"]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_a_text_is_cut_at_the_token_limit(session: aiohttp.ClientSession, limit: str) -> None:
    """The finish reason is then "length", and exactly so many tokens are counted."""
    _, data = await ask(session, CHAT, **{limit: 3})
    assert data["choices"][0]["finish_reason"] == "length"
    assert data["usage"]["completion_tokens"] == 3


async def test_old_style_completions_are_served_plain_and_streamed(session: aiohttp.ClientSession) -> None:
    """`/v1/completions` answers text_completion objects whose texts are the same both ways."""
    request = {"model": "any", "prompt": "Once upon a time"}
    async with session.post("/v1/completions", json=request) as response:
        plain = await response.json()
    async with session.post("/v1/completions", json={**request, "stream": True}) as response:
        *events, done, _ = (await response.text()).split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert plain["object"] == chunks[0]["object"] == "text_completion"
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == plain["choices"][0]["text"]
    assert done == "data: [DONE]"


async def test_embeddings_are_vectors_of_length_one(session: aiohttp.ClientSession) -> None:
    """One vector per input, of the size asked for; as base64 when asked for that."""
    _, data = await ask(session, "/v1/embeddings", input=["a", "b"], dimensions=5)
    vectors = [item["embedding"] for item in data["data"]]
    assert [len(vector) for vector in vectors] == [5, 5]
    assert all(math.isclose(sum(x * x for x in vector), 1) for vector in vectors)
    _, packed = await ask(session, "/v1/embeddings", input="a", dimensions=5, encoding_format="base64")
    assert len(base64.b64decode(packed["data"][0]["embedding"])) == 5 * 4


async def test_models_are_listed_and_looked_up(session: aiohttp.ClientSession) -> None:
    """The list holds model objects, each has an address, and an unknown one is a 404."""
    async with session.get("/v1/models") as response:
        (model,) = (await response.json())["data"]
    async with session.get(f"/v1/models/{model['id']}") as response:
        assert await response.json() == model
    async with session.get("/v1/models/gpt-0") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "model_not_found")


REFUSED: list[tuple[str, dict[str, Any], int, str | None]] = [
    (CHAT, {"messages": None}, 400, "messages"),
    (CHAT, {"messages": []}, 400, "messages"),
    (CHAT, {"messages": ["hello"]}, 400, "messages[0].role"),
    (CHAT, {"model": None}, 400, None),
    (CHAT, {"stream_options": {"include_usage": True}}, 400, "stream_options"),
    ("/v1/completions", {}, 400, "prompt"),
    ("/v1/embeddings", {"input": "a", "dimensions": 0}, 400, "dimensions"),
    ("/v1/nowhere", {}, 404, None),
    ("/v1/models", {}, 405, None),
]


@pytest.mark.parametrize(("path", "changes", "status", "param"), REFUSED)
async def test_what_the_api_refuses_is_an_error_object(
    session: aiohttp.ClientSession, path: str, changes: dict[str, Any], status: int, param: str | None
) -> None:
    """The status is the API's, and the error has its four fields."""
    got, data = await ask(session, path, **changes)
    assert got == status
    assert set(data["error"]) == {"message", "type", "param", "code"}
    assert (data["error"]["type"], data["error"]["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_a_400(session: aiohttp.ClientSession, raw: bytes) -> None:
    """Nonsense is answered by a sentence that says what was expected."""
    async with session.post(CHAT, data=raw) as response:
        assert response.status == 400
        assert "JSON object" in (await response.json())["error"]["message"]


@pytest.mark.parametrize(("key", "status"), [("wrong-key", 401), ("right", 200)])
async def test_a_key_is_demanded_when_one_is_set(key: str, status: int) -> None:
    """Another one gets a 401 that does not repeat it."""
    headers = {"Authorization": f"Bearer {key}"}
    async with OpenAIServer(api_key="right") as server, aiohttp.ClientSession(headers=headers) as session:
        got, data = await ask(session, server.url + CHAT)
    assert got == status
    assert "wrong-key" not in str(data)


async def test_unknown_models_are_refused_when_asked() -> None:
    """With strict models a request for another one is a 404 with the API's code."""
    server = OpenAIServer(models=["known"], strict_models=True)
    async with server, aiohttp.ClientSession() as session:
        assert (await ask(session, server.url + CHAT, model="known"))[0] == 200
        status, data = await ask(session, server.url + CHAT, model="unknown")
    assert (status, data["error"]["code"]) == (404, "model_not_found")


async def test_every_answer_has_a_request_id_of_its_own(session: aiohttp.ClientSession) -> None:
    """`x-request-id` is there on successes and errors, and never the same."""
    ids = set()
    for _ in range(2):
        async with session.post(CHAT, json=body()) as response:
            ids.add(response.headers["x-request-id"])
    async with session.get("/v1/nowhere") as response:
        ids.add(response.headers["x-request-id"])
    assert len(ids) == 3


async def test_steps_are_taken_in_order_and_then_all_is_well(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """Bare answers are used once each, then comes the default."""
    server.script.add(Answer(status=500), Answer(status=503))
    assert [(await ask(session))[0] for _ in range(3)] == [500, 503, 200]
    assert server.script.steps_left == 0


async def test_a_step_with_a_condition_waits_for_its_request(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """It leaves the others alone, and is taken as often as it says."""

    def streamed(call: Call) -> bool:
        return call.stream

    server.script.add(Step(Answer(text="streamed"), streamed, times=None))
    assert (await ask(session))[1]["choices"][0]["message"]["content"] != "streamed"
    for _ in range(2):
        assert json.loads((await stream(session))[1])["choices"][0]["delta"]["content"] == "stream"


async def test_a_script_can_fail_each_body_the_first_time(
    session: aiohttp.ClientSession, server: OpenAIServer
) -> None:
    """`Call.attempt` tells a retry from another request."""
    server.script.add(Step(Answer(status=500), lambda call: call.attempt == 1, times=None))
    statuses = [(await ask(session, seed=seed))[0] for seed in (1, 2, 1, 2)]
    assert statuses == [500, 500, 200, 200]


async def test_an_error_has_the_message_and_code_of_the_script(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """A status that no standard knows is served as well."""
    server.script.add(Answer(status=529, message="Overloaded", code="overloaded"))
    status, data = await ask(session)
    assert status == 529
    assert data["error"] == {
        "message": "Overloaded",
        "type": "server_error",
        "param": None,
        "code": "overloaded",
    }


async def test_a_rate_limit_says_when_to_come_back_in_three_forms(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """Seconds, an HTTP date and milliseconds mean the same, rounded up where they must be."""
    headers = {}
    for form in ("seconds", "date", "ms"):
        server.script.add(Answer.rate_limit(1.5, form))
        async with session.post(CHAT, json=body()) as response:
            assert response.status == 429
            headers[form] = response.headers
    assert headers["seconds"]["Retry-After"] == "2"
    assert headers["ms"]["retry-after-ms"] == "1500"
    moment = email.utils.parsedate_to_datetime(headers["date"]["Retry-After"]).timestamp()
    assert 0 < moment - time.time() < 4


CUTS = [
    (Answer(cut="before"), aiohttp.ServerDisconnectedError),
    (Answer(cut="before", reset=True), aiohttp.ClientOSError),
    (Answer(cut="head"), aiohttp.ServerDisconnectedError),
    (Answer(cut="body"), aiohttp.ClientPayloadError),
    (Answer(cut="body", cut_after=0), aiohttp.ClientPayloadError),
    (Answer(cut="body", reset=True), aiohttp.ClientPayloadError),
    (Answer(cut="body", gzip=True, split=10), aiohttp.ClientPayloadError),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("answer", "error"), CUTS)
async def test_a_cut_connection_is_an_error_of_the_client(
    server: OpenAIServer,
    session: aiohttp.ClientSession,
    answer: Answer,
    error: type[Exception],
    streamed: bool,  # noqa: FBT001
) -> None:
    """Each cut ends the request with the error that a real one would, and the next one works."""
    server.script.add(answer)
    with pytest.raises(error):
        await ask(session, stream=streamed)
    assert (await ask(session))[0] == 200
    assert await server.await_until(lambda: server.connection_ends[ConnectionEnd.SERVER] == 1)


async def test_a_body_is_cut_after_exactly_so_many_bytes(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """What came before the cut is there to be read."""
    server.script.add(Answer(cut="body", cut_after=10))
    async with session.post(CHAT, json=body()) as response:
        assert await response.content.readexactly(10) == b'{"id":"cha'
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read(1)


def chunks_on_the_wire(url: str, data: dict[str, Any]) -> list[bytes]:
    """Post *data* over a plain socket; return the chunks of the answer's body."""
    raw = json.dumps(data).encode()
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n" % CHAT.encode())
        sock.sendall(b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(raw), raw))
        rest = sock.makefile("rb").read().partition(b"\r\n\r\n")[2]
    chunks = []
    while (size := int(rest[: rest.index(b"\r\n")], 16)) > 0:
        start = rest.index(b"\r\n") + 2
        chunks.append(rest[start : start + size])
        rest = rest[start + size + 2 :]
    return chunks


def test_a_stream_can_be_split_at_any_byte() -> None:
    """Each piece is a chunk of its own, through the middle of events and of characters."""
    with OpenAIServer(Script(Answer(text="Fünf Äpfel, 五个苹果", split=7))) as server:
        chunks = chunks_on_the_wire(server.url, body(stream=True))
    assert {len(chunk) for chunk in chunks[:-1]} == {7}
    assert "五个苹果" in b"".join(chunks).decode()


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_can_be_compressed(
    server: OpenAIServer,
    session: aiohttp.ClientSession,
    streamed: bool,  # noqa: FBT001
) -> None:
    """The client unpacks what it would have had."""
    server.script.add(Answer(gzip=True, text="packed"))
    async with session.post(CHAT, json=body(stream=streamed)) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert "packed" in await response.text()


async def test_body_content_type_and_headers_can_be_anything(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """A proxy's error page with status 200 can be played."""
    page = Answer(
        body=b"<h1>Bad gateway</h1>", content_type="text/html", headers={"Server": "proxy"}, close=True
    )
    server.script.add(page)
    async with session.post(CHAT, json=body()) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert response.headers["Server"] == "proxy"
        assert response.headers["Connection"] == "close"
        assert await response.text() == "<h1>Bad gateway</h1>"
    assert await server.await_until_no_connections()


async def test_a_stream_can_end_without_done_or_with_an_error(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """Both are streams that HTTP calls whole."""
    server.script.add(Answer(done=False), Answer(stream_error="overloaded"))
    assert json.loads((await stream(session))[-1])["choices"][0]["finish_reason"] == "stop"
    assert json.loads((await stream(session))[-1])["error"]["message"] == "overloaded"


async def test_an_answer_can_be_late_or_never_come(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """A client that gives up is not waited for: its request ends at the server too."""
    server.script.add(Answer(delay=math.inf))
    task = asyncio.create_task(ask(session))
    assert await server.await_until(lambda: server.requests_in_flight == 1)
    task.cancel()
    await asyncio.wait([task])
    assert await server.await_until(lambda: server.requests_in_flight == 0)


async def test_it_counts_tokens_and_requests_in_flight(server: OpenAIServer) -> None:
    """Twenty requests sent together are twenty at once, and their usages add up."""
    server.script.default = Answer(delay=0.2)
    async with aiohttp.ClientSession(server.url) as session:
        usages = [data["usage"] for _, data in await asyncio.gather(*(ask(session) for _ in range(20)))]
    assert server.requests_in_flight_peak == server.connections_peak == 20
    assert server.prompt_tokens == sum(usage["prompt_tokens"] for usage in usages)
    assert server.completion_tokens == sum(usage["completion_tokens"] for usage in usages)


async def test_calls_hold_what_was_asked_and_show_no_secret(
    server: OpenAIServer, session: aiohttp.ClientSession
) -> None:
    """Body and headers can be looked up, and the repr has neither."""
    async with session.post(CHAT, json=body(user="hunter2"), headers={"Authorization": "Bearer hunter2"}):
        pass
    (call,) = server.calls
    assert (call.json["user"], call.headers["authorization"]) == ("hunter2", "Bearer hunter2")
    assert "hunter2" not in repr(call)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"status": 100}, "final status"),
        ({"split": 0}, "at least 1"),
        ({"reset": True}, "add cut="),
        ({"delay": -1}, "seconds"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    """The mistake is found where it is written, not when it is served."""
    with pytest.raises(ValueError, match=sentence):
        Answer(**wrong)


def test_reprs_tell_what_is_unusual_and_what_is_left() -> None:
    """An answer shows what differs from the right one, a script how far it is."""
    assert repr(Answer(status=500, cut="body")) == "Answer(status=500, cut='body')"
    assert repr(Script(Answer())) == "<Script 1 of 1 steps left>"


def test_the_command_serves_until_ctrl_c() -> None:
    """The address is the first line, requests are answered, Ctrl-C ends it with a short account and 0."""
    command = [sys.executable, "-m", "lastcall.testing", "openai", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        with urllib.request.urlopen(process.stdout.readline().strip() + "/models", timeout=10) as response:
            assert json.load(response)["object"] == "list"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert "requests: 1, connections: 1, at most 1 at once" in err


def test_the_command_says_that_a_port_is_taken() -> None:
    """One sentence and exit code 2."""
    with OpenAIServer() as server:
        port = server.url.rpartition(":")[2]
        command = [sys.executable, "-m", "lastcall.testing", "openai", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"cannot serve on port {port}: ")
