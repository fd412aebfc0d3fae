"""Which files are checked: found without following a link twice, respecting .gitignore and `exclude`."""

# ruff: noqa: PTH100, PTH109, PTH110, PTH112, PTH113, PTH116, PTH118, PTH119, PTH120
# Paths are strings in this module: an object for each of thousands of them costs more than looking at them.

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .config import EXCLUDED, CheckConfig
from .finding import Problem
from .ignored import Patterns

__all__ = ["Found", "Tree", "find_files"]

SUFFIXES = (".py", ".pyi", ".pyw")
MAX_FOLDERS = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """One file to check."""

    path: str
    """Where to open it."""

    shown: str
    """As in `Finding.path`."""

    module: str
    is_package: bool
    stamp: tuple[int, int]
    """Time of the last change in nanoseconds, and size in bytes."""


@dataclass
class Tree:
    """What was found below some paths."""

    files: list[Found] = field(default_factory=list)
    """Sorted by path, without doubles."""

    problems: list[Problem] = field(default_factory=list)


def find_files(paths: Sequence[str | Path], config: CheckConfig) -> Tree:
    """
    Return the Python files at and below *paths*.

    Args:
        paths: A file that is named is taken whatever its ending; of directories, what ends in .py, .pyi or
        .pyw.

        config: Says what to leave out.
    """
    finder = _Finder(config)
    for path in paths:
        finder.add(str(path))
    tree = finder.tree
    tree.files.sort(key=lambda file: file.shown)
    tree.problems.sort(key=lambda problem: problem.path)
    return tree


class _Finder:
    """Walks directories, each once."""

    def __init__(self, config: CheckConfig) -> None:
        self.config = config
        self.tree = Tree()
        self.here = os.getcwd()
        self.root = config.root or self.here
        self.excluded = Patterns((*EXCLUDED, *config.exclude))
        self.seen: set[tuple[int, int] | str] = set()
        self.packages: dict[str, str] = {}

    def add(self, path: str) -> None:
        """Take one path of the command line."""
        full = os.path.abspath(path)
        try:
            state = os.stat(full)
        except OSError as error:
            self.tree.problems.append(Problem(path, _reason(error)))
            return
        if os.path.isdir(full):
            self._walk(full)
        else:
            self._file(full, state, self._package(os.path.dirname(full)))

    def _walk(self, top: str) -> None:
        todo: list[tuple[str, list[tuple[str, Patterns]]]] = [(top, self._ignores_above(top))]
        while todo and len(self.seen) < MAX_FOLDERS:
            folder, ignores = todo.pop()
            todo += reversed(self._folder(folder, ignores))

    def _folder(
        self, folder: str, ignores: list[tuple[str, Patterns]]
    ) -> list[tuple[str, list[tuple[str, Patterns]]]]:
        """Take the files of a directory, and return the directories in it."""
        try:
            with os.scandir(folder) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.tree.problems.append(Problem(self.shown(folder), _reason(error)))
            return []
        names = {entry.name for entry in listing}
        if self.config.respect_gitignore and ".gitignore" in names:
            ignores = [*ignores, (folder, _read_patterns(f"{folder}{os.sep}.gitignore"))]
        if "pyvenv.cfg" in names:
            return []
        self.packages.setdefault(folder, self._package(folder) if "__init__.py" in names else "")
        below = []
        for entry in listing:
            if entry.name.endswith(SUFFIXES):
                self._entry(entry, ignores, folder)
            elif self._is_folder(entry) and not self._left_out(entry.path, ignores, is_folder=True):
                below.append((entry.path, ignores))
        return below

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        """Tell whether an entry is a directory not seen yet: a link may lead back up."""
        try:
            if not entry.is_dir():
                return False
            if not entry.is_symlink():
                return True
            real = os.path.realpath(entry.path)
        except OSError:
            return False
        if real in self.seen or os.path.abspath(entry.path).startswith(real + os.sep):
            return False
        self.seen.add(real)
        return True

    def _entry(self, entry: os.DirEntry[str], ignores: list[tuple[str, Patterns]], folder: str) -> None:
        if self._left_out(entry.path, ignores, is_folder=False):
            return
        try:
            if not entry.is_file():
                return
            state = entry.stat()
        except OSError as error:
            self.tree.problems.append(Problem(self.shown(entry.path), _reason(error)))
            return
        self._file(entry.path, state, self.packages[folder])

    def _file(self, full: str, state: os.stat_result, package: str) -> None:
        key = (state.st_dev, state.st_ino)
        if key in self.seen and state.st_ino:
            return
        self.seen.add(key)
        name = os.path.basename(full)
        stem = name.rpartition(".")[0] or name
        is_package = stem == "__init__"
        parts = [part for part in (package, "" if is_package else stem) if part]
        stamp = (state.st_mtime_ns, state.st_size)
        self.tree.files.append(Found(full, self.shown(full), ".".join(parts) or stem, is_package, stamp))

    def _package(self, folder: str) -> str:
        """Return the full name of the package a directory is, "" if it is none."""
        if folder in self.packages:
            return self.packages[folder]
        package = ""
        if os.path.isfile(os.path.join(folder, "__init__.py")):
            above, name = os.path.split(folder)
            outer = self._package(above) if above != folder else ""
            package = f"{outer}.{name}" if outer else name
        self.packages[folder] = package
        return package

    def _left_out(self, full: str, ignores: Iterable[tuple[str, Patterns]], *, is_folder: bool) -> bool:
        if self.excluded.match(_relative(full, self.root), is_folder=is_folder):
            return True
        verdict = False
        for base, patterns in ignores:
            found = patterns.match(_relative(full, base), is_folder=is_folder)
            verdict = verdict if found is None else found
        return verdict

    def _ignores_above(self, top: str) -> list[tuple[str, Patterns]]:
        """Return the patterns of the .gitignore files above a directory, up to its repository's root."""
        found: list[tuple[str, Patterns]] = []
        folder = top
        while self.config.respect_gitignore and not os.path.exists(os.path.join(folder, ".git")):
            above = os.path.dirname(folder)
            if above == folder:
                return []
            found.append((above, _read_patterns(os.path.join(above, ".gitignore"))))
            folder = above
        return [entry for entry in reversed(found) if entry[1]]

    def shown(self, full: str) -> str:
        """Return a path as it is shown: relative to where the check started, if it lies below."""
        below = self.here.rstrip(os.sep) + os.sep
        path = full.removeprefix(below)
        return path.replace(os.sep, "/")


def _relative(full: str, base: str) -> str:
    below = base.rstrip(os.sep) + os.sep
    path = full[len(below) :] if full.startswith(below) else os.path.basename(full)
    return path.replace(os.sep, "/") if os.sep != "/" else path


def _read_patterns(path: str) -> Patterns:
    try:
        return Patterns(Path(path).read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return Patterns(())


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
