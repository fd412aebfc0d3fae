"""
The handle and the batch command against a model server that nobody here wrote.

`tools/models.py` installs one, gives it a tiny model, and runs these tests with its address in the
environment; without one they are skipped. They check what a real server shows and a script may not: its
streams, its headers, how it ends connections, and many requests at once.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from lastcall.llm import ChatHandle, StatusError, Timeouts, create_openai_api_handle_async

URL = os.environ.get("LASTCALL_MODEL_URL", "")
NAME = os.environ.get("LASTCALL_MODEL_NAME", "")
KIND = os.environ.get("LASTCALL_MODEL_KIND", "")

pytestmark = pytest.mark.skipif(not URL, reason="no model server is named: `make models` starts them")

MESSAGES: Any = [{"role": "user", "content": "What do you know?"}]
AT_ONCE = {"llama.cpp": 64}.get(KIND, 16)
STREAMS = {"llama.cpp": 300}.get(KIND, 24)
PATIENT = Timeouts(total=50, first_byte=45, between_chunks=30)


@pytest.fixture
async def handle() -> AsyncIterator[ChatHandle]:
    """Open a handle on the server, without retries: nothing a healthy server does may need one."""
    made = create_openai_api_handle_async(URL, "", NAME, timeouts=PATIENT, max_retries=0)
    async with made:
        yield made


async def test_a_plain_answer_is_read(handle: ChatHandle) -> None:
    """Text, finish reason and usage are there."""
    data = await handle(MESSAGES, max_tokens=8)
    (choice,) = data["choices"]
    assert choice["message"]["content"].strip()
    assert choice["finish_reason"] == "length"
    assert data["usage"]["completion_tokens"] == 8


async def test_a_stream_is_read_to_its_end(handle: ChatHandle) -> None:
    """Its chunks join to a text, and a finish reason comes."""
    text, reasons = "", set()
    async with handle.stream(MESSAGES, max_tokens=8) as chunks:
        async for chunk in chunks:
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                reasons.add(choice.get("finish_reason"))
    assert text.strip()
    assert "length" in reasons


async def test_a_stream_put_together_is_the_plain_answer(handle: ChatHandle) -> None:
    """Without chance (temperature 0) both say the same."""
    plain = await handle(MESSAGES, max_tokens=12, temperature=0)
    streamed = await handle(MESSAGES, max_tokens=12, temperature=0, stream=True)
    assert streamed["object"] == plain["object"] == "chat.completion"
    assert streamed["choices"][0]["message"]["content"] == plain["choices"][0]["message"]["content"]
    assert streamed["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"]


async def test_the_answers_are_those_that_openais_client_gets(handle: ChatHandle) -> None:
    """Without chance both clients are told the same."""
    ours = await handle(MESSAGES, max_tokens=8, temperature=0)
    async with openai.AsyncOpenAI(base_url=URL, api_key="none", max_retries=0) as client:
        theirs = await client.chat.completions.create(
            model=NAME, messages=MESSAGES, max_tokens=8, temperature=0
        )
    assert theirs.choices[0].message.content == ours["choices"][0]["message"]["content"]
    assert theirs.usage is not None
    assert theirs.usage.completion_tokens == ours["usage"]["completion_tokens"]


async def test_a_stream_left_early_leaves_the_server_well(handle: ChatHandle) -> None:
    """It is closed on the way out, and the next request is answered."""
    async with handle.stream(MESSAGES, max_tokens=200) as chunks:
        async for _ in chunks:
            break
    assert (await handle(MESSAGES, max_tokens=2))["choices"]


async def test_many_at_once_are_all_answered(handle: ChatHandle) -> None:
    """Each has its answer, over one session."""
    answers = await asyncio.gather(*(handle(MESSAGES, max_tokens=2) for _ in range(AT_ONCE)))
    assert len([answer for answer in answers if answer["choices"]]) == AT_ONCE


async def test_streams_one_after_the_other_never_meet_a_dead_connection(handle: ChatHandle) -> None:
    """However the server ends its connections after a stream, no request fails of it."""
    failed = []

    async def worker(numbers: Any) -> None:
        for _ in numbers:
            try:
                assert (await handle(MESSAGES, max_tokens=2, stream=True))["choices"]
            except Exception as error:
                failed.append(repr(error))

    numbers = iter(range(STREAMS))
    await asyncio.gather(*(worker(numbers) for _ in range(8)))
    assert failed == []


async def test_a_request_the_server_refuses_is_an_error_with_its_status(handle: ChatHandle) -> None:
    """What it says is in the error."""
    with pytest.raises(StatusError) as caught:
        await handle([{"role": "user", "content": "?"}], max_tokens="many")
    assert caught.value.status is not None
    assert 400 <= caught.value.status < 600
    assert caught.value.body


@pytest.mark.parametrize("streamed", [False, True])
def test_a_batch_is_answered_line_by_line(tmp_path: Path, streamed: bool) -> None:  # noqa: FBT001
    """`lastcall llm batch` answers each line once, and started again finds nothing left to do."""
    asked, told = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [{"custom_id": f"n{number}", "messages": MESSAGES, "max_tokens": 2} for number in range(20)]
    asked.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "lastcall", "llm", "batch", str(asked), str(told)]
    command += ["--base-url", URL, "--model", NAME, "--concurrency", "8"]
    command += ["--stream"] if streamed else []
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    for _ in range(2):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=50, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in told.read_text().splitlines()]
        assert sorted(answer["custom_id"] for answer in answers) == sorted(
            str(line["custom_id"]) for line in lines
        )
        assert {answer["response"]["status_code"] for answer in answers} == {200}
