"""
What a session by `Depends` costs an endpoint, against globals written by hand and a session per request.

Each peer is an ASGI application of FastAPI that passes its request on to a server in another process; it is
called without a server of its own, so that what is measured is the application: routing, dependencies, and
the request upstream. Figures are CPU, of this process; a second is `1e6 / best us` requests.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import aiohttp
import trustme
from _measure import measure, table
from fastapi import Depends, FastAPI
from sessions_get import Server, fetch

from lastcall import SessionManager, SessionProfile
from lastcall.fastapi import SharedSession, lifespan

REQUESTS = 50
ROUNDS = 40

held: dict[str, aiohttp.ClientSession] = {}
"""The sessions that the peers written by hand keep in their module."""

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


def shared(url: str, verify: Any) -> FastAPI:
    """Make the application whose session comes from `lastcall.fastapi`."""
    app = FastAPI(lifespan=lifespan(SessionProfile(ssl=verify)))

    @app.get("/")
    async def endpoint(session: SharedSession) -> None:
        await fetch(session, url)

    return app


def by_hand(url: str, _verify: Any) -> FastAPI:
    """Make the application with a global and an `async def` dependency that returns it."""

    async def get_held() -> aiohttp.ClientSession:
        return held["session"]

    app = FastAPI()

    @app.get("/")
    async def endpoint(session: Annotated[aiohttp.ClientSession, Depends(get_held)]) -> None:
        await fetch(session, url)

    return app


def by_hand_with_ours(url: str, verify: Any) -> FastAPI:
    """Make the application with a global that holds a session of a `SessionManager`: its cost, set apart."""
    manager = SessionManager(SessionProfile(ssl=verify))

    @asynccontextmanager
    async def opened(_app: FastAPI) -> AsyncIterator[None]:
        async with manager:
            held["managed"] = await manager.get()
            yield

    async def get_held() -> aiohttp.ClientSession:
        return held["managed"]

    app = FastAPI(lifespan=opened)

    @app.get("/")
    async def endpoint(session: Annotated[aiohttp.ClientSession, Depends(get_held)]) -> None:
        await fetch(session, url)

    return app


def by_hand_sync(url: str, _verify: Any) -> FastAPI:
    """Make the application with a global and a plain `def` dependency, which FastAPI calls in a thread."""

    def get_held() -> aiohttp.ClientSession:
        return held["session"]

    app = FastAPI()

    @app.get("/")
    async def endpoint(session: Annotated[aiohttp.ClientSession, Depends(get_held)]) -> None:
        await fetch(session, url)

    return app


def read_directly(url: str, _verify: Any) -> FastAPI:
    """Make the application whose endpoint reads the global, without a dependency."""
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        await fetch(held["session"], url)

    return app


def per_request(url: str, verify: Any) -> FastAPI:
    """Make the application that opens a session for each request."""
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=verify)) as session:
            await fetch(session, url)

    return app


PEERS = {
    "global, async def dependency": by_hand,
    "lastcall SharedSession": shared,
    "global, a manager's session": by_hand_with_ours,
    "global, read directly": read_directly,
    "global, def dependency": by_hand_sync,
    "a session per request": per_request,
}


async def receive() -> dict[str, Any]:
    """Give the empty body of a request."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    """Take an answer, and make sure that it is one."""
    assert message["type"] != "http.response.start" or message["status"] == 200


def call(loop: asyncio.AbstractEventLoop, app: FastAPI, state: dict[str, Any]) -> float:
    """Make a number of requests, one after the other; return the seconds of CPU each took."""

    async def repeat() -> float:
        begun = time.process_time()
        for _ in range(REQUESTS):
            await app({**SCOPE, "state": dict(state)}, receive, send)
        return (time.process_time() - begun) / REQUESTS

    return loop.run_until_complete(repeat())


async def compare(url: str, verify: Any, stack: AsyncExitStack) -> dict[str, tuple[FastAPI, dict[str, Any]]]:
    """Start every peer's application; the stack ends them."""
    connector = aiohttp.TCPConnector(ssl=verify, limit=1000)
    jar = aiohttp.DummyCookieJar()
    held["session"] = await stack.enter_async_context(
        aiohttp.ClientSession(connector=connector, cookie_jar=jar)
    )
    started = {}
    for name, make in PEERS.items():
        app = make(url, verify)
        state = await stack.enter_async_context(app.router.lifespan_context(app))
        started[name] = (app, dict(state or {}))
    return started


def main() -> None:
    """Print a table for HTTP and one for TLS."""
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    loop = asyncio.new_event_loop()
    servers: dict[str, tuple[Server, Any]] = {"HTTP": (Server(), True), "TLS": (Server(authority), trust)}
    for scheme, (server, verify) in servers.items():
        with server as url:
            stack = AsyncExitStack()
            started = loop.run_until_complete(compare(url, verify, stack))
            peers = {name: lambda given=given: call(loop, *given) for name, given in started.items()}
            results = measure(peers, rounds=ROUNDS)
            print(table(f"one request of an endpoint that makes one over {scheme}, CPU", results))
            loop.run_until_complete(stack.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


if __name__ == "__main__":
    main()
