"""One delivery and its handlers: each isolated, with a deadline, and tried again on its own."""

import asyncio
import copy
import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .event import Event, PayloadError, parse_event
from .inbox import Delivery, HandlerRecord, Inbox, InboxError, State, Verdict
from .router import Failure, Handler, Router
from .tally import Tally

__all__ = ["Handling", "Limits"]

_ERROR_CHARACTERS = 500
_URL = re.compile(r"(https?://)(?:[^/@\s]*@)?([^\s?#'\"]*)(?:[?#][^\s'\"]*)?")

_log = logging.getLogger("lastcall.github")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how often a handler is tried. Durations in seconds."""

    deadline_s: float = 300.0
    """For one run; then it is cancelled, which counts as a failure."""

    cancel_s: float = 5.0
    """For a cancelled handler to end; then it is left to itself and its place is given to another."""

    attempts_max: int = 5
    """Failures after which a handler's delivery is dead."""

    wait_initial_s: float = 10.0
    """Before the second attempt; four times as long before each further one."""

    wait_max_s: float = 3600.0

    def delay(self, failures: int) -> float:
        """Return seconds to wait after that many failures, with jitter of a half."""
        longest: float = min(self.wait_max_s, self.wait_initial_s * 4 ** min(failures - 1, 20))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


@dataclass(frozen=True, slots=True)
class Handling:
    """What it takes to handle a delivery."""

    inbox: Inbox
    router: Router
    github_for: Callable[[Event], Awaitable[Any]]
    tally: Tally
    context: Mapping[str, Any]
    limits: Limits

    async def verdict_on(self, delivery: Delivery) -> Verdict:
        """Run the handlers that want *delivery* and have not succeeded with it yet."""
        records = dict(delivery.summary.handlers)
        try:
            event = parse_event(
                delivery.summary.event, delivery.delivery_id, delivery.content_type, delivery.body
            )
        except PayloadError as error:
            # Another attempt would read the same bytes.
            return Verdict(State.DEAD, records, str(error))
        handlers = self.router.handlers(event)
        if not handlers:
            self.tally.count(self.tally.unhandled, event.event)
            return Verdict(State.DONE, records)
        due = {name: handler for name, handler in handlers.items() if not _record(records, name).done}
        await self._run_all(due, event, records)
        return self._verdict(records, [_record(records, name) for name in handlers])

    async def _run_all(
        self, due: Mapping[str, Handler], event: Event, records: dict[str, HandlerRecord]
    ) -> None:
        """Run handlers at once, and enter in *records* how each went, also on disk while others still run."""
        if len(due) == 1:
            ((name, handler),) = due.items()
            records[name] = await self._run(name, handler, event, _record(records, name))
            return
        left = len(due)

        async def run(name: str, handler: Handler) -> None:
            nonlocal left
            own = replace(event, data=copy.deepcopy(event.data))
            records[name] = await self._run(name, handler, own, _record(records, name))
            left -= 1
            if left:
                await self._write_progress(event.delivery_id, records)

        # In a group: when the worker stops and cancels this, all of them are cancelled and waited for.
        async with asyncio.TaskGroup() as group:
            for name, handler in due.items():
                group.create_task(run(name, handler))

    async def _run(self, name: str, handler: Handler, event: Event, record: HandlerRecord) -> HandlerRecord:
        if record.failures:
            event = replace(event, attempt=record.failures + 1)
        error = await self._outcome(handler, event)
        if error is None:
            self.tally.handled["ok"] += 1
            return HandlerRecord(done=True, failures=record.failures)
        failures = record.failures + 1
        final = failures >= self.limits.attempts_max
        self.tally.handled["dead" if final else "failed"] += 1
        _log.warning(
            "%s failed with delivery %s (%s), attempt %d%s",
            name, event.delivery_id, event.event, failures, ", the last" if final else "",
            exc_info=error,
        )  # fmt: skip
        await self._tell(Failure(event, name, error, final))
        return HandlerRecord(done=False, failures=failures, error=_line(error))

    async def _outcome(self, handler: Handler, subject: Event | Failure) -> BaseException | None:
        """Run a handler within its deadline; return what it raised, None if it succeeded."""
        task = asyncio.create_task(self._call(handler, subject))
        try:
            await asyncio.wait({task}, timeout=self.limits.deadline_s)
            if task.done():
                return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=self.limits.cancel_s)
        ignored = "" if task.done() else ", and it went on when it was cancelled"
        return TimeoutError(f"not finished after {self.limits.deadline_s:g} s{ignored}")

    async def _call(self, handler: Handler, subject: Event | Failure) -> BaseException | None:
        event = subject.event if isinstance(subject, Failure) else subject
        try:
            github = await self.github_for(event)
            await handler(subject, github, **self.context)
        except KeyboardInterrupt:
            # Somebody wants the process to end. The delivery stays leased, for the next start to take up.
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler, or a stray CancelledError,
            return error  # is that handler's failure: neither may end the worker, nor pass for a shutdown
        return None

    async def _tell(self, failure: Failure) -> None:
        for handler in self.router.error_handlers:
            error = await self._outcome(handler, failure)
            if error is not None:
                _log.error(
                    "an error handler failed with delivery %s", failure.event.delivery_id, exc_info=error
                )

    async def _write_progress(self, delivery_id: str, records: Mapping[str, HandlerRecord]) -> None:
        try:
            await self.inbox.progress(delivery_id, dict(records))
        except InboxError as error:
            _log.error("how delivery %s goes cannot be written now: %s", delivery_id, error)

    def _verdict(self, records: Mapping[str, HandlerRecord], wanted: list[HandlerRecord]) -> Verdict:
        failed = [record for record in wanted if not record.done]
        if not failed:
            return Verdict(State.DONE, records)
        again = [record.failures for record in failed if record.failures < self.limits.attempts_max]
        if not again:
            return Verdict(State.DEAD, records, failed[-1].error)
        delay = min(self.limits.delay(failures) for failures in again)
        return Verdict(State.QUEUED, records, failed[-1].error, delay)


def _record(records: Mapping[str, HandlerRecord], name: str) -> HandlerRecord:
    return records.get(name) or HandlerRecord()


def _line(error: BaseException) -> str:
    """Return an error in a line, without what may be a secret in the URLs it names."""
    text = _URL.sub(r"\1\2", f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:_ERROR_CHARACTERS]
