"""What `lastcall check` has to say about other tools' settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

__all__ = ["ruff_hints"]

PREFIX = "LC"


def ruff_hints(root: Path) -> list[str]:
    """
    Return how to keep ruff from deleting `noqa` comments with our codes; empty where that is settled.

    Ruff's rule RUF102 takes codes that it does not know out of `noqa` comments, under plain `--fix`.

    Args:
        root: Directory of the project's settings.
    """
    for name in (".ruff.toml", "ruff.toml", "pyproject.toml"):
        try:
            table: Any = tomllib.loads((root / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        section = "lint"
        if name == "pyproject.toml":
            section, table = "tool.ruff.lint", table.get("tool", {}).get("ruff")
        if isinstance(table, dict):
            return [] if _knows_us(table) else [_hint(name, section)]
    return []


def _knows_us(table: dict[str, Any]) -> bool:
    lint = table.get("lint")
    external = lint.get("external", []) if isinstance(lint, dict) else table.get("external", [])
    return isinstance(external, list) and any(str(code).startswith(PREFIX) for code in external)


def _hint(name: str, section: str) -> str:
    return (
        f'`ruff check --fix` deletes `# noqa: LC...`; add external = ["{PREFIX}"] to [{section}] in {name},'
        " or write `# lastcall: ignore[LC...]`"
    )
