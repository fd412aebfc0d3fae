"""
The webhook service as a FastAPI application.

    app = create_app(router=router)          # settings from the environment and .env
    # uvicorn --factory lastcall.github.app:create_app
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lastcall import SessionProfile
from lastcall import fastapi as sessions
from lastcall.errors import SetupError
from lastcall.ledger.live import CONTENT_TYPE, prometheus_text
from lastcall.ledger.watch import current

from .clients import Clients
from .deliveries import deliveries_router
from .guard import Guard
from .inbox import Inbox, InboxError
from .intake import Intake, WebhookFirst
from .networks import AllowList
from .openapi import WEBHOOK_PATH, webhook_operation
from .router import Router
from .runtime import Runtime, running, runtime_of
from .service import GithubService
from .settings import Settings
from .store_sqlite import SQLiteInbox
from .tally import Tally

__all__ = ["create_app", "get_github_service"]

PROFILE = "github"

RuntimeOf = Annotated[Runtime, Depends(runtime_of)]


async def get_github_service(runtime: RuntimeOf) -> GithubService:
    """
    Return a `GithubService` with the settings' token, on the application's session: a dependency.

    Raises:
        HTTPException: 501, if the settings name a GitHub App, which is no user.
    """
    try:
        return runtime.clients.personal()
    except SetupError as error:
        raise HTTPException(501, str(error)) from None


def create_app(
    settings: Settings | None = None,
    router: Router | None = None,
    *,
    inbox: Inbox | None = None,
    context: Mapping[str, Any] | None = None,
    grace: float = 20.0,
) -> FastAPI:
    """
    Make the application; nothing is opened before it starts.

    Args:
        settings: None reads the environment and `.env`.

        router: Its handlers are run; None for none, which stores deliveries and counts them.

        inbox: Where deliveries are kept, one for this application; None for a `SQLiteInbox` in the file
            that the settings name.

        context: Given to every handler as keyword arguments.

        grace: Seconds for which a shutdown waits for handlers before it gives their deliveries back.

    Raises:
        SettingsError: If the settings cannot be.
    """
    settings = Settings.from_environment() if settings is None else settings
    guard, tally = Guard(settings.page_token), Tally()

    @asynccontextmanager
    async def parts(app: FastAPI) -> AsyncIterator[None]:
        clients = Clients(settings, await sessions.manager_of(app).get(PROFILE))
        intake.allow = _allow_list(settings, clients)
        opened = (inbox or SQLiteInbox(settings.db), intake, clients, tally)
        async with running(app, settings, router or Router(), opened, context=context or {}, grace=grace):
            yield

    intake = _intake(settings, tally)
    app = FastAPI(
        title="lastcall webhook service",
        lifespan=sessions.lifespan(SessionProfile(PROFILE), parts),
    )
    # A plain route, answered before it is looked for: FastAPI's own does much that a delivery does not need.
    app.router.routes.append(Route(WEBHOOK_PATH, intake, methods=["POST"], name="webhook"))
    app.add_middleware(WebhookFirst, path=WEBHOOK_PATH, intake=intake)
    _add_routes(app, guard)
    app.include_router(sessions.sessions_page(token=settings.page_token))
    _describe(app)
    return app


def _intake(settings: Settings, tally: Tally) -> Intake:
    secrets = [secret.encode() for secret in settings.secrets]
    return Intake(None, secrets, tally, ordered=settings.ordered)


def _add_routes(app: FastAPI, guard: Guard) -> None:
    guarded = [Depends(guard)]
    app.add_api_route("/healthz", _healthz, tags=["health"], summary="Does the process answer?")
    app.add_api_route(
        "/readyz", _readyz, tags=["health"], summary="Can it store and handle deliveries?",
        responses={503: {"description": "It cannot", "model": dict[str, str]}},
    )  # fmt: skip
    app.add_api_route(
        "/metrics", _metrics, dependencies=guarded, response_class=PlainTextResponse, tags=["metrics"]
    )
    app.add_api_route("/user", _user, dependencies=guarded, tags=["github"], response_model=dict[str, Any])
    app.include_router(deliveries_router(guard))


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}


async def _readyz(runtime: RuntimeOf) -> JSONResponse:
    try:
        await runtime.inbox.check()
    except InboxError as error:
        return JSONResponse({"status": "the inbox cannot be written", "error": str(error.__cause__)}, 503)
    if not runtime.worker.alive:
        return JSONResponse({"status": "the worker has stopped"}, 503)
    return JSONResponse({"status": "ok"})


async def _metrics(runtime: RuntimeOf) -> Response:
    """Answer with what the service counts, and with the figures of its sessions."""
    deliveries = runtime.tally.prometheus(await runtime.inbox.counts())
    book, _ = current()
    text = await asyncio.to_thread(prometheus_text, book)
    return Response(deliveries + text, media_type=CONTENT_TYPE)


async def _user(github: Annotated[GithubService, Depends(get_github_service)]) -> Any:
    return await github.get_my_user_info()


def _allow_list(settings: Settings, clients: Clients) -> AllowList | None:
    if settings.allow is None:
        return None

    async def fetch() -> Iterable[str]:
        async with clients.session.get(
            f"{settings.api_url.rstrip('/')}/meta", raise_for_status=True
        ) as answer:
            hooks: list[str] = (await answer.json())["hooks"]
            return hooks

    return AllowList(settings.allow, fetch if settings.allow_github else None)


def _describe(app: FastAPI) -> None:
    """Add the webhook to the application's OpenAPI description; a plain route is not in it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schema["paths"][WEBHOOK_PATH] = webhook_operation()
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way
