"""The checker's entry: paths and a configuration in, findings out. Reads files; runs and prints nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from .cache import load_result, store_result, tag
from .config import CheckConfig
from .files import Found, Tree, find_files
from .finding import Result
from .rules import selected_codes

__all__ = ["run"]


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
    # Imported here: a project that did not change is answered without the engine.
    from .project import check_project  # noqa: PLC0415

    name = "\n".join(sorted(str(path) for path in paths))
    result = check_project(tree, config, codes, cache=cache, name=name, jobs=jobs)
    if cache is not None:
        store_result(cache, key, result)
    return result


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
