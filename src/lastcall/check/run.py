"""The checker's entry: paths and a configuration in, findings out. Reads files; runs and prints nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from .cache import FactsCache, load_result, store_result, tag
from .config import CheckConfig
from .files import Found, Tree, find_files
from .finding import Result
from .ignored import Patterns
from .matchers import match
from .needles import first_needles, learned_needles
from .ownership.analysis import Analysis, analyse
from .ownership.known import Known, load_known
from .ownership.program import Program, SourceFile
from .rules import selected_codes
from .scan import Scan
from .write_up import write_up

__all__ = ["run"]

MAX_ROUNDS = 4
"""Times that names learned from some files are looked for in the others."""


def run(
    paths: Sequence[str | Path],
    config: CheckConfig | None = None,
    *,
    cache: Path | None = None,
    jobs: int = 0,
) -> Result:
    """
    Check the Python files at and below *paths* as one project.

    Args:
        paths: Files and directories; a file that is named is checked whatever its ending, unless excluded.

        config: The project's settings; None for the defaults.

        cache: Directory to keep facts in between runs; None to keep none. It is made if it is missing.

        jobs: Processes to parse in; 0 to decide by the size of the project.

    Returns:
        Findings of the selected rules, of every confidence: showing those of `config.confidence` and above,
        ignore comments and the baseline are the caller's.

    Raises:
        ConfigError: If a model is asked for that there is not.

        UnknownRuleError: If `select`, `ignore` or `severity` name a rule that there is not.
    """
    config = config or CheckConfig()
    codes = selected_codes(config.select, config.ignore)
    tree = find_files(paths, config)
    key = _key(tree, config)
    if cache is not None:
        kept = load_result(cache, key)
        if kept is not None:
            return kept
    facts = FactsCache(cache, "\n".join(sorted(str(path) for path in paths)))
    scan = Scan(tree.files, facts, jobs)
    analysis = _analyse(scan, config, load_known(config))
    result = write_up(match(analysis), analysis, tree, scan, config, codes)
    facts.store()
    if cache is not None:
        store_result(cache, key, result)
    return result


def _analyse(scan: Scan, config: CheckConfig, known: Known) -> Analysis:
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
    asked = {name for verdict in analysis.verdicts for _, _, name in verdict.reach.foreign}
    for verdict in analysis.verdicts:
        for keep in verdict.reach.keeps:
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


def _key(tree: Tree, config: CheckConfig) -> str:
    """Return what a kept result has to agree with: every file's time and size, and the settings."""
    digest = hashlib.sha256(f"{tag()}{config!r}".encode("utf-8", "surrogatepass"))
    for file in tree.files:
        digest.update(_line(file).encode("utf-8", "surrogatepass"))
    for problem in tree.problems:
        digest.update(str(problem).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _line(file: Found) -> str:
    return f"{file.shown}\0{file.module}\0{file.stamp[0]}\0{file.stamp[1]}\n"
