"""
Run a program as a child whose signals are ours to pass on, where there are such signals.

The program is in our own process group. What the terminal sends (Ctrl-C, Ctrl-Z, hanging up) reaches the
whole group, so the program has it already; what another process sends reached only us, and is passed on. One
case cannot be told apart: a signal that another process sends to the *group* reaches the program twice.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._program import CannotExecuteError, Ended, Program

assert sys.platform != "win32"

__all__ = ["run_in_group"]

_FROM_THE_KEYBOARD = {signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP}
# SIGSTOP is not among them: whoever sends that to one process will continue this one, and not us.
_JOB_CONTROL = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def run_in_group(
    program: Program, environment: Mapping[str, str], tick_s: float | None, on_tick: Callable[[], None]
) -> Ended:
    """Do what `run_program` says; it explains the arguments."""
    watched = signal.valid_signals()
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # Whoever ignores SIGCHLD never learns how a child ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Blocked before the start: from its first moment on, no signal meant for the program is lost.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        pid = _spawn(program, environment, before)
        code = _wait(pid, watched, tick_s, on_tick)
        at = time.time()
        _make_impatient(watched)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Ended(pid, code, at)


@dataclass(frozen=True, slots=True)
class _Signal:
    number: int
    """Which."""
    sender: int | None
    """The process that sent it to us; None if the system did, so that the group has it."""


def _spawn(program: Program, environment: Mapping[str, str], mask: set[signal.Signals | int]) -> int:
    # Unlike subprocess, this passes on descriptors we inherited (a make jobserver, a systemd socket).
    try:
        return os.posix_spawn(
            program.file,
            program.argv,
            environment,
            setsigmask=mask,
            # Python ignores them in itself, and would have a child inherit that.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    except OSError as error:
        raise CannotExecuteError(f"cannot start {program.argv[0]!r}: {error.strerror}") from error


def _wait(pid: int, watched: set[signal.Signals], tick_s: float | None, on_tick: Callable[[], None]) -> int:
    while True:
        arrived = _receive(watched, tick_s)
        if arrived is None:
            on_tick()
        elif arrived.number == signal.SIGCHLD:
            code = _follow(pid)
            if code is not None:
                return code
        elif arrived.sender not in (None, pid):
            # (What the program itself sent to its group, or to its parent, was not meant for it.)
            os.kill(pid, arrived.number)


def _follow(pid: int) -> int | None:
    """Return the program's exit code if it has ended; if it has stopped, stop as well."""
    while True:
        changed, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if changed == 0:
            return None
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        if os.WSTOPSIG(status) in _JOB_CONTROL:
            _stop(os.WSTOPSIG(status))


def _stop(number: int) -> None:
    # The shell watches us, not the program. Its `fg` then sends SIGCONT, which is passed on as
    # any signal from a process is.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})


if sys.platform == "linux":

    def _receive(watched: set[signal.Signals], limit_s: float | None) -> _Signal | None:
        info = signal.sigwaitinfo(watched) if limit_s is None else signal.sigtimedwait(watched, limit_s)
        if info is None:
            return None
        # Positive codes are the kernel's; the pid would not do, it is 0 across pid namespaces.
        return _Signal(info.si_signo, info.si_pid if info.si_code <= 0 else None)

    def _drain(watched: set[signal.Signals]) -> None:
        while signal.sigtimedwait(watched, 0) is not None:
            pass

else:

    def _receive(watched: set[signal.Signals], limit_s: float | None) -> _Signal | None:
        # macOS tells neither who sent a signal nor has it a wait with a limit.
        if limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, limit_s)
        number = signal.sigwait(watched)
        if limit_s is not None and number == signal.SIGALRM:
            return None
        return _Signal(number, None if number in _FROM_THE_KEYBOARD else 0)

    def _drain(watched: set[signal.Signals]) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        while waiting := signal.sigpending() & watched:
            signal.sigwait(waiting)


def _make_impatient(watched: set[signal.Signals]) -> None:
    # What still waits in the queue was meant for the program.
    _drain(watched)
    for number in _INTERRUPTIONS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
