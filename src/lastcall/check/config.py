"""How a project wants to be checked: `[tool.lastcall.check]` of pyproject.toml, typed and verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, cast

from .finding import Confidence, Severity

__all__ = ["CheckConfig", "ConfigError", "find_pyproject"]

TABLE = "tool.lastcall.check"

TEST_GLOBS = ("test_*.py", "*_test.py", "conftest.py", "tests/", "test/")
EXCLUDED = (
    ".*/",
    "__pycache__/",
    "node_modules/",
    "site-packages/",
    "venv/",
    "env/",
    "build/",
    "dist/",
    "*_pb2.py",
    "*_pb2_grpc.py",
)


class ConfigError(ValueError):
    """A setting that cannot be: its key, what is wrong with it, and what was probably meant."""


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """
    What is checked, and what the project knows of its own sessions.

    In pyproject.toml the keys are the same with `-` for `_`. Callables are named in full, as
    "package.module.function" or "package.module.Class.method".
    """

    select: tuple[str, ...] = ()
    """Codes, names, or beginnings of codes ("LC00") of rules to apply. Empty: those on by default."""

    ignore: tuple[str, ...] = ()
    """Rules not to apply, written as in `select`; wins over it."""

    exclude: tuple[str, ...] = ()
    """Patterns of what to leave out, in the syntax of .gitignore, beside the built-in ones."""

    respect_gitignore: bool = True
    """Whether what .gitignore files name is left out."""

    confidence: Confidence = "high"
    """The least confidence shown."""

    severity: Mapping[str, Severity] | None = None
    """From rule codes or names to another severity than the rule's own."""

    factories: tuple[str, ...] = ()
    """Callables that return a new session, which the caller has to close."""

    accessors: tuple[str, ...] = ()
    """Callables that return a session someone else owns, which the caller must not close."""

    closers: tuple[str, ...] = ()
    """Callables that close the session given to them, or take it over."""

    owners: tuple[str, ...] = ()
    """Classes that close every session kept in their attributes, in a way the source does not show."""

    session_types: tuple[str, ...] = ()
    """Classes that behave as a session does: opened, then closed with `await x.close()` or `async with`."""

    models: tuple[str, ...] = ()
    """Models to use beside those that are always on: "httpx", "aiobotocore", "asyncpg"."""

    tests: tuple[str, ...] = TEST_GLOBS
    """Patterns of tests, in which findings are `medium` and some rules do not apply."""

    require_reason: bool = False
    """Whether an ignore comment has to say why."""

    root: str = ""
    """Directory of the pyproject.toml these come from; patterns are relative to it. Empty: none was found."""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], root: str = "") -> Self:
        """
        Return the configuration a TOML table describes.

        Args:
            table: The content of `[tool.lastcall.check]`.

            root: The directory of the file it stands in.

        Raises:
            ConfigError: For an unknown key, or a value of the wrong type.
        """
        known = {field.name for field in fields(cls)} - {"root"}
        values: dict[str, Any] = {"root": root}
        for key, value in table.items():
            name = key.replace("-", "_")
            if name not in known:
                raise ConfigError(_unknown(key, known))
            values[name] = _typed(key, value)
        return cls(**values)

    @classmethod
    def load(cls, start: Path) -> Self:
        """
        Return the configuration for *start*, from the nearest pyproject.toml above that has our table.

        Raises:
            ConfigError: If that file is no TOML, or the table is wrong.
        """
        path = find_pyproject(start)
        if path is None:
            return cls()
        return cls.from_table(_table(path) or {}, root=str(path.parent))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with *changes*, as a command line makes them."""
        return replace(self, **changes)


def find_pyproject(start: Path) -> Path | None:
    """Return the pyproject.toml nearest above *start* with our table, else the nearest at all, or None."""
    folder = start.resolve()
    nearest = None
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file():
            nearest = nearest or path
            if b"lastcall" in path.read_bytes() and _table(path) is not None:
                return path
    return nearest


def _table(path: Path) -> Mapping[str, Any] | None:
    """Return our table of a pyproject.toml, or None if it has none."""
    data = path.read_bytes()
    if b"lastcall" not in data:
        return None
    import tomllib  # noqa: PLC0415 (a project without our table need not wait for it)

    try:
        table: Any = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for part in TABLE.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: [{TABLE}] has to be a table")
    return table


def _unknown(key: str, known: set[str]) -> str:
    names = sorted(name.replace("_", "-") for name in known)
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(key, names, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(names)}."
    return f"[{TABLE}]: unknown key {key!r}.{meant}"


def _typed(key: str, value: object) -> object:
    """Return *value* in the type its key has, or say what it has to be."""
    name = key.replace("-", "_")
    if name in {"respect_gitignore", "require_reason"}:
        if not isinstance(value, bool):
            raise ConfigError(f"[{TABLE}]: {key} has to be true or false")
        return value
    if name == "confidence":
        if value not in {"high", "medium"}:
            raise ConfigError(f'[{TABLE}]: {key} has to be "high" or "medium"')
        return value
    if name == "severity":
        return _severities(key, value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"[{TABLE}]: {key} has to be a list of strings")
    return tuple(cast("list[str]", value))


def _severities(key: str, value: object) -> dict[str, Severity]:
    if not isinstance(value, dict) or not set(value.values()) <= {"error", "warning", "info"}:
        raise ConfigError(f'[{TABLE}]: {key} has to map rules to "error", "warning" or "info"')
    return cast("dict[str, Severity]", value)
