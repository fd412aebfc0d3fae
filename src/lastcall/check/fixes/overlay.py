"""A project as it would be, were some of its files different."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lastcall.check.cache import FactsCache
from lastcall.check.config import CheckConfig
from lastcall.check.facts.extract import UnreadableError, extract
from lastcall.check.files import Found, Tree, find_files
from lastcall.check.finding import Problem, Result
from lastcall.check.matchers import match
from lastcall.check.needles import contains
from lastcall.check.ownership.analysis import Analysis
from lastcall.check.ownership.known import load_known
from lastcall.check.project import analyse_project
from lastcall.check.rules import BY_CODE, selected_codes
from lastcall.check.scan import COMMENTS, Scan
from lastcall.check.text import encoded
from lastcall.check.write_up import write_up

__all__ = ["Overlay"]

Value = TypeVar("Value")


class Overlay:
    """
    Checks a project again and again, with other texts in place of some files'; writes nothing to it.

    The files themselves are read once: what changes on disk afterwards is not seen.
    """

    def __init__(
        self, paths: Sequence[str | Path], config: CheckConfig, *, cache: Path | None = None
    ) -> None:
        """
        Take a project.

        Args:
            paths: As for `lastcall.check.run`.

            config: Likewise.

            cache: Directory to keep facts in between checks, or None.
        """
        self.config = config
        self._known = load_known(config)
        self._tree = find_files(paths, config)
        self._facts = FactsCache(cache, "\n".join(sorted(str(path) for path in paths)))
        self._scan = Scan(self._tree.files, self._facts, 0)
        self._is_read = False

    def check(self, texts: Mapping[str, str], *, every_rule: bool = False) -> Result:
        """
        Return what is found.

        Args:
            texts: From path, as in `Finding.path`, to the text that stands for the file's.

            every_rule: Whether the rules that are not selected apply, too.
        """
        config = self.config
        codes = frozenset(BY_CODE) if every_rule else selected_codes(config.select, config.ignore)
        if texts and not self._is_read:
            # Facts of the files as they are, to be kept for other runs.
            self._read()
        data = {file: encoded(texts[file.shown]) for file in self._tree.files if file.shown in texts}
        with self._instead(data), tempfile.TemporaryDirectory(prefix="lastcall-") as folder:
            analysis = self._read()
            tree = _laid_over(self._tree, data, Path(folder))
            result = write_up(match(analysis), analysis, tree, self._scan, config, codes)
        marked = {file.shown for file in data if contains(data[file], COMMENTS)}
        others = set(result.commented) - {file.shown for file in data}
        return replace(result, commented=tuple(sorted(marked | others)))

    def _read(self) -> Analysis:
        analysis = analyse_project(self._scan, self.config, self._known)
        if not self._is_read:
            self._facts.store()
            self._is_read = True
        return analysis

    @contextmanager
    def _instead(self, data: Mapping[Found, bytes]) -> Iterator[None]:
        """Let files say something else, for a while."""
        facts, problems = dict(self._scan.facts), dict(self._scan.problems)
        try:
            for file, source in data.items():
                self._scan.facts.pop(file.shown, None)
                self._scan.problems.pop(file.shown, None)
                try:
                    told = extract(source, file.module, is_package=file.is_package)
                except UnreadableError as error:
                    self._scan.problems[file.shown] = Problem(file.shown, str(error))
                else:
                    self._scan.facts[file.shown] = told
            yield
        finally:
            for file in data:
                _restore(self._scan.facts, facts, file.shown)
                _restore(self._scan.problems, problems, file.shown)


def _restore(now: dict[str, Value], before: Mapping[str, Value], key: str) -> None:
    now.pop(key, None)
    if key in before:
        now[key] = before[key]


def _laid_over(tree: Tree, data: Mapping[Found, bytes], folder: Path) -> Tree:
    """Return the tree with copies of what changed, where lines are read from."""
    for number, (_, source) in enumerate(data.items()):
        (folder / str(number)).write_bytes(source)
    paths = {file.shown: str(folder / str(number)) for number, file in enumerate(data)}
    return Tree(
        [replace(file, path=paths[file.shown]) if file.shown in paths else file for file in tree.files],
        tree.problems,
    )
