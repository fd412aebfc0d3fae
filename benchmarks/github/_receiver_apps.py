"""What `receiver.py` serves: handlers for `lastcall github serve`, and gidgethub's sansio on FastAPI."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI, Request, Response
from gidgethub import routing, sansio

from lastcall.github import Event, Router

router = Router()


@router.register("*")
async def nothing(event: Event, github: object) -> None:
    """Handle every event as Probot's handler does, which counts it."""


def sansio_app() -> FastAPI:
    """Return what gidgethub's documentation shows, on FastAPI: verified, parsed, routed, not kept."""
    app = FastAPI()
    sansio_router = routing.Router()
    secret = os.environ["SECRET"]

    @sansio_router.register("push")
    async def nothing(event: sansio.Event, *args: Any) -> None:
        pass

    @app.post("/webhook")
    async def webhook(request: Request) -> Response:
        event = sansio.Event.from_http(request.headers, await request.body(), secret=secret)
        await sansio_router.dispatch(event)
        return Response(status_code=200)

    return app
