"""The Python receivers that `receiver.py` serves with uvicorn: ours, and FastAPI with gidgethub's sansio."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from gidgethub import routing, sansio

from lastcall.github import Event, Router
from lastcall.github.app import create_app
from lastcall.github.settings import Settings

SECRET = os.environ["SECRET"]


def ours() -> FastAPI:
    """Return the webhook service with a handler that does nothing, and its inbox on disk."""
    router = Router()

    @router.register("*")
    async def nothing(event: Event, github: object) -> None:
        pass

    db = Path(tempfile.mkdtemp(dir=os.environ["FOLDER"])) / "deliveries.sqlite3"
    return create_app(Settings(secrets=(SECRET,), token="token", db=db), router)


def sansio_app() -> FastAPI:
    """Return what gidgethub's documentation shows, on FastAPI: verified, parsed, routed, not kept."""
    app = FastAPI()
    router = routing.Router()

    @router.register("push")
    async def nothing(event: sansio.Event, *args: Any) -> None:
        pass

    @app.post("/webhook")
    async def webhook(request: Request) -> Response:
        event = sansio.Event.from_http(request.headers, await request.body(), secret=SECRET)
        await router.dispatch(event)
        return Response(status_code=200)

    return app
