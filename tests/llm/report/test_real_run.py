"""The report of a real run says what the server says."""

import asyncio
from collections.abc import Iterator

import jsonschema
import pytest

from lastcall import ledger
from lastcall.llm import create_openai_api_handle_async
from lastcall.llm.batch import run_batch
from lastcall.llm.report import as_json, make_report, schema, write_text
from lastcall.llm.statistics import Statistics
from lastcall.testing import Answer, OpenAIServer, Script, Step

REQUESTS, LIMITED, BROKEN = 120, 7, 3


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """Start a server that limits some requests once, and fails some for good."""
    script = Script(
        Step(Answer.rate_limit(0.0), lambda call: call.attempt == 1, times=LIMITED),
        Step(Answer(status=400), lambda call: "broken" in str(call.json), times=None),
    )
    with OpenAIServer(script) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
async def test_a_report_says_what_the_server_says(server: OpenAIServer, *, stream: bool) -> None:
    """Answers, errors, retries and tokens are those the server counted; one session was opened and closed."""
    ledger.unwatch()
    texts = [f"question {number}" for number in range(REQUESTS)] + ["broken"] * BROKEN
    with ledger.watch():
        async with create_openai_api_handle_async(server.base_url, None, "lastcall-echo") as handle:
            with Statistics(total=len(texts), limit=20) as stats:
                requests = [{"prompt": f"{text} {index}"} for index, text in enumerate(texts)]
                results = run_batch(requests, handle, concurrency=20, stream=stream, statistics=stats)
                answered = [result async for result in results if result.is_ok]
        await asyncio.sleep(0)
        report = make_report(stats, sessions=ledger.snapshot())
    assert len(answered) == report.answered == REQUESTS
    assert report.errors == {"400": BROKEN}
    assert report.retries == {"429": LIMITED}
    assert (report.prompt_tokens, report.completion_tokens) == (
        server.prompt_tokens,
        server.completion_tokens,
    )
    assert (report.in_flight_max, report.limit) == (20, 20)
    assert (report.first_chunk is not None) == stream
    assert report.latency is not None
    assert report.latency.count == REQUESTS
    assert str(report.sessions) == "1 session opened, 1 closed, none leaked"
    assert sum(report.finish_reasons.values()) == REQUESTS
    jsonschema.validate(as_json(report), schema())
    assert "120 answered, 3 failed" in write_text(report)
