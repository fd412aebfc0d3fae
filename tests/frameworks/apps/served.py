"""
Applications for real servers. Each says "ready PID" when it has started and used its upstream, and as its
last words how many connections of its process the upstream still sees open: "PID open: N".
"""

import atexit
import multiprocessing
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing import util
from typing import Any

from aiohttp import ClientSession

UPSTREAM = os.environ["LASTCALL_TEST_URL"]
PID = os.getpid()


def say(words: str) -> None:
    """Write a line in one piece: several workers write to one pipe."""
    os.write(1, f"{words}\n".encode())


def last_words() -> None:
    """Print how many connections of this process are open; what the kernel closes does not count."""
    with urllib.request.urlopen(f"{UPSTREAM}/open?pid={PID}", timeout=10) as answer:
        say(f"{PID} open: {answer.read().decode()}")


def speak_before_dying() -> None:
    """Say the last words at exit, and just before a signal that the process sends to itself."""
    if multiprocessing.parent_process() is not None:
        util.Finalize(None, last_words, exitpriority=0)  # such a child need not run `atexit`
    else:
        atexit.register(last_words)
    kill, raise_signal = os.kill, signal.raise_signal

    def kill_and_speak(pid: int, number: int) -> None:
        if pid == PID:
            last_words()
        kill(pid, number)

    def raise_and_speak(number: int) -> None:
        last_words()
        raise_signal(number)

    os.kill, signal.raise_signal = kill_and_speak, raise_and_speak


if os.environ.get("LASTCALL_TEST_APP") == "without":
    speak_before_dying()  # registered before the keeper is, so called after it

from fastapi import FastAPI  # noqa: E402

from lastcall import SessionProfile, get_shared_session, shared_manager  # noqa: E402
from lastcall.fastapi import SharedSession, lifespan, manager_of  # noqa: E402

PROFILE = SessionProfile(base_url=UPSTREAM, headers={"X-Pid": str(PID)})


async def use(session: ClientSession) -> int:
    """Make a request that the upstream counts for this process."""
    async with session.get("/echo") as response:
        return response.status


@asynccontextmanager
async def inner(app: FastAPI) -> AsyncIterator[None]:
    """Use the session at start-up and at shutdown."""
    await use(await manager_of(app).get())
    say(f"ready {PID}")
    yield
    await use(await manager_of(app).get())


@asynccontextmanager
async def speaks(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    """Be the application's lifespan, with last words when its sessions should be closed."""
    async with lifespan(PROFILE, inner)(app) as state:
        yield state
    last_words()


app = FastAPI(lifespan=speaks)


@app.get("/")
async def answer(session: SharedSession) -> int:
    """Pass the request on."""
    return await use(session)


@asynccontextmanager
async def without_us(_app: FastAPI) -> AsyncIterator[None]:
    """Be a lifespan that knows nothing of sessions: the keeper alone closes."""
    shared_manager().add(PROFILE)
    await use(await get_shared_session())
    say(f"ready {PID}")
    yield


without = FastAPI(lifespan=without_us)


@without.get("/")
async def answer_without() -> int:
    """Pass the request on through the process-wide manager."""
    return await use(await get_shared_session())
