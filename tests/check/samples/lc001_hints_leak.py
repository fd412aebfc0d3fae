from typing import Annotated

import aiohttp

import lastcall

REGISTRY = CACHE = object()


def register(session):  # lastcall: borrows
    REGISTRY.take(session)


async def main() -> None:
    session = aiohttp.ClientSession()  # expect: LC001
    register(session)


async def use(session: Annotated[aiohttp.ClientSession, lastcall.Borrowed]) -> None:
    CACHE.put_in(session)


async def other() -> None:
    session = aiohttp.ClientSession()  # expect: LC001
    await use(session)
