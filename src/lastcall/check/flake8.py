"""
A flake8 plugin: the rules that need no more than one file, where they are sure.

Who closes a session is often decided in another file, which flake8 does not show to a plugin: `lastcall
check` sees them all, and finds more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lastcall._version import __version__

from .comments import read_ignores
from .config import CheckConfig
from .facts.extract import UnreadableError, extract
from .ignored import Patterns
from .matchers import match
from .needles import contains, first_needles
from .ownership.analysis import analyse
from .ownership.draft import Draft
from .ownership.known import load_known
from .ownership.program import Program, SourceFile
from .rules import selected_codes
from .text import lines_of

__all__ = ["LOCAL", "Plugin"]

LOCAL = frozenset(
    {
        "LC001",
        "LC003",
        "LC005",
        "LC020",
        "LC021",
        "LC031",
        "LC040",
        "LC060",
        "LC061",
        "LC062",
        "LC070",
        "LC071",
    }
)
"""Rules that one file can decide. LC001 is told only of sessions that stay in a variable."""

Told = tuple[int, int, str, type[Any]]
"""Line from 1, column from 0, text that begins with the code, and the plugin."""


class Plugin:
    """What flake8 makes for each file, and runs."""

    name = "lastcall"
    version = __version__

    def __init__(self, tree: ast.AST, filename: str, lines: list[str]) -> None:
        """
        Take a file.

        Args:
            tree: Its syntax tree; its presence tells flake8 what kind of plugin this is.

            filename: Its path, or "stdin".

            lines: Its lines, with their ends.
        """
        del tree
        self.filename = filename
        self.text = "".join(lines)

    def run(self) -> Iterator[Told]:
        """Yield what is found."""
        config = _config(str(Path(self.filename).absolute().parent))
        data = self.text.encode("utf-8", "surrogatepass")
        known = load_known(config)
        if not contains(data, first_needles(known)):
            return
        # The text is decoded already, whatever its first lines say.
        codes = selected_codes(config.select, config.ignore) & LOCAL
        ignores = read_ignores(self.text)
        lines = lines_of(self.text)
        for code, line, column, end_line, message in sorted(set(self._found(data, config, codes, lines))):
            names = {name.code for one in ignores if one.covers(line, end_line) for name in one.names}
            if code not in names:
                yield line, column, f"{code} {message}", type(self)

    def _found(
        self, data: bytes, config: CheckConfig, codes: frozenset[str], lines: list[str]
    ) -> Iterator[tuple[str, int, int, int, str]]:
        path = Path(self.filename)
        try:
            facts = extract(data, path.stem, is_package=path.stem == "__init__")
        except UnreadableError:
            return
        is_test = Patterns(config.tests).match_any(_below(path, config.root))
        program = Program([SourceFile(self.filename, path.stem, facts, is_test)])
        for draft in match(analyse(program, load_known(config))):
            if draft.code in codes and draft.confidence == "high" and not _is_kept(draft):
                before = lines[draft.at.line - 1].encode()[: draft.at.column]
                column = len(before.decode("utf-8", "replace"))
                yield draft.code, draft.at.line, column, draft.at.end_line, draft.message


def _is_kept(draft: Draft) -> bool:
    """Tell whether a session is kept where another file could close it."""
    return draft.code == "LC001" and any(note.message.startswith("kept") for note in draft.notes)


def _below(path: Path, root: str) -> str:
    absolute = path.absolute()
    base = Path(root or ".").absolute()
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else path.name


@cache
def _config(folder: str) -> CheckConfig:
    return CheckConfig.load(Path(folder))
