"""One process under `lastcall run`: what it writes, and when. Begins when aiohttp has been imported."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from typing import Any, NoReturn

from lastcall.ledger.silence import silence_unclosed_messages
from lastcall.ledger.spool import Entry, Options, Spool
from lastcall.ledger.watch import current, snapshot, watch

from .first_session import call_at_first_session
from .recorder import Recorder
from .signals import write_before_dying

__all__ = ["begin"]

_PATIENCE = 5


def begin(directory: str) -> Callable[[], None]:
    """
    Watch this process, and the children it forks, from now on.

    Args:
        directory: The spool of this `lastcall run`.

    Returns:
        What is to be called as the last thing in the process.

    Raises:
        OSError: If the spool is gone.
    """
    spool = Spool(directory)
    process = _Process(spool, spool.options())
    watch(process.options.level, history=process.options.history)
    silence_unclosed_messages()
    process.stand_at_every_exit()
    process.record_from_first_session()
    return process.end


class _Process:
    """Writes what this process knows into the spool; after a fork, the child's copy does so for the child."""

    def __init__(self, spool: Spool, options: Options) -> None:
        self.options = options
        self._spool = spool
        self._name = _unique_name()
        self._recorder = Recorder(self.write_state, options.period)
        self._was_recording = False
        self._keeps_history = options.history

    def stand_at_every_exit(self) -> None:
        """Be called at the exits of a process that run no `atexit`, and at forks."""
        write_before_dying(self.write_last)
        os._exit = _after(self.end, os._exit)  # type: ignore[assignment]
        for name in ("execv", "execve"):
            if hasattr(os, name):
                setattr(os, name, self._round_exec(getattr(os, name)))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._pause,
                after_in_parent=self._go_on,
                after_in_child=self._begin_as_child,
            )

    def write_state(self) -> None:
        """Write what would be said if the process died now, and what is to be said if it does not."""
        self._write(ended=False)

    def write_last(self) -> None:
        """Write what is known at the end."""
        self._recorder.stop()
        self._write(ended=True)

    def _write(self, *, ended: bool) -> None:
        try:
            live = None if ended else snapshot(idle_after=self.options.idle_after)
            sites = _sites() if self.options.sites and not ended else ()
            self._spool.write(
                self._name, Entry(ended=ended, report=snapshot(ended=True), live=live, sites=sites)
            )
            if self._keeps_history:
                self._write_history(ended=ended)
        except Exception as error:  # noqa: BLE001 (a mistake of ours is no business of the program's)
            self._spool.note(os.getpid(), f"{type(error).__name__}: {error}")

    def _write_history(self, *, ended: bool) -> None:
        # Only an HTML report needs it, and every process pays for what is imported at its head.
        from lastcall.ledger.history import current_book, recorded_of  # noqa: PLC0415

        book = current_book()
        if book is not None:
            try:
                self._spool.write_history(self._name, recorded_of(book, is_over=ended))
            except OSError:
                # Of what was written some may be missing, so nothing can come after it.
                self._keeps_history = False

    def end(self) -> None:
        """Write the last report even under a second and third Ctrl-C: the process is at its end."""
        for _ in range(_PATIENCE):
            with contextlib.suppress(KeyboardInterrupt):
                self.write_last()
                return

    def record_from_first_session(self) -> None:
        """Keep the spool up to date while the process lives, from when there is something to tell."""
        call_at_first_session(self._recorder.start)

    def _pause(self) -> None:
        self._was_recording = self._recorder.is_running
        self._recorder.stop()

    def _go_on(self) -> None:
        if self._was_recording:
            self._recorder.start()

    def _begin_as_child(self) -> None:
        self._name = _unique_name()
        self.record_from_first_session()

    def _round_exec(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(execute)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self._pause()
            self.write_last()
            try:
                return execute(*args, **kwargs)
            except BaseException:
                # There is no such program, and this one goes on.
                self.write_state()
                self._go_on()
                raise

        return wrapper


def _sites() -> tuple[dict[str, Any], ...]:
    # Only --serve needs it, and every process pays for what is imported at its head.
    from lastcall.ledger.live import KEPT, collect  # noqa: PLC0415

    book, _ = current()
    return tuple(site.to_json() for site in collect(book)[:KEPT]) if book is not None else ()


def _unique_name() -> str:
    # exec keeps the number of the process, so that alone would not do.
    return f"{os.getpid()}-{time.time_ns():x}"


def _after(first: Callable[[], None], function: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    @functools.wraps(function)
    def wrapper(status: int) -> NoReturn:
        first()
        function(status)

    return wrapper
