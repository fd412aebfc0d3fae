"""A batch from file to file: resumed, stopped, and its output kept in order."""

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lastcall.llm.errors import ConnectionFailedError, LLMError, StatusError, TimedOutError
from lastcall.llm.statistics import Statistics

from .appending import Appender, OutputError
from .driver import Driver, Handle, InOrder, Item
from .intake import Intake
from .places import OutputFile, check_places
from .reading import STDIN, InputError, Pump, count_lines, is_regular, numbered_lines, open_input
from .requests import Requests
from .results import BatchResult
from .resume import Found, read_output, settle

__all__ = ["Job", "JobSettings"]

_WINDOW = 4
"""As in `run_batch`: results for each request under way that may wait for one that is slow."""

_REFUSES_ALL = frozenset({401, 403, 407, 429})
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """What is to be done; see `lastcall llm batch --help`."""

    source: str
    """Path of the input; "-" is stdin."""

    output: str
    """Path of the output; "-" is stdout."""

    errors: str | None = None
    """Path of the file for what failed; None writes that to the output."""

    concurrency: int = 500
    stream: bool = False
    ordered: bool = False
    model: str | None = None
    """Takes the place of each line's own."""

    default_model: str | None = None
    """For lines that name none."""

    params: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    sample: float = 1.0
    give_up_after: int = 0
    """Stop after so many failures in a row that only the server or the key can be the reason of; 0 never."""


class Job:
    """
    One run of a batch: `open`, then `run`, then `finish`; and `close` in any case.

    Args:
        settings: What is to be done.

        note: Called with a sentence for people, without a full stop, when something happens that they should
            know at once.
    """

    def __init__(self, settings: JobSettings, note: Callable[[str], None]) -> None:
        self.settings = settings
        self.note = note
        self.found = Found()
        """What the output held."""
        self.failed = 0
        """Requests and lines that failed in this run."""
        self.stopped: str | None = None
        """Why the run ended before the input did, or None."""
        self.trouble: LLMError | None = None
        """What is wrong with a file, if that ended the run."""
        self._output: OutputFile | None = None
        self._errors: OutputFile | None = None
        self._file: BinaryIO | None = None
        self._driver: Driver | None = None
        self._failed_in_a_row = 0
        self._is_counted = False

    def open(self) -> None:
        """
        Look at every file, mend the output's end, and read what it holds.

        Raises:
            RequestError: If two of the files are one.

            InputError, OutputError, ForeignFileError: If one of them cannot be used.
        """
        settings = self.settings
        targets = [("the output", settings.output)]
        if settings.errors is not None:
            targets.append(("the file of errors", settings.errors))
        check_places(settings.source, *targets)
        self._file = open_input(settings.source)
        if settings.errors is not None:
            self._errors = OutputFile(settings.errors)
        self._output = OutputFile(settings.output)
        self.found = self._output.found
        if self._errors is not None:
            self._errors.empty()  # what failed before is tried again
        self.intake = self._make_intake()

    def foresee(self) -> Iterator[Item]:
        """
        Yield what `run` would send, and the lines it would refuse; writes nothing, and mends nothing.

        Raises:
            As `open`; and `InputError` in between.
        """
        settings = self.settings
        if settings.output != STDIN and Path(settings.output).is_file():
            with Path(settings.output).open("rb") as file:
                self.found = read_output(file, settings.output, mend=False)
        self.intake = self._make_intake()
        with open_input(settings.source) as file:
            yield from self.intake.items(numbered_lines(file))

    async def run(self, handle: Handle, statistics: Statistics) -> None:
        """
        Send what is to be sent and write what comes back; returns when all is written, or cannot be.

        What goes wrong with a file is told by `trouble`.
        """
        settings = self.settings
        self.intake.on_done = lambda: statistics.resumed(1)
        sink = _Sink(self._files(), self._cannot_write)
        in_order = InOrder(sink.write, _WINDOW * settings.concurrency) if settings.ordered else None
        self._driver = Driver(
            self._items(),
            handle,
            self._looked_at(in_order or sink.write),
            concurrency=settings.concurrency,
            stream=settings.stream,
            statistics=statistics,
            rooms=sink.rooms if in_order is None else [*sink.rooms, in_order.room],
        )
        threading.Thread(target=self._count, args=(statistics,), name="lastcall count", daemon=True).start()
        try:
            await self._driver.run()
        except InputError as error:
            self.trouble = error
        else:
            self._tell_total(statistics)
        finally:
            if in_order is not None:
                in_order.give_up()
            await self._close(sink)

    def stop(self, why: str) -> int:
        """Take up no more and finish what was sent; return how much that is."""
        assert self._driver is not None
        self.stopped = self.stopped or why
        self._driver.stop()
        return self._driver.under_way

    def cut(self, why: str) -> None:
        """Take up no more, and cut off what is under way."""
        assert self._driver is not None
        self.stopped = self.stopped or why
        self._driver.cut()

    def finish(self) -> int:
        """
        Leave of each id one line in the output, if the run has come to its end; return how many lines went.

        Raises:
            OutputError: If that cannot be done; then of each id the last line counts.
        """
        assert self._output is not None
        needed = self.found.superseded or self.intake.supersedes
        if not needed or self.stopped or self.trouble or not self._output.is_regular:
            return 0
        order = self.intake.order
        if os.name == "nt":  # where no file takes the place of one that is open
            self._output.close()
        try:
            return settle(self._output.path, None if order is None else bytes(order))
        except OSError as error:
            problem = f"{self._output.name} cannot be put in order: {error.strerror or error}"
            raise OutputError(f"{problem}; of lines with the same custom_id the last one counts") from error

    def close(self) -> None:
        """Close the files; idempotent."""
        for file in (self._output, self._errors):
            if file is not None:
                file.close()
        # One that is waited for is in the hands of a thread, and closing it would wait too.
        if self._file is not None and is_regular(self._file):
            self._file.close()

    def _files(self) -> tuple[OutputFile, OutputFile | None]:
        assert self._output is not None
        return self._output, self._errors

    def _make_intake(self) -> Intake:
        settings = self.settings
        return Intake(
            Requests(model=settings.model, default_model=settings.default_model, params=settings.params),
            self.found.index,
            limit=settings.limit,
            sample=settings.sample,
            ordered=settings.ordered,
        )

    def _items(self) -> Iterator[Item] | AsyncIterator[Item]:
        assert self._file is not None
        lines = numbered_lines(self._file)
        if is_regular(self._file):
            return self.intake.items(lines)
        return self.intake.items_async(Pump(lines))

    def _count(self, statistics: Statistics) -> None:
        """Find out how many requests there are, where that is quick; runs in a thread."""
        lines = count_lines(self.settings.source)
        if lines is not None and not self._is_counted:
            lines = round(lines * self.settings.sample)
            statistics.total = lines if self.settings.limit is None else min(lines, self.settings.limit)

    def _tell_total(self, statistics: Statistics) -> None:
        """Tell how many requests there were, now that all are known."""
        if not self.stopped:
            self._is_counted = True
            statistics.total = self.intake.taken

    def _looked_at(self, deliver: Callable[[BatchResult], None]) -> Callable[[BatchResult], None]:
        def look_and_deliver(result: BatchResult) -> None:
            if result.error is None:
                self._failed_in_a_row = 0
            else:
                self._look_at(result.error)
            deliver(result)

        return look_and_deliver

    def _look_at(self, error: LLMError) -> None:
        self.failed += 1
        if not _is_the_servers(error):
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row == self.settings.give_up_after and self.stopped is None:
            reason = f"gave up after {self._failed_in_a_row:,} failures in a row; the last one: {error}"
            self.stop(reason)
            self.note(reason)

    def _cannot_write(self, name: str, error: OSError) -> None:
        count = self.stop(f"{name} could not be written")
        self.note(
            f"{name} cannot be written: {error.strerror or error}; nothing more is sent, and what is"
            f" under way ({count:,}) is waited for, in case there is room again by then"
        )

    async def _close(self, sink: "_Sink") -> None:
        try:
            await sink.close()
        except OutputError as error:
            self.trouble = error


class _Sink:
    """Where results go: to the output, and those that failed to a file of their own if there is one."""

    def __init__(
        self, files: tuple[OutputFile, OutputFile | None], on_failure: Callable[[str, OSError], None]
    ) -> None:
        self.rooms: list[asyncio.Event] = []
        self._appenders: list[Appender] = []
        for file in filter(None, files):
            self.rooms.append(room := asyncio.Event())
            tell = functools.partial(on_failure, file.name)
            self._appenders.append(Appender(file.fd, file.name, on_failure=tell, room=room))

    def write(self, result: BatchResult) -> None:
        """Have a result written."""
        self._appenders[0 if result.error is None else -1].write(result.as_line())

    async def close(self) -> None:
        """Write what waits; raises the first `OutputError`, with the lines of both."""
        failures = []
        for appender in self._appenders:
            try:
                await appender.close()
            except OutputError as error:
                failures.append(error)
        if failures:
            failures[0].lines = sum(error.lines for error in failures)
            raise failures[0]


def _is_the_servers(error: LLMError) -> bool:
    """Tell whether an error is one that every request must meet: no server, or a key it does not take."""
    if isinstance(error, StatusError):
        return error.status is not None and (error.status in _REFUSES_ALL or error.status >= _SERVER_ERRORS)
    return isinstance(error, ConnectionFailedError | TimedOutError)
