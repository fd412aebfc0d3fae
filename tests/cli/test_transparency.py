"""The program does not notice: what it sees and how it ends is as without `lastcall run`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from lastcall.ledger._bootstrap import SEARCH_PATH

from .conftest import HANG, LEAK, Bench, end_of, first_line

TELL = """
    import json, os, signal, sys, threading
    import aiohttp
    from signal import getsignal

    json.dump(
        {
            "name": __name__, "file": __file__, "argv": sys.argv, "path": sys.path,
            "sitecustomize": "sitecustomize" in sys.modules, "package": __package__,
            "loader": type(__loader__).__name__, "finders": len(sys.meta_path),
            "aiohttp": vars(aiohttp.__loader__), "flags": str(sys.flags), "executable": sys.executable,
            "signals": [str(getsignal(number)) for number in (signal.SIGTERM, signal.SIGHUP)],
            "replaced": str(signal.signal(signal.SIGTERM, signal.SIG_DFL)),
            "mask": list(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
            "threads": len(threading.enumerate()), "cwd": os.getcwd(), "group": os.getpgid(0) == os.getpid(),
            "input": sys.stdin.read(),
        },
        sys.stdout,
    )
"""


@pytest.mark.parametrize("arguments", [["tell.py", "--report", "x"], ["-m", "tell", "-m"], ["package"]])
def test_the_program_sees_what_it_would_see_without_us(bench: Bench, arguments: list[str]) -> None:
    """`__main__`, argv, the path, finders, signals and streams are those of a plain run."""
    bench.write("tell.py", TELL)
    bench.write("package/__main__.py", TELL)
    plain = bench.plain(*arguments)
    assert plain.returncode == 0, plain.stderr
    assert bench.run(*arguments).stdout == plain.stdout


def test_a_command_is_run_as_it_is(bench: Bench) -> None:
    """After `--`, any command is run, and what it writes to stdout stays byte for byte."""
    done = bench.run("--", sys.executable, "-c", r"import sys; sys.stdout.buffer.write(bytes(range(128)))")
    assert done.stdout == "".join(map(chr, range(128))).replace("\r\n", "\n").replace("\r", "\n")


ENDINGS = {
    "normal": "",
    "code": "sys.exit(3)",
    "text": "sys.exit('a last word')",
    "exception": "raise LookupError('no such thing')",
    "syntax": "def",
    "os._exit": "os._exit(9)",
    "interrupt": "raise KeyboardInterrupt",
    "atexit": "import atexit; atexit.register(lambda: print('at exit'))",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_exit_code_and_traceback_are_the_programs_own(bench: Bench, ending: str) -> None:
    """Whichever way it ends, code, stdout and stderr are those of a plain run; a report may follow."""
    bench.write("end.py", f"import aiohttp, os, sys\nprint('out')\n{ending}\n")
    plain, watched = bench.plain("end.py"), bench.run("--quiet", "end.py")
    assert (watched.returncode, watched.stdout, watched.stderr) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )


def test_nothing_is_imported_into_a_program_without_aiohttp(bench: Bench) -> None:
    """A program that has nothing to do with aiohttp gets neither aiohttp nor lastcall."""
    bench.write("names.py", "import sys; print([m for m in sys.modules if m in ('aiohttp', 'lastcall')])")
    assert bench.run("names.py").stdout == "[]\n"


def test_an_existing_sitecustomize_still_runs(bench: Bench) -> None:
    """The `sitecustomize` we stand before is run, and is the one the program finds."""
    theirs = bench.write("site/sitecustomize.py", "import builtins; builtins.theirs = __file__\n")
    bench.write("look.py", "import sitecustomize; print(theirs == sitecustomize.__file__, theirs)")
    done = bench.run("look.py", env={"PYTHONPATH": str(theirs.parent)})
    assert done.stdout == f"True {theirs}\n"


def test_aiohttps_own_messages_give_way_to_the_report(bench: Bench) -> None:
    """`Unclosed client session` is not printed beside a report that says more."""
    bench.write("leak.py", LEAK)
    assert "Unclosed client session" in bench.plain("leak.py").stderr
    watched = bench.run("leak.py").stderr
    assert "Unclosed" not in watched
    assert "leak.py:7" in watched


def test_inherited_descriptors_are_passed_on(bench: Bench) -> None:
    """A descriptor opened for the program by the shell arrives, as a make jobserver's must."""
    command = (
        f"{sys.executable} -m lastcall run -- {sys.executable} -c 'import os; os.write(7, b\"x\")' 7>seven"
    )
    with bench.started("sh", "-c", command) as process:
        assert process.wait(30) == 0
    assert (bench.directory / "seven").read_text() == "x"


def test_no_trace_of_the_spool_is_left(bench: Bench) -> None:
    """The temporary directory is as empty as before."""
    bench.write("leak.py", LEAK)
    bench.run("leak.py")
    assert not any(Path(bench.environment["TMPDIR"]).iterdir())


def test_a_fork_brings_no_warning_of_threads(bench: Bench) -> None:
    """The recorder's thread is out of the way at a fork: Python counts threads and warns since 3.12."""
    bench.write(
        "fork.py",
        """
        import asyncio, os, threading, time, warnings
        import aiohttp

        async def open_one():
            global session
            session = aiohttp.ClientSession()

        asyncio.run(open_one())
        spool = os.environ["LASTCALL_SPOOL"]
        deadline = time.monotonic() + 10
        while not any(name.endswith(".json") for name in os.listdir(spool)):
            assert time.monotonic() < deadline
            time.sleep(0.01)

        print(threading.active_count())
        warnings.simplefilter("error")
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        print("forked")
        """,
    )
    done = bench.run("fork.py")
    assert done.stdout == "1\nforked\n", done.stderr


def test_without_a_spool_the_bootstrap_does_nothing(bench: Bench) -> None:
    """A process that kept our PYTHONPATH but not the variable beside it leaves no file and no finder."""
    bench.write("look.py", "import os, sys; print(os.listdir(), 'lastcall' in str(sys.path + sys.meta_path))")
    assert bench.plain("look.py", env={"PYTHONPATH": SEARCH_PATH}).stdout == "['look.py'] False\n"


def test_a_mistake_of_ours_stays_ours(bench: Bench) -> None:
    """When a report cannot be made, output and exit code are the program's own, and a note says why."""
    bench.write(
        "broken.py",
        """
        import sys
        import aiohttp
        import lastcall.ledger._bootstrap.process as process

        def snapshot(**_):
            raise LookupError("a mistake")

        process.snapshot = snapshot
        sys.exit(3)
        """,
    )
    done = bench.run("broken.py")
    assert (done.returncode, done.stderr) == (
        3,
        "lastcall: note: 1 process was not watched: LookupError: a mistake\n",
    )


def test_impatient_ctrl_c_costs_no_report(bench: Bench) -> None:
    """Ctrl-C three times in a row still leaves the file that was asked for."""
    bench.write("hang.py", HANG)
    command = [*bench.lastcall, "run", "--report", "json:report.json", "hang.py"]
    with bench.started(*command, process_group=0) as process:
        first_line(process.stdout)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
        code, _, err = end_of(process)
    assert code == -signal.SIGINT, err
    assert bench.read_report()["sessions"]["opened"] == 1
