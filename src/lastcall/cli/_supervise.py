"""Start a program, stay out of its way, and end as it did."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from ._program import CannotExecuteError, Ended, Program

__all__ = ["die_like", "ignore_interruptions", "run_program"]

_INTERRUPTIONS = ("SIGINT", "SIGTERM", "SIGHUP")


def run_program(
    program: Program, environment: Mapping[str, str], *, tick_s: float | None, on_tick: Callable[[], None]
) -> Ended:
    """
    Run *program* to its end.

    Afterwards Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt in this process, so that a report
    nobody wants any more can be cut short in order.

    Args:
        program: What to start.

        environment: Its environment.

        tick_s: Seconds between two calls of *on_tick*; None for no calls.

        on_tick: Called while the program runs.

    Raises:
        CannotExecuteError: If the system refuses to start it.
    """
    if sys.platform == "win32":
        return _run_in_console(program, environment, tick_s, on_tick)
    else:  # noqa: RET505 (so that type checkers see which of the two a platform has)
        from ._posix import run_in_group  # noqa: PLC0415

        return run_in_group(program, environment, tick_s, on_tick)


def ignore_interruptions() -> None:
    """From now on, be disturbed by nothing that ends a command: what is left takes a moment."""
    for name in _INTERRUPTIONS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def die_like(code: int) -> NoReturn:
    """
    End this process as a program with exit code *code* ended: -N means by signal N.

    Raises:
        SystemExit: If it was no signal, or if the signal does not end this process.
    """
    if code >= 0 or sys.platform == "win32":
        sys.exit(code)
    import resource  # noqa: PLC0415 (Windows has none)

    # The program has left its core; a second one, of this process, would only hide it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError):  # SIGKILL has no handler to reset
        signal.signal(-code, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    os.kill(os.getpid(), -code)
    sys.exit(128 - code)


def _run_in_console(
    program: Program, environment: Mapping[str, str], tick_s: float | None, on_tick: Callable[[], None]
) -> Ended:
    """Run *program* on Windows, which has no signals to pass on."""
    try:
        process = subprocess.Popen(program.argv, executable=program.file, env=dict(environment))  # noqa: S603
    except OSError as error:
        raise CannotExecuteError(f"cannot start {program.argv[0]!r}: {error.strerror}") from error
    while True:
        try:
            return Ended(process.pid, process.wait(tick_s), time.time())
        except subprocess.TimeoutExpired:
            on_tick()
        except KeyboardInterrupt:
            # The console has sent it to the program as well, which decides.
            continue
