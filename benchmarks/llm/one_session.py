"""
Five hundred sessions against one: 500 users of a service, 50 of them busy at any moment.

    python benchmarks/llm/one_session.py [--tls]

What is measured begins before the first session is opened, so that opening and closing count.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from _compare import Ask, Peer, Work, main
from _server import Plan

from lastcall.llm import ChatHandle, create_openai_api_handle_async

USERS = 500


def user(number: int, work: Work) -> int:
    """Return whose request it is; those that do not count are of users of their own."""
    return number % USERS + (USERS if number >= work.requests else 0)


@asynccontextmanager
async def one(work: Work) -> AsyncIterator[Ask]:
    """Let all users share a session."""
    connector = aiohttp.TCPConnector(limit=0, ssl=work.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(number: int) -> int:
            async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
                await response.json()
            return 1

        yield ask


@asynccontextmanager
async def many(work: Work) -> AsyncIterator[Ask]:
    """Give each user a session."""
    context = work.ssl_context() or True
    sessions: dict[int, aiohttp.ClientSession] = {}
    async with AsyncExitStack() as stack:

        async def ask(number: int) -> int:
            session = sessions.get(user(number, work))
            if session is None:
                connector = aiohttp.TCPConnector(ssl=context)
                session = sessions[user(number, work)] = aiohttp.ClientSession(connector=connector)
                await stack.enter_async_context(session)
            async with session.post(work.url, json=work.body(number), headers=work.headers) as response:
                await response.json()
            return 1

        yield ask


@asynccontextmanager
async def handles(work: Work) -> AsyncIterator[Ask]:
    """Give each user a handle, with a key of its own."""
    context = work.ssl_context() or True
    made: dict[int, ChatHandle] = {}
    async with AsyncExitStack() as stack:

        async def ask(number: int) -> int:
            chat = made.get(user(number, work))
            if chat is None:
                key = f"key-{user(number, work)}"
                chat = create_openai_api_handle_async(work.base_url, key, "tiny", ssl=context)
                made[user(number, work)] = await stack.enter_async_context(chat)
            await chat(work.messages(number), **work.options)
            return 1

        yield ask


PEERS = [
    Peer("one session", one),
    Peer("500 sessions", many),
    Peer("500 handles of lastcall", handles),
]

if __name__ == "__main__":
    tls = "--tls" in sys.argv
    title = f"500 users{', TLS' if tls else ''}"
    main(title, PEERS, Work(requests=5000, at_once=50), plan=Plan(tls=tls), rounds=3)
