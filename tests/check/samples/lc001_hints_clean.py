from typing import Annotated

import aiohttp
import lastcall

REGISTRY = CACHE = object()


def register(
    session,  # lastcall: owns
):
    REGISTRY.take(session)


async def main() -> None:
    session = aiohttp.ClientSession()
    register(session)
