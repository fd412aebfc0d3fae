"""`lastcall check`: find the lifetime bugs of sessions in source, before they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastcall.check.finding import Confidence
from lastcall.check.output import FORMS

from ._check_run import Check, Settings, read_config
from ._terminal import color_option

if TYPE_CHECKING:
    from ._check_baseline import KnownFindings

__all__ = ["command"]


@click.command("check", context_settings={"max_content_width": 88})
@click.option(
    "--select",
    "select",
    metavar="RULES",
    multiple=True,
    help="Only these rules: codes, names, or beginnings such as LC00.",
)
@click.option("--ignore", metavar="RULES", multiple=True, help="Not these rules.")
@click.option(
    "--confidence",
    type=click.Choice(["high", "medium"]),
    help="Show what is at least this sure. Default: the project's setting, else high.",
)
@click.option(
    "--output-format",
    "form",
    type=click.Choice(FORMS),
    default="full",
    show_default=True,
    help="How findings are written.",
)
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write findings to this file instead of stdout.",
)
@click.option("--statistics", is_flag=True, help="Count findings by rule instead of listing them.")
@click.option(
    "--baseline",
    metavar="FILE",
    help="Known findings, by fingerprint: only others are told, and fail. An entry goes when it is mended.",
)
@click.option(
    "--update-baseline", is_flag=True, help="Write what is found to the baseline, and fail on nothing."
)
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, in the files; tell the rest.")
@click.option(
    "--unsafe-fixes", is_flag=True, help="With --fix or --diff: also what may change what the program does."
)
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when there are findings.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write .lastcall_cache.")
@click.option("--quiet", is_flag=True, help="Print findings only.")
@color_option
@click.argument("paths", nargs=-1, type=click.Path())
def command(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    confidence: Confidence | None,
    baseline: str | None,
    *,
    update_baseline: bool,
    no_cache: bool,
    watch: bool,
    **options: object,
) -> int:
    """
    Find aiohttp sessions that nobody closes, in source: which line opens one, who keeps it, and what to do.

    Reads the Python files at and below PATHS (default: this directory) as one project, what .gitignore
    and the setting `exclude` name left out. Nothing is imported or run. Settings stand in pyproject.toml,
    under [tool.lastcall.check].

    \b
    Examples:
      lastcall check
      lastcall check src tests --confidence medium
      lastcall check --select LC001,LC002 --output-format concise
      lastcall check --diff
      lastcall check --output-format sarif --output-file lastcall.sarif

    \b
    Exit codes:
      0  nothing found
      1  findings
      2  wrong use, or nothing could be read
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    if options["unsafe_fixes"] and not (options["fix"] or options["diff"]):
        raise click.UsageError("--unsafe-fixes goes with --fix or --diff")
    if watch and (options["fix"] or options["diff"]):
        raise click.UsageError("--watch goes with neither --fix nor --diff")

    def settings() -> Settings:
        config = read_config(paths, select, ignore, confidence)
        return Settings(
            paths=paths or (".",),
            config=config,
            cache=None if no_cache else Path(config.root or ".") / ".lastcall_cache",
            known=_known(baseline, update=update_baseline),
            **options,  # type: ignore[arg-type]
        )

    if watch:
        from ._check_watch import watch as watch_files  # noqa: PLC0415

        return watch_files(settings)
    return Check(settings()).once()


def _known(baseline: str | None, *, update: bool) -> KnownFindings | None:
    if baseline is None and not update:
        return None
    from ._check_baseline import KnownFindings  # noqa: PLC0415 (a check shall start quickly)

    return KnownFindings.read(baseline, update=update)
