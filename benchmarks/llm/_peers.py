"""
The clients that `lastcall.llm` is compared with, and environments that have them.

Each is used as its documentation has it, with its own defaults, but for a pool that lets so many requests be
in flight as are asked for. This module is imported by every peer's interpreter, so that what only one of them
has is imported where it is used.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from _compare import Ask, Work, last_line

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "llm-peers"
ENVIRONMENTS = {
    "clients": ("openai[aiohttp]==3.54.0", "pyreqwest==0.15.1"),
    # litellm wants an older openai.
    "litellm": ("litellm==1.106.0",),
    "drivers": ("lm-deluge==0.0.168", "async-batch-llm[openai]==0.28.0"),
}
"""From the name of an environment to what is installed in it."""

_INSTALL_LIMIT = 600.0


@functools.cache
def environment(name: str) -> str | None:
    """Return the Python of an environment, made if it is not there; None if it cannot be, which is told."""
    folder = CACHE / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = " ".join(ENVIRONMENTS[name])
    stamp = folder / ".ready"
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    print(f"installing {wanted} ...", flush=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install", *ENVIRONMENTS[name]]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=60)
        subprocess.run(pip, check=True, timeout=_INSTALL_LIMIT, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        print(f"skipped {wanted}: it cannot be installed here: {last_line(error.stderr or '')}", flush=True)
        return None
    except (subprocess.SubprocessError, OSError) as error:
        print(f"skipped {wanted}: it cannot be installed here: {type(error).__name__}", flush=True)
        return None
    stamp.write_text(wanted)
    return str(python)


@asynccontextmanager
async def plain(work: Work) -> AsyncIterator[Ask]:
    """Use aiohttp as most programs do: one session, `json=`, `await response.json()`."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=work.at_once, ssl=work.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(number: int) -> int:
            async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
                await response.json()
            return 1

        yield ask


@asynccontextmanager
async def with_msgspec(work: Work) -> AsyncIterator[Ask]:
    """Use aiohttp with its public settings at their best, and msgspec in and out."""
    import aiohttp
    import msgspec

    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
    headers = {**work.headers, "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=work.at_once)
    timeout = aiohttp.ClientTimeout(total=None)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout, cookie_jar=jar
    ) as session:

        async def ask(number: int) -> int:
            async with session.post(work.url, data=encode(work.body(number))) as response:
                decode(await response.read())
            return 1

        yield ask


@asynccontextmanager
async def lastcall(work: Work) -> AsyncIterator[Ask]:
    """Use `lastcall.llm` with its defaults: deadline, retries and limits are in place."""
    from lastcall.llm import create_openai_api_handle_async

    options: dict[str, Any] = work.options
    async with create_openai_api_handle_async(
        work.base_url, "key", "tiny", ssl=work.ssl_context() or True
    ) as handle:

        async def ask(number: int) -> int:
            await handle(work.messages(number), **options)
            return 1

        yield ask


@asynccontextmanager
async def pyreqwest(work: Work) -> AsyncIterator[Ask]:
    """Use the client written in Rust, its JSON included."""
    builder = importlib.import_module("pyreqwest.client").ClientBuilder()
    async with builder.pool_max_idle_per_host(work.at_once).build() as client:

        async def ask(number: int) -> int:
            request = client.post(work.url).headers(work.headers).body_json(work.body(number)).build()
            response = await request.send()
            await response.json()
            return 1

        yield ask


def openai(transport: str | None = None) -> Callable[[Work], Any]:
    """Return what uses OpenAI's own client with its defaults, or with another transport of its own."""

    @asynccontextmanager
    async def opened(work: Work) -> AsyncIterator[Ask]:
        module = importlib.import_module("openai")
        more = {"http_client": getattr(module, transport)()} if transport else {}
        async with module.AsyncOpenAI(base_url=work.base_url, api_key="key", **more) as client:

            async def ask(number: int) -> int:
                await client.chat.completions.create(**work.body(number))
                return 1

            yield ask

    return opened


@asynccontextmanager
async def litellm(work: Work) -> AsyncIterator[Ask]:
    """Use litellm's function."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks for the prices of the day
    complete = importlib.import_module("litellm").acompletion
    server = {"model": "openai/tiny", "api_base": work.base_url, "api_key": "key"}

    async def ask(number: int) -> int:
        await complete(**server, messages=work.messages(number), **work.options)
        return 1

    yield ask


def read(asked: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of requests."""
    with asked.open() as file:
        yield from map(json.loads, file)


def write(told: Path, answers: Iterable[dict[str, Any]]) -> None:
    """Write answers, one a line."""
    with told.open("w") as file:
        file.writelines(json.dumps(answer) + "\n" for answer in answers)


async def lm_deluge(asked: Path, told: Path, work: Work) -> None:
    """Answer a file of requests with lm-deluge, whose limits are lifted."""
    os.environ["TINY_KEY"] = "key"
    deluge = importlib.import_module("lm_deluge")
    importlib.import_module("lm_deluge.models").register_model(
        id="tiny", name="tiny", api_base=work.base_url, api_key_env_var="TINY_KEY", regions=[]
    )
    lines = list(read(asked))
    client = deluge.LLMClient(
        "tiny",
        max_requests_per_minute=10**9,
        max_tokens_per_minute=10**12,
        max_concurrent_requests=work.at_once,
        max_new_tokens=256,
        temperature=0.7,
    )
    prompts = [deluge.Conversation.from_openai_chat(line["body"]["messages"]) for line in lines]
    answers = zip(lines, await client.process_prompts_async(prompts), strict=True)
    write(
        told,
        ({"id": line["custom_id"], "text": item.completion} for line, item in answers if not item.is_error),
    )


async def async_batch_llm(asked: Path, told: Path, work: Work) -> None:
    """Answer a file of requests with async-batch-llm, which keeps the answers so that it can go on."""
    driver = importlib.import_module("async_batch_llm")
    strategy = driver.llm(
        "openai-compatible:tiny",
        base_url=work.base_url,
        api_key="key",
        temperature=0.7,
        generation_config={"max_tokens": 256},
        system_instruction=work.messages(0)[0]["content"],
    )
    prompts = ((line["custom_id"], line["body"]["messages"][1]["content"]) for line in read(asked))
    identity = driver.ArtifactIdentity(provider="tiny", model="tiny")
    async for _ in driver.process_stream(
        strategy,
        prompts,
        concurrency=work.at_once,
        artifact_store=driver.JsonlArtifactStore(told, identity=identity),
        progress=True,
    ):
        pass


DRIVERS: dict[str, Callable[[Path, Path, Work], Awaitable[None]]] = {
    "lm-deluge": lm_deluge,
    "async-batch-llm": async_batch_llm,
}
"""From the name on the command line to what answers a file of requests."""
