"""What an error says, what it carries, and what must never be in it."""

import json
import pickle
import traceback

import pytest

from lastcall.llm import (
    ChatHandle,
    ConnectionFailedError,
    LLMError,
    RateLimitedError,
    StatusError,
    TruncatedError,
    create_openai_api_handle_async,
)
from lastcall.testing import Answer, OpenAIServer, Script

from .conftest import HELLO, KEY, MakeHandle


async def refusal(handle: ChatHandle) -> StatusError:
    """Return the error of a call that is refused."""
    with pytest.raises(StatusError) as caught:
        await handle(HELLO, max_retries=0)
    return caught.value


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 529])
async def test_a_status_is_an_error_with_all_that_the_server_said(
    server: OpenAIServer, handle: ChatHandle, status: int
) -> None:
    """Status, OpenAI's message, code and type, request id and body are there."""
    server.script.add(Answer(status=status, message="no, because", code="some_code"))
    error = await refusal(handle)
    assert isinstance(error, RateLimitedError) == (status == 429)
    assert (error.status, error.code, error.attempt) == (status, "some_code", 1)
    assert error.kind
    assert (error.request_id, error.server) == ("req_00000001", server.url)
    assert json.loads(error.body)["error"]["message"] == "no, because"
    assert f"answered {status}" in str(error)
    assert "no, because" in str(error)
    assert "req_00000001" in str(error)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"object": "error", "message": "as vLLM", "type": "BadRequestError", "code": 400}', "as vLLM"),
        (b'{"detail": "as FastAPI"}', "as FastAPI"),
        (b'{"detail": [{"loc": ["body"]}]}', "loc"),
        (b'{"error": "as a string"}', "as a string"),
        (b"<html>\n  <h1>502</h1>  Bad Gateway</html>", "<h1>502</h1> Bad Gateway"),
        (b"x" * 10_000, "xxx..."),
        (b"\xff\xfe", "400"),
        (b"", "400 Bad Request"),
    ],
)
async def test_errors_of_other_servers_are_read_too(
    server: OpenAIServer, handle: ChatHandle, body: bytes, says: str
) -> None:
    """Servers write errors in many ways, and proxies in HTML; the message is short in any case."""
    server.script.add(Answer(status=400, body=body))
    error = await refusal(handle)
    assert says in error.problem
    assert len(error.problem) < 400
    assert error.body == body


async def test_a_redirect_is_an_error_that_says_where_to(server: OpenAIServer, handle: ChatHandle) -> None:
    """A request with a key goes nowhere but to its server; the query of the new address is not shown."""
    server.script.add(Answer.redirect("https://elsewhere.test/v2/chat?token=hidden"))
    error = await refusal(handle)
    assert error.status == 307
    assert "https://elsewhere.test/v2/chat" in error.problem
    assert "hidden" not in error.problem
    assert len(server.calls) == 1


async def test_a_base_url_without_v1_gets_a_hint(server: OpenAIServer) -> None:
    """The mistake that everybody makes once is answered with what to do."""
    async with create_openai_api_handle_async(server.url, KEY, "tiny") as handle:
        error = await refusal(handle)
    assert error.status == 404
    assert "most servers want a base_url that ends with /v1" in error.problem


@pytest.mark.parametrize("form", ["plain", "json", "html"])
async def test_a_key_that_the_server_repeats_is_hidden(server: OpenAIServer, form: str) -> None:
    """Neither the message nor the body, nor what a traceback prints, holds the key, in whatever spelling."""
    key = 'sk-with-"quotes"/and-slash'
    text = f"You sent {key}."
    body = {
        "plain": text.encode(),
        "json": json.dumps({"error": {"message": text, "code": key, "type": key}}).encode(),
        "html": f"<p>{json.dumps(text)}</p>".replace("/", "\\/").encode(),
    }[form]
    server.script.add(Answer(status=401, body=body, headers={"x-request-id": f"id-{key}"}))
    async with create_openai_api_handle_async(server.base_url, key, "tiny") as handle:
        error = await refusal(handle)
    carried = [str(error), repr(error.__dict__), error.body.decode(), *traceback.format_exception(error)]
    for spelling in (key, json.dumps(key)[1:-1], key.replace("/", "\\/")):
        assert not [text for text in carried if spelling in text]
    assert "[hidden]" in error.problem or form == "html"


async def test_a_key_is_hidden_in_the_chunks_of_a_stream_that_broke(
    server: OpenAIServer, handle: ChatHandle
) -> None:
    """What had come of a stream is carried without the key."""
    server.script.add(Answer(text=f"the key is {KEY} yes", stream_error=f"key {KEY} is spent"))
    with pytest.raises(TruncatedError) as caught:
        async for _ in handle.stream(HELLO):
            pass
    error = caught.value
    assert error.chunks
    assert KEY not in str(error) + repr(error.__dict__)


async def test_a_placeholder_for_a_key_leaves_texts_alone(server: OpenAIServer) -> None:
    """For servers without keys people write "none", a word that messages have too."""
    server.script.add(Answer(status=400, message="none of these"))
    async with create_openai_api_handle_async(server.base_url, "none", "tiny") as handle:
        assert "none of these" in (await refusal(handle)).problem


async def test_nothing_shows_the_key(handle: ChatHandle) -> None:
    """Neither the handle nor its parts do."""
    await handle(HELLO)
    shown = repr(handle) + repr(vars(handle)) + repr(handle.stream(HELLO)) + repr(handle._settings)
    assert KEY not in shown


async def test_errors_can_be_pickled(server: OpenAIServer, handle: ChatHandle) -> None:
    """They go to other processes with all that they carry."""
    server.script.add(Answer.rate_limit(7))
    error = await refusal(handle)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is RateLimitedError
    assert vars(copy) == vars(error)
    assert copy.retry_after == 7


async def test_a_server_that_is_not_there_is_a_failed_connection(make: MakeHandle) -> None:
    """It is aiohttp's error too, so that programs written for aiohttp catch it."""
    with OpenAIServer(Script()) as gone:
        url = gone.base_url
    handle = create_openai_api_handle_async(url, KEY, "tiny", max_retries=0)
    with pytest.raises(ConnectionFailedError) as caught:
        await handle(HELLO)
    assert isinstance(caught.value, LLMError | OSError)
    assert (caught.value.status, caught.value.attempt) == (None, 1)
    assert gone.url in str(caught.value)
