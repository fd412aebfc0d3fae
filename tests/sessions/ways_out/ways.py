"""
A program that ends in one of many ways: `python ways.py WAY RUNNER`.

It makes a request through the shared session, says "ready", ends, and says as its very last words how many of
its connections the server still sees open. What the kernel closes when a process dies does not count.
"""

import asyncio
import atexit
import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine
from multiprocessing import util
from typing import Any

import aiohttp

URL = os.environ["LASTCALL_TEST_URL"]
WAY, RUNNER = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
Main = Callable[[], Coroutine[Any, Any, None]]


def last_words() -> None:
    """Print how many connections of all programs are open, the one that asks not counted."""
    with urllib.request.urlopen(f"{URL}/open", timeout=10) as answer:
        print("open:", answer.read().decode(), flush=True)


# Registered before lastcall registers anything, so it runs after that.
atexit.register(last_words)

from lastcall.sessions import (  # noqa: E402
    SessionManager,
    SharedSession,
    close_on_sigterm,
    get_shared_session,
)


async def use() -> SharedSession:
    """Leave a connection in the pool of the shared session."""
    session = await get_shared_session()
    async with session.get(f"{URL}/hello") as response:
        await response.read()
    return session


async def use_and_wait() -> None:
    """Be ready, and wait to be ended."""
    await use()
    print("ready", flush=True)
    await asyncio.sleep(60)


def run(main: Main) -> None:
    """Run *main* as the runner does that was asked for."""
    if RUNNER == "uvloop":
        import uvloop

        uvloop.run(main())
    elif RUNNER == "anyio":
        import anyio

        anyio.run(main)
    else:
        asyncio.run(main())


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of the kind asked for."""
    if RUNNER == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def leaks() -> None:
    """Leave a plain session open, as no other way here does."""

    async def main() -> None:
        globals()["kept"] = session = aiohttp.ClientSession()
        async with session.get(f"{URL}/hello") as response:
            await response.read()

    run(main)


def returns() -> None:
    """End by a normal return."""

    async def main() -> None:
        await use()

    run(main)


def returns_with_a_response_open() -> None:
    """End while a response is still being received."""

    async def main() -> None:
        session = await use()
        await session.get(f"{URL}/stall")

    run(main)


def raises() -> None:
    """End by an exception."""

    async def main() -> None:
        await use()
        raise LookupError("the program's own")

    run(main)


def exits() -> None:
    """End by sys.exit in the main coroutine."""

    async def main() -> None:
        await use()
        sys.exit(3)

    run(main)


def exits_in_a_task() -> None:
    """End by sys.exit in a task beside the main one."""

    async def leave() -> None:
        sys.exit(3)

    async def main() -> None:
        await use()
        task = asyncio.create_task(leave())
        await asyncio.sleep(60)
        await task

    run(main)


def awaits() -> None:
    """Be ended by a signal while it awaits."""
    run(use_and_wait)


def blocks() -> None:
    """Block the loop; the first Ctrl-C only asks for a cancellation, the second one breaks in."""

    async def main() -> None:
        await use()
        task = asyncio.current_task()
        assert task is not None
        print("ready", flush=True)
        while not task.cancelling():
            time.sleep(0.01)  # noqa: ASYNC251 - that is the point
        print("blocked", flush=True)
        time.sleep(60)  # noqa: ASYNC251

    run(main)


def cleans_up_for_long() -> None:
    """Be interrupted, and once more while a generator of the user cleans up."""

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            print("cleaning", flush=True)
            await asyncio.sleep(60)

    async def main() -> None:
        generator = numbers()
        await anext(generator)
        await use_and_wait()

    run(main)


def cleans_up_with_a_request() -> None:
    """Make a request in a generator that the end of the loop finalises, with a session it has had before."""

    async def numbers() -> AsyncIterator[int]:
        session = await use()
        try:
            yield 1
        finally:
            await asyncio.sleep(0.05)
            async with session.get(f"{URL}/hello") as response:
                await response.read()
            print("cleaned", flush=True)

    async def main() -> None:
        globals()["kept"] = generator = numbers()
        await anext(generator)

    run(main)


def asks_for_sigterm() -> None:
    """Be ended by SIGTERM, having asked for sessions to be closed then."""
    speak_before_dying()
    close_on_sigterm()
    run(use_and_wait)


def asks_for_sigterm_and_blocks() -> None:
    """Be ended by SIGTERM between two loops: one is open and stands still."""
    speak_before_dying()
    close_on_sigterm()
    loop = new_loop()
    loop.run_until_complete(use())
    print("ready", flush=True)
    time.sleep(60)


def handles_sigterm() -> None:
    """Be ended by a SIGTERM that it turns into sys.exit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    run(use_and_wait)


def handles_sigterm_on_the_loop() -> None:
    """Be ended by a SIGTERM for which the loop cancels the main task."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await use_and_wait()

    run(main)


def cancels_itself() -> None:
    """End by the cancellation of the main task."""

    async def main() -> None:
        await use()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)

    run(main)


def stops_the_loop() -> None:
    """End by `loop.stop()` from inside."""

    async def main() -> None:
        await use()
        asyncio.get_running_loop().stop()
        await asyncio.sleep(60)

    run(main)


def closes_the_loop_by_hand() -> None:
    """Run and close a loop without finalising its generators."""
    loop = new_loop()
    loop.run_until_complete(use())
    loop.close()


def never_closes_the_loop() -> None:
    """Leave a loop open, standing still."""
    loop = new_loop()
    loop.run_until_complete(use())
    globals()["kept"] = loop


def never_closes_a_loop_with_a_task() -> None:
    """Leave a loop open that still has something to do."""
    loop = new_loop()
    loop.run_until_complete(use())
    globals()["kept"] = (loop, loop.create_task(asyncio.sleep(60)))
    loop.run_until_complete(asyncio.sleep(0))


def runs_in_threads() -> None:
    """Use worker threads, each with a loop of its own."""

    async def main() -> None:
        await use()

    threads = [threading.Thread(target=run, args=(main,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def leaves_a_daemon_thread() -> None:
    """End while a loop still runs in a daemon thread."""
    used = threading.Event()

    async def main() -> None:
        await use()
        used.set()
        await asyncio.sleep(60)

    threading.Thread(target=run, args=(main,), daemon=True).start()
    used.wait(10)


def nests() -> None:
    """Run loops in one another."""
    import nest_asyncio

    nest_asyncio.apply()

    async def main() -> None:
        asyncio.get_running_loop().run_until_complete(use())

    asyncio.run(main())


def forks() -> None:
    """Fork by hand while a session is open: the child closes, drops and collects what it inherits."""

    async def main() -> None:
        session = await use()
        if (child := os.fork()) == 0:
            import gc

            with contextlib.suppress(Exception), contextlib.redirect_stderr(None):
                await session.close()
            session.shared._close()  # what aiohttp does when it collects a connector
            del session
            gc.collect()
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 - the loop has nothing else to do
        async with asyncio.timeout(5):
            for _ in range(3):
                await use()
        print("the parent is well", flush=True)

    run(main)


def speak_at_the_end_of_a_child() -> None:
    """Say the last words in a child of multiprocessing, which need not run `atexit`; not twice."""
    atexit.unregister(last_words)
    util.Finalize(None, last_words, exitpriority=0)


def use_in_a_child() -> None:
    """Be a child that uses a session on a loop and leaves the loop open."""
    speak_at_the_end_of_a_child()
    never_closes_the_loop()


def starts_a_child(method: str) -> None:
    """Have a child of multiprocessing use a session, while the parent has one."""
    atexit.unregister(last_words)  # the child speaks
    loop = new_loop()
    if method == "fork":
        loop.run_until_complete(use())
    multiprocessing.set_start_method(method)
    child = multiprocessing.Process(target=use_in_a_child)
    child.start()
    child.join(30)
    print("child:", child.exitcode, flush=True)
    if method == "fork":
        loop.run_until_complete(asyncio.wait_for(use(), 5))
        print("the parent is well", flush=True)


def speak_before_dying() -> None:
    """Say the last words just before a signal to oneself; such a death runs no `atexit`."""
    kill, raise_signal = os.kill, signal.raise_signal

    def kill_and_speak(pid: int, number: int) -> None:
        last_words()
        kill(pid, number)

    def raise_and_speak(number: int) -> None:
        last_words()
        raise_signal(number)

    os.kill, signal.raise_signal = kill_and_speak, raise_and_speak


def serves_with_uvicorn() -> None:
    """Be a uvicorn server that used a session when it started."""
    import uvicorn

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await use()
        await send({"type": "lifespan.startup.complete"})
        print("ready", flush=True)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    if "SIGTERM" in os.environ:
        speak_before_dying()
    uvicorn.run(app, port=0, log_level="error", loop=RUNNER)


def serves_with_aiohttp() -> None:
    """Be an aiohttp server that used a session when it started."""
    from aiohttp import web

    async def start(_app: web.Application) -> None:
        await use()
        print("ready", flush=True)

    app = web.Application()
    app.on_startup.append(start)
    web.run_app(app, host="127.0.0.1", port=0, print=None, loop=new_loop())


def leaves_a_manager_open() -> None:
    """Use a manager of one's own and never close it."""

    async def main() -> None:
        async with (await SessionManager().get()).get(f"{URL}/hello") as response:
            await response.read()

    run(main)


if __name__ == "__main__":
    WAYS = {"spawns": "spawn", "forks_a_process": "fork"}
    way = functools.partial(starts_a_child, WAYS[WAY]) if WAY in WAYS else globals()[WAY]
    way()
