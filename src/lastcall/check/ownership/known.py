"""What is known of libraries beforehand: sessions, factories, accessors, closers, owners, borrowers."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from lastcall.check.config import CheckConfig, ConfigError

__all__ = ["Known", "load_known", "model_names"]

MODELS = Path(__file__).parent.parent / "models"

KINDS = ("session-types", "factories", "accessors", "closers", "owners", "borrowers")


@dataclass(frozen=True, slots=True)
class Known:
    """Full names, by what is known of them."""

    session_types: frozenset[str]
    factories: frozenset[str]
    accessors: frozenset[str]
    closers: frozenset[str]
    owners: frozenset[str]
    borrowers: frozenset[str]
    loopless: frozenset[str]
    """Session types that may be opened without a running loop."""

    others: frozenset[str]
    """Names of other libraries' clients, whose responses need no release."""


def model_names() -> list[str]:
    """Return the names of the models that are shipped, sorted."""
    return sorted(path.stem for path in MODELS.glob("*.toml"))


def load_known(config: CheckConfig) -> Known:
    """
    Return what the shipped models and a project's settings say together.

    Raises:
        ConfigError: If a model is asked for that is not shipped.
    """
    names: dict[str, set[str]] = {kind: set() for kind in (*KINDS, "loopless")}
    others = {*config.session_types, *config.factories, *config.accessors}
    for path in sorted(MODELS.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table.get("always", True) or path.stem in config.models:
            for kind, known in names.items():
                known.update(table.get(kind, ()))
                if not table.get("always", True):
                    others.update(table.get(kind, ()))
    unknown = set(config.models) - set(model_names())
    if unknown:
        raise ConfigError(f"no model {min(unknown)!r}; there are {', '.join(model_names())}")
    for kind in ("session-types", "factories", "accessors", "closers", "owners"):
        names[kind].update(getattr(config, kind.replace("-", "_")))
    return Known(
        session_types=frozenset(names["session-types"]),
        factories=frozenset(names["factories"]),
        accessors=frozenset(names["accessors"]),
        closers=frozenset(names["closers"]),
        owners=frozenset(names["owners"]),
        borrowers=frozenset(names["borrowers"]),
        loopless=frozenset(names["loopless"]),
        others=frozenset(others),
    )
