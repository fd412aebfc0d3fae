"""
What a shared session costs and saves.

Three tables: `get` itself; a request through a shared session against one through aiohttp's own; and a shared
session against a `ClientSession` per call, over HTTP and over TLS. The server is a process of its own.
"""

import asyncio
import multiprocessing
import ssl
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import trustme
from _measure import measure, table

from lastcall.sessions import SessionManager, SessionProfile
from lastcall.testing import LoopbackServer

GETS = 10_000
REQUESTS = 400
CALLS = 40
Clock = Callable[[], float]


def serve(pipe: Connection, certificate: bytes | None) -> None:
    """Serve in a process of its own until the other end of the pipe says so."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with trustme.Blob(certificate).tempfile() as path:
            context.load_cert_chain(path)
    with LoopbackServer(ssl=context) as server:
        pipe.send(server.url)
        pipe.recv()


class Server:
    """A server in another process; over TLS if an authority is given."""

    def __init__(self, authority: trustme.CA | None = None) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, other = spawn.Pipe()
        certificate = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem if authority else None
        blob = certificate.bytes() if certificate else None
        self._process = spawn.Process(target=serve, args=(other, blob), daemon=True)

    def __enter__(self) -> str:
        """Start it and return its URL."""
        self._process.start()
        url = self._pipe.recv()
        assert isinstance(url, str)
        return url

    def __exit__(self, *_exc: object) -> None:
        """Stop it."""
        self._pipe.send("stop")
        self._process.join(10)


async def fetch(session: aiohttp.ClientSession, url: str) -> None:
    """Make one request and read its answer."""
    async with session.get(url) as response:
        await response.read()


def timed(
    loop: asyncio.AbstractEventLoop, clock: Clock, times: int, work: Callable[[], Awaitable[object]]
) -> Callable[[], float]:
    """Return what does *work* a number of times on *loop* and tells the seconds each took."""

    async def repeat() -> float:
        begun = clock()
        for _ in range(times):
            await work()
        return (clock() - begun) / times

    return lambda: loop.run_until_complete(repeat())


def measure_get(loop: asyncio.AbstractEventLoop) -> None:
    """Print what the first `get` costs, the ten-thousandth, and opening a session by hand."""
    manager = SessionManager()

    async def nothing() -> None:
        pass

    async def open_and_close() -> None:
        await aiohttp.ClientSession().close()

    async def first() -> None:
        async with SessionManager() as sessions:
            await sessions.get()

    loop.run_until_complete(manager.get())
    peers = {
        "await of an empty coroutine": timed(loop, time.perf_counter, GETS, nothing),
        f"get, the {GETS:,}th": timed(loop, time.perf_counter, GETS, manager.get),
        "get, the first (with its close)": timed(loop, time.perf_counter, 200, first),
        "ClientSession() and close()": timed(loop, time.perf_counter, 200, open_and_close),
    }
    print(table("sessions.get()", measure(peers)))
    loop.run_until_complete(manager.close())


def measure_requests(loop: asyncio.AbstractEventLoop, url: str) -> None:
    """Print what a kept-alive request costs through either kind of session, in CPU and by the wall clock."""
    manager = SessionManager()
    opened: dict[str, aiohttp.ClientSession] = {}

    async def start() -> None:
        opened["aiohttp's own session"] = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        opened["shared session"] = await manager.get()

    async def stop() -> None:
        await opened["aiohttp's own session"].close()
        await manager.close()

    loop.run_until_complete(start())
    clocks: dict[str, Clock] = {"CPU": time.process_time, "wall clock": time.perf_counter}
    for clock_name, clock in clocks.items():
        peers = {
            name: timed(loop, clock, REQUESTS, lambda session=session: fetch(session, url))  # type: ignore[misc]
            for name, session in opened.items()
        }
        print(table(f"one kept-alive request, {clock_name}", measure(peers, rounds=11)))
    loop.run_until_complete(stop())


def measure_calls(loop: asyncio.AbstractEventLoop, url: str, scheme: str, verify: Any) -> None:
    """Print what a session per call costs against a shared one."""
    manager = SessionManager(SessionProfile(ssl=verify))

    async def shared() -> None:
        await fetch(await manager.get(), url)

    async def own() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=verify)) as session:
            await fetch(session, url)

    clocks: dict[str, Clock] = {"CPU": time.process_time, "wall clock": time.perf_counter}
    for clock_name, clock in clocks.items():
        peers = {
            "shared session": timed(loop, clock, CALLS, shared),
            "a session per call": timed(loop, clock, CALLS, own),
        }
        print(table(f"one call over {scheme}, {clock_name}", measure(peers)))
    loop.run_until_complete(manager.close())


def main() -> None:
    """Print all tables."""
    loop = asyncio.new_event_loop()
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    measure_get(loop)
    with Server() as url:
        measure_requests(loop, url)
        measure_calls(loop, url, "HTTP", verify=True)
    with Server(authority) as url:
        measure_calls(loop, url, "TLS", verify=trust)
    loop.close()


if __name__ == "__main__":
    main()
