"""The work of a run: from files to findings, when no kept result will do."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cache import FactsCache
from .config import CheckConfig
from .files import Tree
from .finding import Result
from .ignored import Patterns
from .matchers import match
from .needles import first_needles, learned_needles
from .ownership.analysis import Analysis, analyse
from .ownership.known import Known, load_known
from .ownership.program import Program, SourceFile
from .scan import Scan
from .write_up import write_up

__all__ = ["analyse_project", "check_project"]

MAX_ROUNDS = 4
"""Times that names learned from some files are looked for in the others."""


def check_project(
    tree: Tree, config: CheckConfig, codes: frozenset[str], *, cache: Path | None, name: str, jobs: int
) -> Result:
    """
    Return what the rules of *codes* find in the files of *tree*.

    Args:
        tree: The files.

        config: The project's settings.

        codes: The rules that apply.

        cache: Directory to keep facts in, or None.

        name: What the project's facts are kept under there.

        jobs: Processes to parse in; 0 to decide by the size of the project.
    """
    with _without_collector():
        facts = FactsCache(cache, name)
        scan = Scan(tree.files, facts, jobs)
        analysis = analyse_project(scan, config, load_known(config))
        result = write_up(match(analysis), analysis, tree, scan, config, codes)
        facts.store()
        return result


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector off the growing forest of syntax trees: half of the time goes there."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def analyse_project(scan: Scan, config: CheckConfig, known: Known) -> Analysis:
    """Read what may matter, judge, and read on for as long as the judgement asks for more."""
    scan.look(first_needles(known))
    analysis = analyse(_program(scan, config), known)
    for _ in range(MAX_ROUNDS):
        if not scan.look(learned_needles(analysis), _modules_asked_for(analysis, scan)):
            break
        analysis = analyse(_program(scan, config), known)
    return analysis


def _program(scan: Scan, config: CheckConfig) -> Program:
    tests = Patterns(config.tests)
    files = [
        SourceFile(file.shown, file.module, scan.facts[file.shown], tests.match_any(file.shown))
        for file in scan.files
        if file.shown in scan.facts
    ]
    return Program(files)


def _modules_asked_for(analysis: Analysis, scan: Scan) -> set[str]:
    """Return the files of the project that sessions were given to or inherit from, and that were not read."""
    modules: dict[str, str] = {file.module: file.shown for file in scan.files}
    accused = [verdict.reach for verdict in analysis.verdicts if verdict.draft is not None]
    asked = {name for reach in accused for _, _, name in reach.foreign}
    for reach in accused:
        for keep in reach.keeps:
            if keep.owner is not None:
                asked.update(analysis.program.foreign_bases.get(keep.owner, ()))
    found = set()
    for name in asked:
        parts = name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            path = modules.get(".".join(parts[:cut]))
            if path is not None:
                found.add(path)
                break
    return found
