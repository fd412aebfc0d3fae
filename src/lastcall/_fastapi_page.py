"""The page of open sessions, its JSON and its figures as routes of an application; see `lastcall.fastapi`."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lastcall.ledger import watch
from lastcall.ledger.live import (
    CONTENT_TYPE,
    LiveView,
    live_document,
    prometheus_text,
    sessions_html,
    time_traffic,
)
from lastcall.ledger.watch import current
from lastcall.page import HINT_HEADERS, refusal

try:
    from fastapi import APIRouter, Depends, HTTPException, Request, Response, params
except ImportError as error:
    raise ImportError(
        "lastcall.fastapi needs FastAPI: pip install 'lastcall[fastapi]'", name=error.name
    ) from error

__all__ = ["sessions_page"]

_REMEDY = "give sessions_page() a token= or dependencies= to let others in"
_PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def sessions_page(
    path: str = "/lastcall", *, token: str | None = None, dependencies: Sequence[params.Depends] = ()
) -> APIRouter:
    """
    Return routes that show what every aiohttp session of this process is doing: `app.include_router(...)`.

    The page is at *path*; beside it are `sessions.json`, a report with a `live` part as
    `lastcall.ledger.schema()` describes it, and `metrics`, for Prometheus. Each process answers for itself:
    of several workers, the one that happens to take the request.

    This call begins `lastcall.watch()` if the watch is off, so that the sessions which the application opens
    as it starts are seen; call `lastcall.watch("responses")` as well to see the lines of open responses. It
    also begins to time requests, at a few microseconds each.

    Args:
        path: Where the page is.

        token: Asked for by the JSON and the metrics as `Authorization: Bearer TOKEN`, never in a URL. The
            page itself, which holds no data, then asks whoever opens it for the token.

        dependencies: Of the application's own, such as `[Depends(require_admin)]`; they guard everything.

    Without *token* and *dependencies* only programs and browsers on this machine are answered, by an address
    such as `localhost`, and none that come through a proxy. Others get status 403 and a sentence.

    Raises:
        ValueError: If *path* does not begin with a slash, or *token* is empty or not in ASCII.
    """
    if not path.startswith("/"):
        raise ValueError(f"path is {path!r}; it begins with a slash, as in '/lastcall'")
    if token is not None and not (token.strip() and token.isascii()):
        raise ValueError("token is empty, or not in ASCII, which is all that a header can carry")
    watch()
    time_traffic()
    guards = [] if dependencies and token is None else [Depends(_Guard(token))]
    return _routes(path.rstrip("/"), list(dependencies), guards, page_guards=guards if token is None else [])


def _routes(
    path: str,
    dependencies: list[params.Depends],
    guards: list[params.Depends],
    page_guards: list[params.Depends],
) -> APIRouter:
    router = APIRouter(tags=["lastcall"], dependencies=dependencies)
    view = _View()
    refused: dict[int | str, dict[str, Any]] = {
        401: {"description": "The token is missing or wrong"},
        403: {"description": "Only this machine may see this"},
    }
    router.add_api_route(
        path or "/", _page, dependencies=page_guards, include_in_schema=False, response_class=Response
    )
    router.add_api_route(
        f"{path}/sessions.json",
        view.sessions,
        dependencies=guards,
        responses={**refused, 200: {"content": {"application/json": {"schema": _SCHEMA}}}},
        response_class=Response,
        summary="Open sessions",
    )
    router.add_api_route(
        f"{path}/metrics",
        view.metrics,
        dependencies=guards,
        responses={**refused, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_class=Response,
        summary="Metrics of sessions",
    )
    return router


_SCHEMA = {
    "type": "object",
    "description": "A lastcall report of version 1 with a live part, see lastcall.ledger.schema()",
    "required": ["version", "sessions", "leaks", "churn", "responses", "processes", "live"],
    "properties": {"version": {"const": 1}, "live": {"type": "object"}},
}


class _Guard:
    """A dependency that lets a request pass or refuses it."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def __call__(self, request: Request) -> None:
        peer = request.client.host if request.client is not None else None
        refused = refusal(peer, request.headers, self._token, remedy=_REMEDY)
        if refused is not None:
            hint = HINT_HEADERS if refused.status == 401 else None  # noqa: PLR2004
            raise HTTPException(refused.status, refused.reason, hint)


class _View:
    """What the routes answer, made in a thread: with many sessions it would hold up the loop."""

    def __init__(self) -> None:
        self._live = LiveView(live_document)
        # Of its own: the application's threads are not for this. It starts with the first question.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lastcall-page")

    async def sessions(self) -> Response:
        """Answer with the document."""
        content = await asyncio.get_running_loop().run_in_executor(self._thread, self._live.json)
        return Response(content, media_type="application/json", headers=_PLAIN)

    async def metrics(self) -> Response:
        """Answer with the figures."""
        text = await asyncio.get_running_loop().run_in_executor(self._thread, _figures)
        return Response(text, headers={**_PLAIN, "Content-Type": CONTENT_TYPE})


def _figures() -> str:
    book, _ = current()
    return prometheus_text(book)


async def _page() -> Response:
    page = sessions_html()
    return Response(page.html, headers=dict(page.headers))
