"""The report as JSON, version 1, and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from lastcall.ledger.records import (
    Churn,
    Distribution,
    Evidence,
    ExhaustedPool,
    Frame,
    Leak,
    OpenResponse,
    ProcessInfo,
    Site,
)

from .remedies import remedy_for

if TYPE_CHECKING:
    from .model import Report

__all__ = ["from_json", "read_record", "schema", "to_json", "write_record"]

VERSION = 1

Record = TypeVar("Record")


@cache
def _schema_text() -> str:
    return resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that every JSON report obeys."""
    document: dict[str, Any] = json.loads(_schema_text())
    return document


def to_json(report: Report) -> dict[str, Any]:
    """Return *report* as `schema()` describes it: dicts, lists, strings and numbers."""
    return {
        "version": VERSION,
        "sessions": {
            "opened": report.opened,
            "closed": report.closed,
            "leaked": report.leaked,
            "open": report.open,
            "withdrawn": report.withdrawn,
        },
        "leaks": [_write_leak(leak) for leak in report.leaks],
        "churn": [write_record(item) for item in report.churn],
        "responses": [write_record(item) for item in report.responses],
        "pools": [_write_pool(item) for item in report.pools],
        "processes": [write_record(item) for item in report.processes],
    }


def from_json(document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the fields of the `Report` that *document* tells of.

    Raises:
        ValueError: If it is not a report of version 1, or a required key is missing.
    """
    if document.get("version") != VERSION:
        raise ValueError(f"this is no lastcall report of version {VERSION}: {document.get('version')!r}")
    try:
        sessions = document["sessions"]
        return {
            "opened": sessions["opened"],
            "closed": sessions["closed"],
            "leaked": sessions["leaked"],
            "withdrawn": sessions.get("withdrawn", 0),
            "leaks": _read_all(Leak, document["leaks"]),
            "churn": _read_all(Churn, document.get("churn", ())),
            "responses": _read_all(OpenResponse, document.get("responses", ())),
            "pools": _read_all(ExhaustedPool, document.get("pools", ())),
            "processes": _read_all(ProcessInfo, document.get("processes", ())),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this lastcall report is damaged: {error!r}") from error


def write_record(record: Any) -> dict[str, Any]:
    """Return a dataclass of the ledger as JSON: moments in ISO 8601, seconds with three decimals."""
    document = dataclasses.asdict(record)
    for name, value in document.items():
        if name.endswith("_at"):
            document[name] = _iso(value)
        elif name.endswith("_s"):
            document[name] = round(value, 3)
        elif isinstance(value, tuple):
            document[name] = list(value)
    return document


def _write_leak(leak: Leak) -> dict[str, Any]:
    remedy = remedy_for(leak)
    return write_record(leak) | {
        "evidence": leak.evidence.value,
        "grade": leak.evidence.grade.name.lower(),
        "remedy": {"case": remedy.case, "advice": remedy.advice, "example": remedy.example},
    }


def _write_pool(pool: ExhaustedPool) -> dict[str, Any]:
    holders = [{"site": dataclasses.asdict(site), "responses": count} for site, count in pool.holders]
    return write_record(pool) | {"holders": holders}


def _read_all(kind: type[Record], documents: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
    return tuple(read_record(kind, document) for document in documents)


def read_record(kind: type[Record], document: Mapping[str, Any]) -> Record:
    """Return the *kind* that `write_record` wrote; keys that it does not have are passed over."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: _value(name, document[name]) for name in names if name in document})


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at"):
        return datetime.fromisoformat(value).timestamp()
    if name in _READERS:
        return _READERS[name](value)
    return tuple(value) if isinstance(value, list) else value


_READERS: dict[str, Callable[[Any], Any]] = {
    "site": partial(read_record, Site),
    "own_site": partial(read_record, Site),
    "distribution": partial(read_record, Distribution),
    "stack": partial(_read_all, Frame),
    "holders": lambda items: tuple((read_record(Site, item["site"]), item["responses"]) for item in items),
    "evidence": Evidence,
}


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
