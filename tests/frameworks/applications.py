"""A small FastAPI application, and a call to it on the running loop."""

from typing import Annotated, Any

import aiohttp
import httpx
from fastapi import FastAPI

from lastcall.fastapi import session

Api = Annotated[aiohttp.ClientSession, session("api")]


async def echo(api: Api) -> str:
    """Pass the request on."""
    async with api.get("/echo") as response:
        await response.read()
    return repr(api)


def application(**options: Any) -> FastAPI:
    """Make an application with one route that uses "api"."""
    app = FastAPI(**options)
    app.get("/")(echo)
    return app


async def call(app: FastAPI) -> int:
    """Make a request on the running loop."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return (await client.get("/")).status_code
