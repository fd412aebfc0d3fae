"""The house: a room imports only rooms on floors below it, and importing the package starts nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lastcall

SRC = Path(lastcall.__file__).parent

FLOORS = {
    "_hints": 0,
    "_version": 0,
    "errors": 0,
    "baseline": 0,
    "page": 0,
    "pacing": 0,
    "sessions": 1,
    "ledger": 1,
    "check": 1,
    "_fastapi_page": 2,
    "fastapi": 3,
    "aiohttp_web": 2,
    "otel": 2,
    "pytest_plugin": 2,
    "testing": 2,
    "__init__": 2,
    # The clients are served by the integrations: the webhook service is an application of lastcall.fastapi.
    "github": 4,
    "llm": 4,
    "cli": 5,
    "__main__": 6,
}
"""Each room and its floor, as the design draws them; `__init__` gathers floors 0 and 1."""

PRINTERS = {"cli", "testing"}
"""Rooms that may print: the command line, and the test server's own `python -m`."""


def modules() -> Iterator[Path]:
    """Yield every module of the package that is part of the import graph."""
    yield from (path for path in sorted(SRC.rglob("*.py")) if "_bootstrap" not in path.parts)


def room_of(path: Path) -> str:
    """Return the room a file belongs to."""
    first = path.relative_to(SRC).parts[0]
    return first.removesuffix(".py")


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms of lastcall that a file imports, inside functions too."""
    package = ["lastcall", *path.relative_to(SRC).with_suffix("").parts][:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.update(f"{module}.{alias.name}" for alias in node.names)
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "lastcall" and len(part) > 1}


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(SRC)))
def test_a_room_imports_only_floors_below(path: Path) -> None:
    """No module imports a room on its own floor or above, its own room excepted."""
    room = room_of(path)
    wrong = {
        other
        for other in rooms_imported(path)
        if other != room and other in FLOORS and FLOORS[other] >= FLOORS[room]
    }
    assert not wrong


def test_every_room_has_a_floor() -> None:
    """A new room must be entered in the picture above before it can be used."""
    assert {room_of(path) for path in modules()} <= set(FLOORS)


def test_only_the_command_line_prints() -> None:
    """`print` is called by the rooms that own a terminal and by no other."""
    printing = {
        room_of(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing <= PRINTERS


IMPORT_PROBE = """
import asyncio, logging, signal, sys, threading, warnings
import aiohttp

def state():
    session = aiohttp.ClientSession
    return (
        session.__dict__.get("__new__"), session.__del__, session._request, asyncio.SelectorEventLoop.close,
        len(warnings.filters), len(logging.getLogger("asyncio").filters),
        logging.getLogger("lastcall").handlers, signal.getsignal(signal.SIGTERM), threading.active_count(),
    )

before = state()
import lastcall
assert state() == before, (state(), before)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_importing_lastcall_starts_nothing_and_imports_no_optional_package() -> None:
    """`import lastcall` changes no filter, handler, hook or thread, and needs aiohttp alone."""
    done = subprocess.run([sys.executable, "-c", IMPORT_PROBE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & {"click", "rich", "uvloop", "fastapi", "starlette", "gidgethub", "msgspec", "pytest"}


def test_all_is_sorted_and_every_name_in_it_exists_and_is_documented() -> None:
    """What `lastcall` offers is listed, sorted, importable and has a docstring."""
    assert list(lastcall.__all__) == sorted(lastcall.__all__)
    for name in lastcall.__all__:
        value = getattr(lastcall, name)
        assert name == "__version__" or value.__doc__, name
