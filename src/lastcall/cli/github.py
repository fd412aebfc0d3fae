"""`lastcall github`: a webhook service that loses nothing, its deliveries, an application to start from."""
# ruff: noqa: PLC0415 - the extra is imported when a command that needs it runs

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._github_deliveries import deliveries
from ._github_extra import needs_extra
from ._github_send import send

if TYPE_CHECKING:
    from lastcall.github.router import Router

__all__ = ["command"]


@click.group("github", context_settings={"max_content_width": 88})
def command() -> None:
    """
    Receive GitHub's webhooks, and lose none: stored before they are answered, handled after.

    \b
    Examples:
      lastcall github new welcome
      lastcall github serve --handlers handlers:router
      lastcall github deliveries list --state dead
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)


command.add_command(deliveries)
command.add_command(send)


@command.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="0 takes any free one, and tells which.")
@click.option(
    "--db", type=click.Path(path_type=Path), help="File of the inbox. [default: deliveries.sqlite3]"
)
@click.option("--handlers", metavar="MODULE:ROUTER", help="The router with your handlers; none: only store.")
@click.option(
    "--env-file", default=".env", show_default=True, type=click.Path(path_type=Path), help="More settings."
)
@click.option(
    "--grace", default=20.0, show_default=True, help="Seconds a shutdown waits for handlers that run."
)
@needs_extra
def serve(
    *, host: str, port: int, db: Path | None, handlers: str | None, env_file: Path, grace: float
) -> None:
    """
    Serve POST /webhook, and /deliveries for people.

    Settings come from the environment and the .env file: GITHUB_WEBHOOK_SECRET (several with commas
    between), GITHUB_TOKEN, or GITHUB_APP_ID with GITHUB_APP_PRIVATE_KEY or _PATH; and GITHUB_API_URL,
    GITHUB_WEBHOOK_PAGE_TOKEN, GITHUB_WEBHOOK_ALLOW, GITHUB_WEBHOOK_ORDERED, GITHUB_WEBHOOK_SWEEP.

    Ends on Ctrl-C and SIGTERM: running handlers are waited for, what is left is taken up at the next start.

    \b
    Example:
      lastcall github serve --port 8000 --db deliveries.sqlite3 --handlers handlers:router
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    from lastcall.github.app import create_app
    from lastcall.github.settings import Settings, SettingsError

    try:
        settings = Settings.from_environment(env_file=env_file)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    settings = settings if db is None else replace(settings, db=db)
    router = None if handlers is None else _load_router(handlers)
    _check_inbox(settings.db)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    with _listen(host, port) as listening:
        _run(create_app(settings, router, grace=grace), listening, grace)


@command.command("new")
@click.argument("directory", type=click.Path(path_type=Path))
def new(directory: Path) -> None:
    """
    Write a small application: one handler, its test, and an example of .env.

    \b
    Example:
      lastcall github new welcome && cd welcome
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    from lastcall.github.scaffold import write_application

    try:
        written = write_application(directory)
    except OSError as error:
        raise click.UsageError(f"{directory}: {error.strerror or error}") from None
    for path in written:
        print(path)


def _load_router(text: str) -> Router:
    """Return the router that "module:name" means, looked for from the working directory."""
    from lastcall.github.router import Router

    module_name, colon, name = text.partition(":")
    if not (module_name and colon and name):
        raise click.UsageError(f"--handlers is MODULE:ROUTER, for example handlers:router, not {text!r}")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - sys.path holds texts
    try:
        router = getattr(importlib.import_module(module_name), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that the handlers need: the traceback says who imports it
        raise click.UsageError(f"--handlers: there is no module {error.name!r} here") from None
    if not isinstance(router, Router):
        raise click.UsageError(f"--handlers: {name!r} in {module_name} is no lastcall.github.Router")
    return router


def _check_inbox(path: Path) -> None:
    """Open and close the inbox, so that what is wrong with it is said in a sentence."""
    from lastcall.github.inbox import InboxError
    from lastcall.github.store_sqlite import SQLiteInbox

    async def check() -> None:
        inbox = SQLiteInbox(path)
        await inbox.open()
        await inbox.close()

    try:
        asyncio.run(check())
    except InboxError as error:
        raise click.ClickException(str(error)) from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error}") from None


def _run(app: Any, listening: socket.socket, grace: float) -> None:
    import uvicorn

    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    class Server(uvicorn.Server):
        """Says where it listens once it does."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(
                    f"lastcall: webhook at {address}/webhook, deliveries at {address}/deliveries, sessions at"
                    f" {address}/lastcall",
                    file=sys.stderr,
                )

    config = uvicorn.Config(
        app, access_log=False, log_level="warning", timeout_graceful_shutdown=max(1, int(grace))
    )
    server = Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise click.ClickException("the service could not start; the reason stands above")
