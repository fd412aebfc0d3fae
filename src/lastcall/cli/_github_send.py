"""`lastcall github send`: a signed delivery, as GitHub would send it."""
# ruff: noqa: PLC0415 - the extra is imported when a command that needs it runs

from __future__ import annotations

import sys
import urllib.error
import urllib.request
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import click

from ._github_extra import needs_extra

__all__ = ["send"]

_SECONDS = 10


@click.command("send")
@click.argument("payload", type=click.File("rb"))
@click.option("--event", required=True, help="Its kind, for example pull_request.")
@click.option("--url", default="http://127.0.0.1:8000/webhook", show_default=True, help="Where to.")
@click.option("--delivery", "delivery_id", help="Its GUID. [default: a new one]")
@click.option(
    "--env-file", default=".env", show_default=True, type=click.Path(path_type=Path), help="With the secret."
)
@needs_extra
def send(payload: BinaryIO, event: str, url: str, delivery_id: str | None, env_file: Path) -> None:
    """
    Send the JSON in the file PAYLOAD, signed with GITHUB_WEBHOOK_SECRET.

    \b
    Example:
      lastcall github send --event pull_request payload.json
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    from lastcall.github.settings import read_environment
    from lastcall.github.signature import sign

    secret = read_environment(env_file=env_file).get("GITHUB_WEBHOOK_SECRET", "").split(",")[-1].strip()
    if not secret:
        raise click.UsageError("GITHUB_WEBHOOK_SECRET is not set, and a delivery has to be signed")
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--url is an address such as http://127.0.0.1:8000/webhook, not {url!r}")
    body = payload.read()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery_id or str(uuid.uuid4()),
        "X-Hub-Signature-256": sign(secret, body),
    }
    status, text = _post(urllib.request.Request(url, body, headers))  # noqa: S310 - the scheme is checked
    print(headers["X-GitHub-Delivery"], status, text or HTTPStatus(status).phrase)
    if status >= 300:  # noqa: PLR2004 - HTTP
        sys.exit(1)


def _post(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - checked above
            return answer.status, answer.read().decode("utf-8", "replace").strip()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace").strip()
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise click.ClickException(f"{request.host} does not answer: {reason}") from None
