"""`lastcall run`: run a program unchanged, and name every line that leaks a session."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import click

from lastcall.ledger._bootstrap import SEARCH_PATH, SPOOL_VARIABLE
from lastcall.ledger.report import Report, as_html
from lastcall.ledger.spool import Options, Spool, merge_entries, merge_spooled, wait_for_stragglers

from ._baseline import KnownLeaks
from ._destinations import Destination, parse_destinations, write_reports
from ._live import LiveReports
from ._program import Ended, Form, Program, resolve_program, split_arguments
from ._serve import serve
from ._supervise import die_like, ignore_interruptions, run_program
from ._terminal import ColorChoice, color_option, write_all

__all__ = ["command"]

LEAKED = 70
"""The exit code of a program that itself exited 0, when `--fail-on` found a leak."""

ENDS = {0, -signal.SIGINT, -signal.SIGTERM, 130, 143}
"""Exit codes of a program that came to its end, or was ended as services are."""

FORM_KEY = "lastcall.form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the options of `run` say."""

    destinations: tuple[Destination, ...]
    fail_on: Literal["proof", "scope", "suspicion", "never"]
    known: KnownLeaks | None
    after_s: float | None
    level: Literal["sessions", "responses"]
    serve: str | None
    quiet: bool
    color: ColorChoice


class _RunCommand(click.Command):
    """A command whose options end where the program begins, as Python's own do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        valued = [
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for name in parameter.opts
        ]
        ours, ctx.meta[FORM_KEY], program = split_arguments(args, valued)
        return super().parse_args(ctx, [*ours, "--", *program])

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for program in ("SCRIPT [ARGS]...", "-m MODULE [ARGS]...", "-- COMMAND [ARGS]..."):
            formatter.write_usage(ctx.command_path, f"[OPTIONS] {program}")


@click.command(
    "run", cls=_RunCommand, context_settings={"allow_interspersed_args": False, "max_content_width": 88}
)
@click.option(
    "--report",
    "reports",
    metavar="FORM[:PATH]",
    multiple=True,
    help="text, json or html, to a file if a path is given; else text goes to stderr, json to stdout."
    " May be given again. Default: text.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["proof", "scope", "suspicion", "never"]),
    help="Exit 70 when a leak at least this sure was found and the program exited 0."
    " Default: never; with --baseline, scope.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    help="Known leaks, by fingerprint: only others are told, and fail. An entry goes when its leak is gone.",
)
@click.option(
    "--update-baseline", is_flag=True, help="Write what is found to the baseline, and fail on nothing."
)
@click.option(
    "--after",
    "after_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Tell at once of a leak, or an idle open session, that is older than this.",
)
@click.option(
    "--level",
    type=click.Choice(["sessions", "responses"]),
    default="sessions",
    show_default=True,
    help="With responses, also name the requests whose response is still open.",
)
@click.option(
    "--serve",
    metavar="HOST:PORT",
    help="While the program runs, show its open sessions on a page at this address of this machine;"
    " with port 0, at a free one. It is told on stderr.",
)
@click.option("--quiet", is_flag=True, help="Print nothing when there is nothing to complain of.")
@color_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    reports: tuple[str, ...],
    fail_on: Literal["proof", "scope", "suspicion", "never"] | None,
    baseline: str | None,
    *,
    update_baseline: bool,
    **options: object,
) -> None:
    """
    Run a program unchanged, and name every line that leaks an aiohttp session.

    The program and all Python processes it starts are watched; one report follows when it ends, on
    Ctrl-C and SIGTERM too. Options end where the program begins: what follows is the program's own.

    \b
    Examples:
      lastcall run app.py --port 8080
      lastcall run -m uvicorn app:app
      lastcall run -- python -X dev app.py
      lastcall run --fail-on proof --report json:leaks.json -m pytest
      lastcall run --serve 127.0.0.1:8080 app.py

    \b
    Exit codes:
      the program's own, or the signal it died by, except
      70   it exited 0, and --fail-on found a leak
      2    wrong use: no such script or module, a report that cannot be written, a port in use
      126  the command cannot be executed
      127  the command was not found

    Not watched: processes started with python -I, -E or -S, or with another environment, and Pythons
    before 3.11.
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    destinations = parse_destinations(reports or ["text"])
    program = resolve_program(cast("Form", ctx.meta[FORM_KEY]), words)
    known = KnownLeaks.read(baseline, update=update_baseline)
    settings = Settings(
        destinations=destinations,
        fail_on=fail_on or ("scope" if known is not None else "never"),
        known=known,
        **options,  # type: ignore[arg-type]
    )
    _run(program, settings)


def _run(program: Program, settings: Settings) -> None:
    period = 1.0 if settings.after_s is None else min(1.0, max(0.05, settings.after_s / 4))
    options = Options(
        level=settings.level,
        idle_after=settings.after_s,
        period=period,
        sites=settings.serve is not None,
        history=any(one.form == "html" for one in settings.destinations),
    )
    try:
        spool = Spool.create(options)
    except OSError as error:
        raise click.ClickException(f"no temporary directory can be made: {error.strerror}") from error
    code = 130
    try:
        if settings.serve is not None:
            url = serve(settings.serve, spool, settings.level)
            write_all(sys.stderr, f"lastcall: {url} shows the open sessions while the program runs\n")
        ended = run_program(
            program,
            _environment(spool),
            tick_s=None if settings.after_s is None else period,
            on_tick=_live_reports(spool, settings),
        )
        code = ended.code
        entries = wait_for_stragglers(spool)
        report = merge_entries(entries, main=ended.pid, code=ended.code, ended_at=ended.at)
        notes = _notes(program, spool)
        expired = False
        if settings.known is not None:
            report, told, expired = settings.known.settle(
                report,
                settings.fail_on,
                program=f"run {program.name}",
                is_whole=ended.code in ENDS and report.opened > 0,
            )
            notes += told
        code = _exit_code(ended, report, settings, expired=expired)
        _tell(report, notes, settings, page=lambda: _page(report, program, spool, ended.pid))
    except KeyboardInterrupt:
        pass  # nobody wants to read on
    finally:
        ignore_interruptions()
        spool.remove()
    die_like(code)


def _live_reports(spool: Spool, settings: Settings) -> Callable[[], None]:
    live = LiveReports(settings.after_s or 0.0, lambda text: write_all(sys.stderr, text))
    return lambda: live.look(spool.entries())


def _environment(spool: Spool) -> dict[str, str]:
    # (An empty entry would mean the working directory.)
    path = os.pathsep.join(filter(None, [SEARCH_PATH, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, SPOOL_VARIABLE: str(spool.directory)}


def _exit_code(ended: Ended, report: Report, settings: Settings, *, expired: bool) -> int:
    failed = settings.fail_on != "never" and (expired or report.fails(settings.fail_on))
    return LEAKED if failed and ended.code == 0 else ended.code


def _page(report: Report, program: Program, spool: Spool, main: int) -> str:
    return as_html(report, merge_spooled(spool, main=main), of=program.name)


def _tell(report: Report, notes: list[str], settings: Settings, *, page: Callable[[], str]) -> None:
    """Write the notes and the reports."""
    for note in [*notes, *_fates(report)]:
        write_all(sys.stderr, f"lastcall: note: {note}\n")
    # "None leaked" would be a lie where nothing was watched.
    without_text = _is_clean(report) and (settings.quiet or bool(notes and not report.processes))
    destinations = [one for one in settings.destinations if not (without_text and one.is_for_people)]
    write_reports(report, destinations, settings.color, page=page)


def _is_clean(report: Report) -> bool:
    fresh = any(leak.count > leak.known for leak in report.leaks)
    return not (fresh or report.churn or report.responses or report.pools)


def _notes(program: Program, spool: Spool) -> list[str]:
    """Return what was not watched, and why, one sentence each."""
    if program.blind_option is not None:
        return [f"Python loads no watch with {program.blind_option}: the program was not watched"]
    if not spool.was_seen:
        return ["no Python process was watched: the program started none, or only with -I, -E or -S"]
    reasons = Counter(reason for _, reason in spool.notes())
    return [
        f"{count} process{'es were' if count > 1 else ' was'} not watched: {reason}"
        for reason, count in reasons.items()
    ]


def _fates(report: Report) -> list[str]:
    """Return what became of the one process, if it wrote no last report; of several, the report tells."""
    return [
        f"process {process.pid} ({process.program}): {process.state}"
        for process in report.processes
        if process.state != "ended" and len(report.processes) == 1
    ]
