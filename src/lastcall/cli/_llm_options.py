"""What the options of `lastcall llm batch` say, checked before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import click

from lastcall.llm.batch.job import JobSettings
from lastcall.llm.batch.places import check_places
from lastcall.llm.errors import RequestError
from lastcall.llm.settings import addresses

from ._destinations import _check_writable
from ._terminal import ColorChoice

__all__ = ["BatchOptions", "ReportPlace"]

EMBEDDED_MODEL = "lastcall-echo"
"""For lines that name no model, where the embedded server answers."""

_GIVE_UP_AFTER = 100


@dataclass(frozen=True, slots=True)
class ReportPlace:
    """One report to be made."""

    form: Literal["html", "json"]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Everything that was asked for."""

    job: JobSettings
    servers: tuple[str, ...]
    """Base URLs, each with its weight if it has one; none means the embedded server."""
    rpm: float | None
    tpm: float | None
    adaptive: bool
    max_retries: int
    timeout: float
    deadline: float | None
    env_proxy: bool
    price: tuple[float, float] | None
    reports: tuple[ReportPlace, ...]
    quiet: bool
    color: ColorChoice
    told: Mapping[str, object]
    """From each option that was given to its value, for the report; no secrets."""

    @classmethod
    def made(
        cls,
        *,
        source: str,
        output: str | None,
        base_urls: Sequence[str],
        model: str | None,
        params: Sequence[tuple[str, Any]],
        give_up_after: int | None,
        reports: Sequence[str],
        **others: Any,
    ) -> Self:
        """
        Return the options as they are used.

        Raises:
            click.UsageError: If two of them do not go together, or a file cannot be used.
        """
        servers = tuple(base_urls) or tuple(filter(None, [os.environ.get("OPENAI_BASE_URL")]))
        places = tuple(map(_report_place, reports))
        _check(source, output, others["errors"], places, servers)
        concurrency = others["concurrency"]
        job = JobSettings(
            source=source,
            output=output or "-",
            model=model,
            default_model=os.environ.get("OPENAI_MODEL") or (None if servers else EMBEDDED_MODEL),
            params=dict(params),
            give_up_after=max(_GIVE_UP_AFTER, concurrency) if give_up_after is None else give_up_after,
            **{name: others.pop(name) for name in _FOR_THE_JOB},
        )
        told = {
            "input": source,
            "output": output,
            "model": model,
            "servers": ", ".join(servers) or "embedded",
            "concurrency": concurrency,
            "parameters": " ".join(f"{name}={value}" for name, value in params) or None,
            **{name.replace("_", " "): others[name] for name in _TOLD if others.get(name)},
        }
        return cls(job=job, servers=servers, reports=places, told=told, **others)


_FOR_THE_JOB = ("errors", "concurrency", "stream", "ordered", "limit", "sample")
_TOLD = ("rpm", "tpm", "adaptive", "max_retries", "timeout", "deadline")


def _report_place(text: str) -> ReportPlace:
    form, _, name = text.partition(":")
    if form not in {"html", "json"} or not name:
        raise click.UsageError(f"--report is html:PATH or json:PATH, not {text!r}")
    path = Path(name).expanduser().absolute()
    _check_writable(path)
    return ReportPlace(cast("Literal['html', 'json']", form), path)


def _check(
    source: str,
    output: str | None,
    errors: str | None,
    reports: Sequence[ReportPlace],
    servers: Sequence[str],
) -> None:
    ctx = click.get_current_context()
    dry_run = ctx.params.get("dry_run", False)
    if output is None and not dry_run:
        raise click.UsageError("name the file for the answers: lastcall llm batch INPUT OUTPUT")
    if ctx.params.get("price") is not None and not dry_run:
        raise click.UsageError("--price goes with --dry-run")
    targets = [("the output", output), ("the file of errors", errors)]
    targets += [("a report", str(place.path)) for place in reports]
    try:
        addresses(servers)
        check_places(source, *[(called, name) for called, name in targets if name is not None])
    except RequestError as error:
        raise click.UsageError(error.problem) from None
