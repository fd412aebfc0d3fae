"""The clients of `_peers.py` reading streams: each chunk is decoded, and counted."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from _compare import Ask, Work


@asynccontextmanager
async def plain(work: Work) -> AsyncIterator[Ask]:
    """Use aiohttp as most programs do: line by line, with json."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=work.at_once)) as session:

        async def ask(number: int) -> int:
            chunks = 0
            async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        json.loads(line[6:])
                        chunks += 1
            return chunks

        yield ask


@asynccontextmanager
async def lastcall(work: Work) -> AsyncIterator[Ask]:
    """Use the handle's stream, a dict for each chunk."""
    from lastcall.llm import create_openai_api_handle_async

    async with create_openai_api_handle_async(work.base_url, "key", "tiny") as handle:

        async def ask(number: int) -> int:
            chunks = 0
            async with handle.stream(work.messages(number), **work.options) as stream:
                async for _ in stream:
                    chunks += 1
            return chunks

        yield ask


@asynccontextmanager
async def collected(work: Work) -> AsyncIterator[Ask]:
    """Have the handle put the stream together, with the times of its chunks, as a batch does."""
    from lastcall.llm import create_openai_api_handle_async

    async with create_openai_api_handle_async(work.base_url, "key", "tiny") as handle:

        async def ask(number: int) -> int:
            outcome = await handle.request("/v1/chat/completions", work.body(number), stream=True)
            # Of the chunks, the first and the last have no content, and gaps are between the others.
            return len(outcome.gaps) + 3

        yield ask


@asynccontextmanager
async def pyreqwest(work: Work) -> AsyncIterator[Ask]:
    """Use the client written in Rust, with json for each chunk."""
    builder = importlib.import_module("pyreqwest.client").ClientBuilder()
    async with builder.pool_max_idle_per_host(work.at_once).build() as client:

        async def ask(number: int) -> int:
            request = client.post(work.url).headers(work.headers).body_json(work.body(number))
            chunks, rest = 0, b""
            async with request.build_streamed() as response:
                while (piece := await response.body_reader.read_chunk()) is not None:
                    *events, rest = (rest + bytes(piece)).split(b"\n\n")
                    for event in events:
                        if event.startswith(b"data: {"):
                            json.loads(event[6:])
                            chunks += 1
            return chunks

        yield ask


def openai(transport: str | None = None) -> Callable[[Work], Any]:
    """Return what uses OpenAI's own client with its defaults, or with another transport of its own."""

    @asynccontextmanager
    async def opened(work: Work) -> AsyncIterator[Ask]:
        module = importlib.import_module("openai")
        more = {"http_client": getattr(module, transport)()} if transport else {}
        async with module.AsyncOpenAI(base_url=work.base_url, api_key="key", **more) as client:

            async def ask(number: int) -> int:
                chunks = 0
                async for _ in await client.chat.completions.create(**work.body(number)):
                    chunks += 1
                return chunks

            yield ask

    return opened


@asynccontextmanager
async def litellm(work: Work) -> AsyncIterator[Ask]:
    """Use litellm's function."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks for the prices of the day
    complete = importlib.import_module("litellm").acompletion
    server = {"model": "openai/tiny", "api_base": work.base_url, "api_key": "key", "stream": True}

    async def ask(number: int) -> int:
        chunks = 0
        async for _ in await complete(**server, messages=work.messages(number), **work.options):
            chunks += 1
        return chunks

    yield ask
