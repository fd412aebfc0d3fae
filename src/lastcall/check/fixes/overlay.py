"""A project as it would be, were some of its files different."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lastcall.check.config import CheckConfig
from lastcall.check.files import Found, Tree, find_files
from lastcall.check.finding import Result
from lastcall.check.project import check_project
from lastcall.check.rules import BY_CODE, selected_codes
from lastcall.check.text import encoded

__all__ = ["Overlay"]


class Overlay:
    """Checks a project with other texts in place of some files'; writes nothing to it."""

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
        self.paths = paths
        self.config = config
        self.cache = cache

    def check(self, texts: Mapping[str, str], *, every_rule: bool = False) -> Result:
        """
        Return what is found.

        Args:
            texts: From path, as in `Finding.path`, to the text that stands for the file's.

            every_rule: Whether the rules that are not selected apply, too.
        """
        config = self.config
        codes = frozenset(BY_CODE) if every_rule else selected_codes(config.select, config.ignore)
        name = "overlay\n" + "\n".join(sorted(map(str, self.paths)))
        with tempfile.TemporaryDirectory(prefix="lastcall-") as folder:
            tree = _laid_over(find_files(self.paths, config), texts, Path(folder))
            return check_project(tree, config, codes, cache=self.cache, name=name, jobs=0)


def _laid_over(tree: Tree, texts: Mapping[str, str], folder: Path) -> Tree:
    return Tree([_other(file, texts, folder) for file in tree.files], tree.problems)


def _other(file: Found, texts: Mapping[str, str], folder: Path) -> Found:
    text = texts.get(file.shown)
    if text is None:
        return file
    path = folder / f"{len(list(folder.iterdir()))}.py"
    path.write_bytes(encoded(text))
    state = path.stat()
    return replace(file, path=str(path), stamp=(state.st_mtime_ns, state.st_size))
