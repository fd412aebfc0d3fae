"""Runs `lastcall llm batch`: from the files to the summary, with all that is between them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Literal

import click
from rich.console import Console

from lastcall.ledger import report, watch
from lastcall.ledger.report import Report as SessionsReport
from lastcall.ledger.report.words import count
from lastcall.llm.batch.appending import OutputError
from lastcall.llm.batch.job import Job
from lastcall.llm.batch.reading import InputError
from lastcall.llm.batch.resume import ForeignFileError
from lastcall.llm.create import create_openai_api_handle_async
from lastcall.llm.errors import RequestError
from lastcall.llm.handle import ChatHandle
from lastcall.llm.report.document import as_json
from lastcall.llm.report.model import Report, make_report
from lastcall.llm.report.text import write_text
from lastcall.llm.statistics import Statistics
from lastcall.llm.timeouts import Timeouts

from ._llm_machine import allow_open_files, loop_factory, tune_garbage_collector
from ._llm_options import BatchOptions, ReportPlace
from ._llm_progress import Progress
from ._llm_stopping import Stopping
from ._terminal import complain, has_color, width_of, write_all

__all__ = ["opened", "run_batch", "say"]

_LIMIT_PERIOD = 0.1
"""Seconds between two looks at a limit that changes."""


def run_batch(options: BatchOptions) -> int:
    """Do what `lastcall llm batch` was asked for, and return its exit code."""
    options = _with_what_the_system_allows(options)
    with ExitStack() as stack:
        job = stack.enter_context(opened(options))
        servers = options.servers or (stack.enter_context(_embedded(options)),)
        handle = _make_handle(options, servers)
        _tell_what_was_there(job, options)
        tune_garbage_collector()
        stack.enter_context(watch())
        run = _Run(options, job, handle)
        with asyncio.Runner(loop_factory=loop_factory(servers)) as runner:
            runner.run(run.run())
        run.finish()
        _tell(options, run.report(report()), job)
        return run.exit_code


@contextmanager
def opened(options: BatchOptions) -> Iterator[Job]:
    """Open the files of a batch, and close them; what is wrong with them is wrong use."""
    job = Job(options.job, lambda sentence: say(sentence, options))
    try:
        try:
            job.open()
        except (RequestError, InputError, OutputError, ForeignFileError) as error:
            raise click.UsageError(str(error)) from None
        yield job
    finally:
        job.close()


def say(sentence: str, options: BatchOptions) -> None:
    """Tell people something on stderr, unless they asked for quiet."""
    if not options.quiet:
        write_all(sys.stderr, f"lastcall: {sentence}\n")


@contextmanager
def _embedded(options: BatchOptions) -> Iterator[str]:
    """Start the embedded server and say so; give its base URL."""
    from lastcall.testing import OpenAIServer  # noqa: PLC0415 - aiohttp's own server comes with it

    with OpenAIServer(records_max=1000) as server:
        say(
            f"no server was given (--base-url, OPENAI_BASE_URL), so the embedded one answers, at"
            f" {server.base_url}: there is no model behind it",
            options,
        )
        yield server.base_url


def _with_what_the_system_allows(options: BatchOptions) -> BatchOptions:
    wanted = options.job.concurrency
    ends = 1 if options.servers else 2  # the embedded server has the other end of each connection
    allowed = allow_open_files(wanted * ends) // ends
    if allowed >= wanted:
        return options
    write_all(
        sys.stderr,
        f"lastcall: this system allows connections for {allowed:,} requests at once, not {wanted:,}; going on"
        f" with {allowed:,}. To allow more: ulimit -Hn {wanted * ends + 100}, as root or in limits.conf\n",
    )
    return replace(options, job=replace(options.job, concurrency=max(1, allowed)))


def _make_handle(options: BatchOptions, servers: tuple[str, ...]) -> ChatHandle:
    try:
        return create_openai_api_handle_async(
            list(servers),
            # The embedded server is nobody's business to show a key to.
            api_key=None if options.servers else "",
            model=options.job.model or options.job.default_model,
            clear_proxy=not options.env_proxy,
            timeouts=Timeouts(total=options.deadline, attempt=options.timeout),
            max_retries=options.max_retries,
            concurrency=options.job.concurrency if options.adaptive else None,
            rpm=options.rpm,
            tpm=options.tpm,
            adaptive=options.adaptive,
        )
    except RequestError as error:
        raise click.UsageError(error.problem) from None


def _tell_what_was_there(job: Job, options: BatchOptions) -> None:
    name, found = options.job.output, job.found
    if found.torn:
        say(f"{name}: its last line was never finished; its {found.torn:,} bytes were cut off", options)
    if found.lines:
        say(f"{name} has {found.lines:,} lines from before; what they answer is not sent again", options)


class _Run:
    """One run, and what it came to."""

    def __init__(self, options: BatchOptions, job: Job, handle: ChatHandle) -> None:
        self._options = options
        self._job = job
        self._handle = handle
        self._statistics = Statistics(limit=options.job.concurrency)
        self._signal: int | None = None

    async def run(self) -> None:
        """Run it, with its progress shown and signals heeded."""
        color, quiet = self._options.color, self._options.quiet
        console = Console(
            stderr=True,
            quiet=quiet,
            force_terminal=True if color == "always" else None,
            no_color=True if color == "never" else None,
        )
        with self._statistics, Progress(self._statistics, console) as progress:
            self._job.note = progress.note
            stopping = Stopping(self._job, progress.note)
            with stopping.listening():
                async with self._handle, asyncio.TaskGroup() as beside:
                    following = beside.create_task(self._follow_limit())
                    await self._job.run(self._handle, self._statistics)
                    following.cancel()
            self._statistics.limit = self._options.job.concurrency
            self._signal = stopping.signal

    async def _follow_limit(self) -> None:
        """Keep the statistics told of how many requests the handle lets be under way, where that changes."""
        while self._options.adaptive:
            place = self._handle._place
            limits = [lane.limit or 0 for lane in place.lanes] if place is not None else []
            self._statistics.limit = sum(limits) or self._options.job.concurrency
            await asyncio.sleep(_LIMIT_PERIOD)

    def finish(self) -> None:
        """Put the output in order; say what could not be done."""
        trouble = self._job.trouble
        if trouble is not None:
            complain(str(trouble))
        try:
            self._job.finish()
        except OutputError as error:
            complain(str(error))
            self._job.trouble = error

    @property
    def exit_code(self) -> int:
        """What the command ends with; see its help."""
        if self._signal is not None:
            return 128 + self._signal
        return int(bool(self._job.trouble or self._job.stopped or self._job.failed))

    def report(self, sessions: SessionsReport) -> Report:
        """Return what it came to."""
        ending: Literal["complete", "interrupted", "failed"] = "complete"
        reason = ""
        if self._signal is not None:
            ending, reason = "interrupted", f"stopped by {signal.Signals(self._signal).name}"
        elif self._job.trouble or self._job.stopped:
            ending, reason = "failed", str(self._job.trouble or self._job.stopped)
        return make_report(
            self._statistics, ending=ending, reason=reason, settings=self._options.told, sessions=sessions
        )


def _tell(options: BatchOptions, report: Report, job: Job) -> None:
    """Write the reports and the summary."""
    for place in options.reports:
        _write_report(place, report)
    if not options.quiet:
        text = write_text(report, color=has_color(sys.stderr, options.color), width=width_of(sys.stderr))
        write_all(sys.stderr, text.rstrip("\n") + "\n")
    if job.intake.changed:
        name = f"{options.job.output}.replaced"
        say(f"{count(job.intake.changed, 'request')} had changed; old answers are in {name}", options)
    if report.ending != "complete" or report.failed:
        say("run the same command again to go on: what is answered is not sent again", options)


def _write_report(place: ReportPlace, report: Report) -> None:
    if place.form == "json":
        text = json.dumps(as_json(report), ensure_ascii=False, indent=1) + "\n"
    else:
        from lastcall.llm.report.html import as_html  # noqa: PLC0415 - only where it is asked for

        text = as_html(report)
    try:
        place.path.write_text(text, encoding="utf-8")
    except OSError as error:
        complain(f"the report could not be written to {place.path}: {error.strerror or error}")
