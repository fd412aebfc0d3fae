"""Turns stacks into text: files as one would type them, lines, functions, names that last."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import linecache
import os
import site
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from types import CodeType

import aiohttp

from .masking import mask
from .records import Distribution, Frame, Site
from .sites import START_DIRECTORY, Stack, line_of

__all__ = ["Resolved", "resolve"]


_PROJECT_MARKS = ("pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini", ".git")
_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")
# The loop running a task; what lies further out only waits. With uvloop no Handle._run ends the stack.
_LOOP_RUNNERS = ("Runner.run", "BaseEventLoop.run_until_complete", "BaseEventLoop.run_forever")
_SUSPENDABLE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_DRIVEN = _SUSPENDABLE | inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a stack says, in text."""

    site: Site
    """The innermost line left when the frames of asyncio, aiohttp and lastcall are cut."""
    frames: tuple[Frame, ...]
    """What is left of the stack, innermost first; never empty."""
    fingerprint: str
    """Twelve hex digits over relative paths and function names."""
    distribution: Distribution | None
    """The dependency the site belongs to."""
    own_site: Site | None
    """For a dependency, the reader's own innermost line."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a file comes from."""

    shown: str
    """As one would type it from the working directory; below site-packages for a dependency."""
    lasting: str
    """The path for fingerprints: the same on every machine and from every working directory."""
    distribution: Distribution | None
    is_own: bool
    """Whether it is the reader's own code."""


@lru_cache(maxsize=4096)
def resolve(stack: Stack) -> Resolved:
    """Return what *stack* says. The sources are read now, as they are on the disk."""
    walked = _cut(list(zip(stack.codes, stack.offsets, strict=True)))
    if not walked:
        return _UNKNOWN
    fingerprint = _fingerprint(stack.codes)
    # The frame round a comprehension tells the same once more.
    walked = [walked[0]] + [
        outer for inner, outer in pairwise(walked) if not _is_comprehension(inner[0], outer[0])
    ]
    frames = tuple(_frame(code, offset) for code, offset in walked)
    own = [frame for (code, _), frame in zip(walked, frames, strict=True) if _origin(code.co_filename).is_own]
    distribution = frames[0].distribution
    return Resolved(
        site=_site(frames[0]),
        frames=frames,
        fingerprint=fingerprint,
        distribution=distribution,
        own_site=_site(own[0]) if distribution is not None and own else None,
    )


_UNKNOWN = Resolved(Site("<unknown>", 0, "<unknown>", ""), (), "0" * 12, None, None)


def _cut(walked: list[tuple[CodeType, int]]) -> list[tuple[CodeType, int]]:
    """Leave out the frames that say nothing; if that is all of them, leave the innermost."""
    kept = []
    for code, offset in walked:
        if not _is_cut_file(code.co_filename):
            kept.append((code, offset))
        elif kept and (code.co_qualname in _LOOP_RUNNERS or _is_of(code.co_filename, _TEST_RUNNERS)):
            break
    return kept or walked[:1]


def _is_comprehension(inner: CodeType, outer: CodeType) -> bool:
    """Tell whether *inner* is a comprehension that stands in *outer*."""
    return inner.co_name in _COMPREHENSIONS and inner in outer.co_consts


def _frame(code: CodeType, offset: int) -> Frame:
    origin = _origin(code.co_filename)
    function = code.co_qualname.replace("<locals>.", "")
    for suffix in _COMPREHENSIONS:
        function = function.removesuffix(f".{suffix}")
    line = line_of(code, offset)
    source = mask(linecache.getline(code.co_filename, line).strip())
    return Frame(origin.shown, line, function, origin.distribution, source)


def _site(frame: Frame) -> Site:
    return Site(frame.file, frame.line, frame.function, frame.source)


def _fingerprint(codes: Sequence[CodeType]) -> str:
    chain: list[str] = []
    for code in _lasting(codes):
        function = code.co_qualname
        link = f"{_origin(code.co_filename).lasting}:{function}"
        # A recursion has one name, however deep it was.
        if link not in chain[-1:]:
            chain.append(link)
    return hashlib.sha256("\n".join(chain).encode()).hexdigest()[:12]


def _lasting(codes: Sequence[CodeType]) -> list[CodeType]:
    """Return the functions of *codes* that are the same under every Python and every loop."""
    task = _of_task(codes)
    kept = [code for code in task if not _is_cut_file(code.co_filename)] or list(codes[:1])
    # Python 3.12 inlines comprehensions, and every version has its own functions in the standard library.
    lasting = [code for code in kept if not code.co_qualname.endswith(_COMPREHENSIONS) and _is_lasting(code)]
    return lasting or kept


def _is_lasting(code: CodeType) -> bool:
    origin = _origin(code.co_filename)
    return origin.is_own or origin.distribution is not None


def _of_task(codes: Sequence[CodeType]) -> Sequence[CodeType]:
    """
    Return *codes* up to the end of their task.

    Where it ends is not always on the stack: uvloop leaves no frame, an eager task runs within its creator,
    and before Python 3.12 `asyncio.wait_for` ran what it was given as a task of its own.
    """
    in_coroutine = False
    for number, code in enumerate(codes):
        suspendable = bool(code.co_flags & _SUSPENDABLE)
        is_border = code.co_name == "wait_for" and code.co_filename == _WAIT_FOR.co_filename
        if number and (is_border or (in_coroutine and not code.co_flags & _DRIVEN)):
            return codes[:number]
        in_coroutine = in_coroutine or suspendable
    return codes


_WAIT_FOR = asyncio.wait_for.__code__


# -- which frames say nothing to the reader


def _folder(module_file: str | None) -> str:
    return os.path.dirname(module_file or "") + os.sep  # noqa: PTH120 - keeps the exact text of co_filename


_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_CUT_FOLDERS = tuple(
    {
        _folder(aiohttp.__file__),
        _folder(asyncio.__file__),
        str(Path(__file__).parent.parent) + os.sep,
        *(
            _STDLIB + part
            for part in (
                f"concurrent{os.sep}",
                f"importlib{os.sep}",
                "threading.py",
                "runpy.py",
                "contextlib.py",
            )
        ),
    }
)
_TEST_RUNNERS = ("_pytest", "pluggy")
_CUT_PACKAGES = (*_TEST_RUNNERS, "uvloop", "pytest", "pytest_asyncio", "anyio", "xdist", "execnet")
_CUT_PSEUDO = ("<frozen importlib", "<frozen runpy", "<frozen posixpath")


@lru_cache(maxsize=4096)
def _is_cut_file(filename: str) -> bool:
    if filename.startswith(_CUT_FOLDERS) or filename.startswith(_CUT_PSEUDO):
        return True
    return _is_of(filename, _CUT_PACKAGES)


def _is_of(filename: str, packages: tuple[str, ...]) -> bool:
    below = _below_packages(filename)
    return below is not None and below.partition("/")[0].removesuffix(".py") in packages


# -- where a file comes from


@lru_cache(maxsize=4096)
def _origin(filename: str) -> _Origin:
    if filename.startswith("<"):
        return _Origin(filename, filename, None, is_own=True)
    # Not resolved: that would name files as nobody types them.
    path = os.path.normpath(START_DIRECTORY / filename)
    below = _below_packages(path)
    if below is not None:
        return _Origin(below, below, _distribution(below), is_own=False)
    if path.startswith(_STDLIB):
        shown = Path(path[len(_STDLIB) :]).as_posix()
        return _Origin(shown, shown, None, is_own=False)
    return _Origin(_as_typed(Path(path)), _below_project(Path(path)), None, is_own=True)


@cache
def _package_folders() -> tuple[str, ...]:
    named = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    known = [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(dict.fromkeys(os.path.abspath(entry) + os.sep for entry in (*named, *known)))  # noqa: PTH100


def _below_packages(path: str) -> str | None:
    for folder in _package_folders():
        if path.startswith(folder):
            return Path(path[len(folder) :]).as_posix()
    return None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _distribution(below: str) -> Distribution:
    top = below.partition("/")[0].removesuffix(".py")
    names = _distributions().get(top, [])
    if len(names) > 1:
        # A namespace shared by several distributions: the one that lists the file.
        names = [name for name in names if _lists(name, below)] or names
    if not names:
        return Distribution(top, None)
    return Distribution(names[0], metadata.version(names[0]))


def _lists(name: str, below: str) -> bool:
    return any(file.as_posix() == below for file in metadata.files(name) or ())


def _as_typed(path: Path) -> str:
    if path.is_relative_to(START_DIRECTORY):
        return path.relative_to(START_DIRECTORY).as_posix()
    home = Path("~").expanduser()
    if path.is_relative_to(home):
        return (Path("~") / path.relative_to(home)).as_posix()
    return path.as_posix()


def _below_project(path: Path) -> str:
    root = _project_root(path.parent)
    if root is None:
        root = START_DIRECTORY if path.is_relative_to(START_DIRECTORY) else path.parent
    return path.relative_to(root).as_posix()


@lru_cache(maxsize=1024)
def _project_root(folder: Path) -> Path | None:
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _PROJECT_MARKS):
            return candidate
    return None
