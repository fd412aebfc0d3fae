"""Handles of every kind over servers with every fault, some requests cancelled: nothing stays behind."""

import asyncio
import gc
import random
from collections import Counter
from typing import Any

import pytest

import lastcall
from lastcall.llm import ChatHandle, LLMError, Timeouts, create_openai_api_handle_async
from lastcall.testing import Answer, OpenAIServer, Script

from .conftest import KEY

FAULTS = [
    Answer(status=500, retry_after=0.01, retry_after_form="ms"),
    Answer(status=400),
    Answer.rate_limit(0.02, "ms"),
    Answer(cut="before"),
    Answer(cut="before", reset=True),
    Answer(cut="head"),
    Answer(cut="body"),
    Answer(cut="after"),
    Answer(delay=0.2),
    Answer(split=7),
    Answer(event_delay=0.01),
    Answer(stream_error="overloaded"),
    Answer(close=True),
    Answer(body=b"no JSON"),
    Answer(http10=True),
    Answer(gzip=True),
]
LIMITS: list[dict[str, Any]] = [
    {},
    {"concurrency": 50},
    {"adaptive": True},
    {"rpm": 60_000},
    {"tpm": 10_000_000},
    {"timeouts": Timeouts(total=5, attempt=2)},
]
REQUESTS = 400


def script(chance: random.Random) -> Script:
    """Return a script in which every other answer has a fault."""
    steps = [chance.choice(FAULTS) if chance.random() < 0.5 else Answer() for _ in range(REQUESTS)]
    return Script(*steps)


async def ask(handle: ChatHandle, number: int, chance: random.Random) -> str:
    """Ask in one of the ways there are, and return how it went."""
    messages = [{"role": "user", "content": str(number)}]
    try:
        way = number % 4
        if way < 2:
            await handle(messages, stream=way == 1)
        elif way == 2:
            await handle.request("/v1/chat/completions", {"messages": messages}, retry_truncated=True)
        else:
            async for _ in handle.stream(messages):
                if chance.random() < 0.1:
                    break
    except LLMError as error:
        shown = str(error) + repr(vars(error))
        return "key shown" if KEY in shown else type(error).__name__
    return "answered"


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_stays_behind(seed: int) -> None:
    """No place of a limit is lost and no connection held, one session is opened and closed."""
    chance = random.Random(seed)
    with lastcall.watch(), OpenAIServer(script(chance)) as one, OpenAIServer(script(chance)) as other:
        servers = [one.base_url, [one.base_url, f"{other.base_url}=2"]]
        handles = [
            create_openai_api_handle_async(chance.choice(servers), KEY, "tiny", **chance.choice(LIMITS))
            for _ in range(40)
        ]
        tasks = [
            asyncio.create_task(ask(chance.choice(handles), number, chance)) for number in range(REQUESTS)
        ]
        for task in chance.sample(tasks, 40):
            await asyncio.sleep(0.002)
            task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 50)
        outcomes = Counter(result if isinstance(result, str) else type(result).__name__ for result in results)
        assert outcomes["answered"] > REQUESTS / 2
        assert not outcomes.keys() - {
            "answered", "CancelledError", "StatusError", "RateLimitedError", "AnswerError",
            "TruncatedError", "TimedOutError", "ConnectionFailedError",
        }  # fmt: skip
        gc.collect()
        await asyncio.sleep(0.05)  # streams that were left by a break are closed by a callback of the loop
        places = [place for handle in handles for place in handle._places.values()]
        assert {lane.in_flight for place in places for lane in place.lanes} == {0}
        gates = {lane._gate for place in places for lane in place.lanes if lane._gate is not None}
        assert {(gate.taken, len(gate._waiting)) for gate in gates} <= {(0, 0)}
        session = next(handle._session() for handle in handles if handle._session())
        assert ": 0 in use," in repr(session)
        for handle in handles:
            await handle.close_session()
        report = lastcall.report()
        assert (report.opened, report.closed) == (1, 1)
        for server in (one, other):
            assert await asyncio.to_thread(server.wait_until_no_connections, 5)
