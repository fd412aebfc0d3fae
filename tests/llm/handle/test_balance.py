"""Several servers: their shares, and the way around those that fail."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from lastcall.llm import ConnectionFailedError, create_openai_api_handle_async
from lastcall.llm.balance import Balance
from lastcall.llm.errors import StatusError
from lastcall.llm.health import Health
from lastcall.llm.lane import Lane
from lastcall.testing import Answer, OpenAIServer, Script

from .conftest import HELLO, KEY


@pytest.fixture
def servers() -> Iterator[list[OpenAIServer]]:
    """Three model servers."""
    with OpenAIServer() as one, OpenAIServer() as two, OpenAIServer() as three:
        yield [one, two, three]


async def test_requests_are_spread_by_weight(servers: list[OpenAIServer]) -> None:
    """One after the other, each server gets its share; over one session."""
    urls: list[str | tuple[str, float]] = [
        f"{servers[0].base_url}=3",
        (servers[1].base_url, 2.0),
        servers[2].base_url,
    ]
    async with create_openai_api_handle_async(urls, KEY, "tiny") as handle:
        for _ in range(60):
            await handle(HELLO)
        assert "and 2 more" in repr(handle)
    assert [server.requests_count for server in servers] == [30, 20, 10]


async def test_a_slow_server_gets_less(servers: list[OpenAIServer]) -> None:
    """What counts is how many are under way, so that the fast ones do more."""
    servers[0].script.default = Answer(delay=0.3)
    turns = asyncio.Semaphore(12)
    async with create_openai_api_handle_async([s.base_url for s in servers], KEY, "tiny") as handle:

        async def ask() -> None:
            async with turns:
                await handle(HELLO)

        await asyncio.gather(*(ask() for _ in range(150)))
    counts = [server.requests_count for server in servers]
    assert counts[0] < min(counts[1:])


async def test_a_server_that_is_gone_costs_no_request(servers: list[OpenAIServer]) -> None:
    """Its requests go to the others at once; then it is left alone."""
    urls = [server.base_url for server in servers]
    await asyncio.to_thread(servers[0].stop)
    async with create_openai_api_handle_async(urls, KEY, "tiny", max_retries=1) as handle:
        outcomes = [await handle.request("/v1/chat/completions", {"messages": HELLO}) for _ in range(20)]
    assert Counter(outcome.retries for outcome in outcomes) == {(): 19, ("connection",): 1}
    assert all(outcome.waited < 0.1 for outcome in outcomes)


async def test_a_server_that_is_limited_is_gone_around(servers: list[OpenAIServer]) -> None:
    """A 429 of one holds back that one; the request goes to another without a wait."""
    servers[0].script.default = Answer.rate_limit(60)
    urls = [server.base_url for server in servers]
    async with create_openai_api_handle_async(urls, KEY, "tiny") as handle:
        await asyncio.wait_for(asyncio.gather(*(handle(HELLO) for _ in range(30))), 10)
        before = servers[0].requests_count
        await asyncio.wait_for(asyncio.gather(*(handle(HELLO) for _ in range(30))), 10)
    assert servers[0].requests_count == before


async def test_a_server_that_comes_back_is_used_again(servers: list[OpenAIServer]) -> None:
    """After a while one request tries it, and with its answer it is one of them."""
    servers[0].script.add(Answer(status=503))
    urls = [server.base_url for server in servers[:2]]
    async with create_openai_api_handle_async(urls, KEY, "tiny") as handle:
        async with asyncio.timeout(10):
            while servers[0].requests_count < 5:
                await handle(HELLO)
                await asyncio.sleep(0.01)


async def test_when_all_are_gone_the_error_says_so(servers: list[OpenAIServer]) -> None:
    """The last one's, after the attempts that are allowed."""
    urls = [server.base_url for server in servers]
    for server in servers:
        await asyncio.to_thread(server.stop)
    async with create_openai_api_handle_async(urls, KEY, "tiny") as handle:
        with pytest.raises(ConnectionFailedError) as caught:
            await handle(HELLO)
    assert caught.value.attempt == 3
    assert caught.value.server in [server.url for server in servers]


async def test_streams_are_balanced_too(servers: list[OpenAIServer]) -> None:
    """Each stream counts as under way at its server until it is over."""
    urls = [server.base_url for server in servers]
    async with create_openai_api_handle_async(urls, KEY, "tiny") as handle:
        streams = [handle.stream(HELLO) for _ in range(9)]
        for stream in streams:
            await anext(stream)
        assert [server.requests_count for server in servers] == [3, 3, 3]
        for stream in streams:
            await stream.aclose()
        assert handle._place is not None
        assert [lane.in_flight for lane in handle._place.lanes] == [0, 0, 0]


def test_one_that_was_away_does_not_get_all_it_missed() -> None:
    """Back again, it takes its share from there on."""
    away, busy = Lane(), Lane()
    balance = Balance([away, busy], [1, 1])
    away.health.failures, away.health.away_until = 1, 1e12
    assert {balance.choose() for _ in range(10)} == {1}
    away.health.answered()
    assert max(Counter(balance.choose() for _ in range(10)).values()) <= 6


def test_health_lets_one_request_try() -> None:
    """A server that failed is left alone for longer each time, then asked by one; any answer heals it."""
    now = 0.0
    health = Health(lambda: now)
    waits = []
    for _ in range(8):
        health.failed(ConnectionFailedError("x"))
        health.failed(ConnectionFailedError("x"))
        waits.append(health.away_until - now)
        assert not health.takes(0)
        now = health.away_until
        assert health.takes(0)
        assert not health.takes(1)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    health.failed(StatusError("x", status=500))
    assert health.takes(5)


async def test_a_script_may_serve_as_both_ends(servers: list[OpenAIServer]) -> None:
    """Two names of one server are two servers, each with limits of its own."""
    with OpenAIServer(Script(default=Answer(delay=0.02))) as server:
        urls = [server.base_url, server.base_url.replace("127.0.0.1", "localhost")]
        async with create_openai_api_handle_async(urls, KEY, "tiny", concurrency=2) as handle:
            await asyncio.gather(*(handle(HELLO) for _ in range(20)))
        assert server.connections_peak == 4
