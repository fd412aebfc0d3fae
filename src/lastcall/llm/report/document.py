"""The report as JSON, version 1."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from .model import Distribution, Moment, Report

__all__ = ["as_json", "schema"]

VERSION = 1


@cache
def _schema_text() -> str:
    return resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON schema of what `as_json` returns, a new copy each time."""
    loaded: dict[str, Any] = json.loads(_schema_text())
    return loaded


def as_json(report: Report) -> dict[str, Any]:
    """Return *report* as `schema()` describes it: dicts, lists, strings and numbers."""
    began = datetime.fromtimestamp(report.began_at, UTC).isoformat(timespec="milliseconds")
    return {
        "version": VERSION,
        "lastcall": report.version,
        "began_at": began.replace("+00:00", "Z"),
        "seconds": _figures(report.seconds),
        "ending": report.ending,
        "reason": report.reason,
        "requests": {
            "total": report.total,
            "answered": report.answered,
            "failed": report.failed,
            "resumed": report.resumed,
            "cut_off": report.cut_off,
            "rate": _figures(report.rate),
        },
        "tokens": {
            "prompt": report.prompt_tokens,
            "completion": report.completion_tokens,
            "completion_rate": _figures(report.tokens_rate),
        },
        "concurrency": {"limit": report.limit, "max": report.in_flight_max},
        "distributions": {
            "latency": _distribution(report.latency),
            "waited": _distribution(report.waited),
            "first_chunk": _distribution(report.first_chunk),
            "between_chunks": _distribution(report.between_chunks),
            "loop_lag": _distribution(report.loop_lag),
        },
        "errors": dict(report.errors),
        "retries": dict(report.retries),
        "retry_delay": _figures(report.retry_delay),
        "finish_reasons": dict(report.finish_reasons),
        "series": list(map(_moment, report.series)),
        "settings": dict(report.settings),
        "sessions": dataclasses.asdict(report.sessions) if report.sessions else None,
    }


def _distribution(spread: Distribution | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    values = dataclasses.asdict(spread)
    values["buckets"] = [[_figures(low), _figures(high), number] for low, high, number in spread.buckets]
    return {name: _figures(value) if isinstance(value, float) else value for name, value in values.items()}


def _moment(moment: Moment) -> dict[str, Any]:
    values = dataclasses.asdict(moment)
    return {name: _figures(value) if isinstance(value, float) else value for name, value in values.items()}


def _figures(value: float) -> float:
    # More would only be the noise of the clock; it halves the file.
    return float(f"{value:.5g}")
