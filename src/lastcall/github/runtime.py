"""The parts of one running application: opened with it, and closed in order."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.applications import Starlette

from lastcall.errors import SetupError

from .clients import Clients
from .inbox import Inbox, InboxError
from .intake import Intake
from .router import Router
from .settings import Settings
from .tally import Tally
from .worker import Worker

__all__ = ["Runtime", "running", "runtime_of"]

_KEY = "lastcall_github"
_PURGE_S = 600.0
_DAY_S = 86400.0

_log = logging.getLogger("lastcall.github")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a started application has."""

    inbox: Inbox
    intake: Intake
    worker: Worker
    clients: Clients
    tally: Tally


async def runtime_of(request: Request) -> Runtime:
    """
    Return the parts of the request's application: a dependency.

    Raises:
        SetupError: If its lifespan does not run.
    """
    runtime = getattr(request.app.state, _KEY, None)
    if not isinstance(runtime, Runtime):
        raise SetupError(
            "the application was not started: serve it with its lifespan on, in tests"
            " `with TestClient(app) as client:`"
        )
    return runtime


@asynccontextmanager
async def running(
    app: Starlette,
    settings: Settings,
    router: Router,
    parts: tuple[Inbox, Intake, Clients, Tally],
    *,
    context: Mapping[str, Any],
    grace: float,
) -> AsyncIterator[Runtime]:
    """
    Open the inbox, start the worker, and at the end stop everything in order.

    First the intake refuses, then handlers finish or their deliveries are given back, then the inbox closes.
    The session is closed after that, by whoever opened it.

    Raises:
        SetupError: If the application is started already.

        InboxError: If the inbox cannot be opened.
    """
    inbox, intake, clients, tally = parts
    if hasattr(app.state, _KEY):
        raise SetupError("the application is started already: end the one lifespan before the next begins")
    await inbox.open()
    worker = Worker(
        inbox, router, clients.for_event, tally, context=context, concurrency=settings.concurrency
    )
    intake.store = worker
    runtime = Runtime(inbox, intake, worker, clients, tally)
    chores = [asyncio.create_task(one) for one in _chores(settings, runtime)]
    worker.start()
    setattr(app.state, _KEY, runtime)
    intake.open = True
    try:
        yield runtime
    finally:
        intake.open = False
        delattr(app.state, _KEY)
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        try:
            await worker.stop(grace)
        finally:
            await inbox.close()


def _chores(settings: Settings, runtime: Runtime) -> list[Any]:
    chores = [_purge(settings, runtime.inbox)]
    if runtime.intake.allow is not None:
        chores.append(runtime.intake.allow.keep_fresh())
    if settings.sweep:
        from .sweeper import sweep_forever  # noqa: PLC0415 - only where it is asked for

        chores.append(sweep_forever(settings, runtime.clients, runtime.inbox, runtime.tally))
    return chores


async def _purge(settings: Settings, inbox: Inbox) -> None:
    """Delete what is old enough, a batch at a time, now and every ten minutes."""
    done_s = settings.keep_days * _DAY_S
    while True:
        with suppress(InboxError):
            while await inbox.purge(done_s=done_s, dead_s=2 * done_s):
                pass  # each batch is a write of its own, and others get in between
        await asyncio.sleep(_PURGE_S)
