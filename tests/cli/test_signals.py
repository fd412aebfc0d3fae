"""Signals: they reach the program once, it may handle them, and the command ends as it did."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import HANG, LIMIT, NAMED_SIGNALS, Bench, end_of, first_line


@pytest.mark.parametrize("number", NAMED_SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("target", ["command", "program"])
def test_a_signal_ends_both_and_the_report_is_made(bench: Bench, number: signal.Signals, target: str) -> None:
    """Whether it is sent to the command or to the program, both die of it, after the last report."""
    bench.write("hang.py", HANG)
    command = [*bench.lastcall, "run", "--report", "json:report.json", "hang.py"]
    with bench.started(*command) as process:
        program = int(first_line(process.stdout))
        os.kill(process.pid if target == "command" else program, number)
        code, _, _ = end_of(process)
    assert code == -number
    report = bench.read_report()
    assert report["sessions"]["leaked"] == 1
    assert report["processes"][0]["state"] == "ended"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGUSR1], ids=lambda n: n.name)
def test_other_deadly_signals_end_the_command_alike(bench: Bench, number: signal.Signals) -> None:
    """A signal that is none of ours kills the program, and then the command, with its name."""
    bench.write("hang.py", HANG)
    with bench.started(*bench.lastcall, "run", "hang.py") as process:
        os.kill(int(first_line(process.stdout)), number)
        code, _, _ = end_of(process)
    assert code == -number


HANDLES = """
    import os, signal, sys, time
    import aiohttp

    count = 0

    def handle(number, frame):
        global count
        count += 1

    before = signal.signal(signal.SIGTERM, handle)
    assert before is signal.SIG_DFL, before
    assert signal.getsignal(signal.SIGTERM) is handle
    print(os.getpid(), flush=True)
    while not count:
        time.sleep(0.01)
    time.sleep(0.1)
    assert signal.signal(signal.SIGTERM, before) is handle
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    print(count)
    sys.exit(5)
"""


def test_a_program_handles_sigterm_itself_and_once(bench: Bench) -> None:
    """Its handler runs for the signal that was sent to the command, one time, and its exit code counts."""
    bench.write("handles.py", HANDLES)
    with bench.started(*bench.lastcall, "run", "handles.py") as process:
        first_line(process.stdout)
        process.send_signal(signal.SIGTERM)
        code, out, err = end_of(process)
    assert (code, out) == (5, "1\n"), err


def test_what_the_program_sends_to_its_group_is_not_sent_back(bench: Bench) -> None:
    """`os.killpg` by the program reaches its own handler once, and does not end the command."""
    bench.write(
        "group.py",
        """
        import os, signal, time
        import aiohttp

        caught = []
        signal.signal(signal.SIGTERM, lambda *_: caught.append(1))
        os.killpg(0, signal.SIGTERM)
        time.sleep(0.2)
        print(len(caught))
        """,
    )
    with bench.started(*bench.lastcall, "run", "group.py", start_new_session=True) as process:
        code, out, err = end_of(process)
    assert (code, out) == (0, "1\n"), err


def test_an_ignored_signal_stays_ignored(bench: Bench) -> None:
    """Under nohup, the program finds SIGHUP ignored as it would without us."""
    bench.write("look.py", "import aiohttp, signal; print(signal.getsignal(signal.SIGHUP).name)")
    with bench.started("nohup", *bench.lastcall, "run", "look.py") as process:
        assert end_of(process)[1] == "SIG_IGN\n"


def test_asyncio_signal_handlers_work_and_go_without_trace(bench: Bench) -> None:
    """`loop.add_signal_handler` is obeyed; after its removal SIGTERM ends the process, with a report."""
    bench.write(
        "loop.py",
        """
        import asyncio, os, signal
        import aiohttp

        async def main():
            global session
            session = aiohttp.ClientSession()
            loop, came = asyncio.get_running_loop(), asyncio.Event()
            loop.add_signal_handler(signal.SIGTERM, came.set)
            print(os.getpid(), flush=True)
            await came.wait()
            loop.remove_signal_handler(signal.SIGTERM)
            print("handled", flush=True)
            signal.raise_signal(signal.SIGTERM)

        asyncio.run(main())
        """,
    )
    with bench.started(*bench.lastcall, "run", "--report", "json:report.json", "loop.py") as process:
        first_line(process.stdout)
        process.send_signal(signal.SIGTERM)
        code, out, err = end_of(process)
    assert (code, out) == (-signal.SIGTERM, "handled\n"), err
    assert bench.read_report()["processes"][0]["state"] == "ended"


UVICORN = """
    import aiohttp
    import uvicorn

    async def app(scope, receive, send):
        global session
        while (await receive())["type"] == "lifespan.startup":
            session = aiohttp.ClientSession()
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            print("ready", flush=True)

    Server(uvicorn.Config(app, port=0)).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_uvicorn_shuts_down_and_is_reported(bench: Bench, number: signal.Signals) -> None:
    """The server ends in order with the code of a plain run, though it dies by the signal it raises again."""
    bench.write("serve.py", UVICORN)
    codes = []
    for command in (
        [sys.executable, "serve.py"],
        [*bench.lastcall, "run", "--report", "json:report.json", "serve.py"],
    ):
        with bench.started(*command) as process:
            first_line(process.stdout)
            process.send_signal(number)
            code, _, err = end_of(process)
        assert "Application shutdown complete" in err
        codes.append(code)
    assert codes[0] == codes[1]
    assert bench.read_report()["sessions"]["leaked"] == 1


class Terminal:
    """A terminal with a command in its foreground."""

    def __init__(self, bench: Bench, *command: str) -> None:
        self.master, slave = pty.openpty()
        self.text = ""
        os.set_blocking(self.master, False)
        self.process = subprocess.Popen(
            # A shell of its own makes the terminal the controlling one.
            [sys.executable, "-c", _IN_FOREGROUND, *command],
            cwd=bench.directory,
            env=bench.environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.master, keys)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Read until *condition* holds."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, self.text
            self._read()
            time.sleep(0.01)

    def end(self) -> int:
        """Wait for the command, read what is left, and return its exit code."""
        self.wait_for(lambda: self.process.poll() is not None)
        self._read()
        return self.process.returncode

    def _read(self) -> None:
        try:
            self.text += os.read(self.master, 65536).decode()
        except OSError:
            return


_IN_FOREGROUND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_ctrl_c_is_seen_once_and_by_the_program_first(bench: Bench) -> None:
    """A real Ctrl-C gives the program one KeyboardInterrupt; then comes the report, then both are dead."""
    bench.write("hang.py", HANG)
    terminal = Terminal(bench, *bench.lastcall, "run", "hang.py")
    terminal.wait_for(lambda: "\n" in terminal.text)
    terminal.press(b"\x03")
    assert terminal.end() == -signal.SIGINT
    assert terminal.text.count("KeyboardInterrupt") == 2  # raised once, and its name in the traceback
    assert terminal.text.index("KeyboardInterrupt") < terminal.text.index("1 leaked in 1 place")


def test_the_program_has_a_terminal(bench: Bench) -> None:
    """All three streams are the terminal, and a question can be answered."""
    bench.write(
        "ask.py",
        """
        import sys, aiohttp
        print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)])
        print("hello", input("name? "))
        """,
    )
    terminal = Terminal(bench, *bench.lastcall, "run", "ask.py")
    terminal.wait_for(lambda: "name? " in terminal.text)
    terminal.press(b"Ada\n")
    assert terminal.end() == 0
    assert "[True, True, True]" in terminal.text
    assert "hello Ada" in terminal.text


def state_of(pid: int) -> str:
    """Return the letter the system gives a process: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the state of a process from /proc")
def test_a_program_that_stops_stops_the_command_too(bench: Bench) -> None:
    """The shell, which sees only the command, learns that the job is stopped, and continues both."""
    bench.write("hang.py", HANG)
    # In a group of its own, as a shell starts a job: elsewhere the system may ignore SIGTSTP.
    with bench.started(*bench.lastcall, "run", "hang.py", process_group=0) as process:
        program = int(first_line(process.stdout))
        for _ in range(2):
            os.kill(program, signal.SIGTSTP)
            stopped, status = os.waitpid(process.pid, os.WUNTRACED)
            assert stopped == process.pid
            assert os.WIFSTOPPED(status)
            process.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + LIMIT
            while state_of(program) == "T":
                assert time.monotonic() < deadline
                time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert end_of(process)[0] == -signal.SIGTERM
