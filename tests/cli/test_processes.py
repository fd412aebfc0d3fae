"""Every process of a program is watched, however it was started and however it ends."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from .conftest import Bench

FAMILY = """
    import asyncio, concurrent.futures, multiprocessing, os, signal, subprocess, sys, time
    import aiohttp

    async def open_one():
        global session
        session = aiohttp.ClientSession()

    def leak(*_):
        asyncio.run(open_one())

    def by_fork():
        if os.fork() == 0:
            leak()
            sys.exit(0)
        os.wait()

    def by_fork_and_exit():
        if os.fork() == 0:
            leak()
            os._exit(0)
        os.wait()

    def by_multiprocessing(method):
        child = multiprocessing.get_context(method).Process(target=leak)
        child.start()
        child.join()
        assert child.exitcode == 0

    def by_pool():
        with concurrent.futures.ProcessPoolExecutor(1) as pool:
            pool.submit(leak).result()

    def by_subprocess():
        subprocess.run([sys.executable, __file__, "pass"], check=True)

    def by_shell():
        assert os.system(f"{sys.executable} {__file__} pass") == 0

    def by_exec():
        os.execv(sys.executable, [sys.executable, __file__, "pass"])

    def by_terminate():
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        child = context.Process(target=lambda: (leak(), ready.set(), time.sleep(60)))
        child.start()
        assert ready.wait(10)
        child.terminate()
        child.join()
        assert child.exitcode == -signal.SIGTERM

    if __name__ == "__main__":
        leak()
        exec(sys.argv[1])
"""

WAYS = [
    "by_fork()",
    "by_fork_and_exit()",
    "by_multiprocessing('fork')",
    "by_multiprocessing('spawn')",
    "by_multiprocessing('forkserver')",
    "by_pool()",
    "by_subprocess()",
    "by_shell()",
    "by_exec()",
    "by_terminate()",
]


@pytest.mark.parametrize("way", WAYS)
def test_a_child_appears_in_the_one_report(bench: Bench, way: str) -> None:
    """The session of a child is counted beside its parent's, at the same line, in two processes."""
    bench.write("family.py", FAMILY)
    report = bench.report("family.py", way)
    assert report["sessions"]["opened"] == 2
    assert [(leak["count"], leak["site"]["line"]) for leak in report["leaks"]] == [(2, 7)]
    assert [process["state"] for process in report["processes"]] == ["ended", "ended"]


def test_a_failed_exec_changes_nothing(bench: Bench) -> None:
    """A program that tries to become another and cannot goes on, and is reported as usual."""
    bench.write("family.py", FAMILY)
    report = bench.report("family.py", "try: os.execvp('no-such-command', ['x'])\nexcept OSError: leak()")
    assert report["sessions"]["opened"] == 2
    assert len(report["processes"]) == 1


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_process_that_dies_without_a_word_leaves_its_last_state(bench: Bench, name: str) -> None:
    """What was written down last is shown, with the signal that ended it."""
    bench.write(
        "killed.py",
        f"""
        import asyncio, os, signal, time
        import aiohttp

        async def main():
            session = aiohttp.ClientSession()
            spool = os.environ["LASTCALL_SPOOL"]
            deadline = time.monotonic() + 10
            while not any(name.endswith(".json") for name in os.listdir(spool)):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.{name})

        asyncio.run(main())
        """,
    )
    done = bench.run("--report", "json:report.json", "--report", "text", "killed.py")
    report = bench.read_report()
    assert [leak["evidence"] for leak in report["leaks"]] == ["SCOPE_ENDED"]
    assert report["processes"][0]["state"].startswith(f"killed by {name}; its last state of ")
    assert f"killed by {name}" in done.stderr


def test_a_process_left_running_is_named_and_not_waited_for(bench: Bench) -> None:
    """A daemon that outlives the program is said to run still; its open session is no leak yet."""
    bench.write(
        "daemon.py",
        """
        import asyncio, os, sys, time
        import aiohttp

        async def serve(ready):
            session = aiohttp.ClientSession()
            spool = os.environ["LASTCALL_SPOOL"]
            while not any(name.startswith(str(os.getpid())) for name in os.listdir(spool)):
                await asyncio.sleep(0.01)
            os.write(ready, b"%d" % os.getpid())
            await asyncio.sleep(60)

        reader, writer = os.pipe()
        if os.fork() == 0:
            for number in (0, 1, 2):
                os.close(number)
            asyncio.run(serve(writer))
        print(int(os.read(reader, 20)))
        """,
    )
    done = bench.run("--report", "json:report.json", "daemon.py")
    report = bench.read_report()
    os.kill(int(done.stdout), signal.SIGKILL)
    assert report["sessions"] == {"opened": 1, "closed": 0, "leaked": 0, "open": 1, "withdrawn": 0}
    assert report["processes"][0]["state"].startswith("still running")


def test_a_lock_held_by_a_dying_process_does_not_hang_it(bench: Bench) -> None:
    """SIGTERM ends a process even when the interrupted code holds what the report would need."""
    bench.write(
        "locked.py",
        """
        import os, signal, threading
        import aiohttp
        import lastcall.ledger._bootstrap.process as process

        lock = threading.Lock()

        def snapshot(**_):
            lock.acquire()

        process.snapshot = snapshot
        with lock:
            os.kill(os.getpid(), signal.SIGTERM)
            print("not reached")
        """,
    )
    done = bench.run("locked.py")
    assert (done.returncode, done.stdout) == (-15, "")


def test_an_interpreter_without_lastcall_is_watched_too(bench: Bench) -> None:
    """Where lastcall is not installed, the running one is used and nothing beside it becomes importable."""
    bench.write(
        "bare.py",
        """
        import sys
        sys.path[:] = [entry for entry in sys.path if not entry.endswith("src")]
        import aiohttp, lastcall.ledger
        print(lastcall.ledger.watch().report().opened, any(entry.endswith("src") for entry in sys.path))
        """,
    )
    assert bench.run("--", sys.executable, "bare.py").stdout == "0 False\n"


def test_a_program_that_cannot_be_watched_is_said_so(bench: Bench) -> None:
    """`python -I` loads no watch: a note says so in place of an empty report."""
    done = bench.run("--", sys.executable, "-I", "-c", "print(1)")
    assert done.stdout == "1\n"
    assert done.stderr == "lastcall: note: Python loads no watch with -I: the program was not watched\n"


def test_a_watch_that_cannot_begin_does_no_harm(bench: Bench) -> None:
    """Something called aiohttp that is not aiohttp is left alone, with a note."""
    bench.write("fake/aiohttp/__init__.py", "")
    bench.write("fake/main.py", "import aiohttp; print('unharmed')")
    done = bench.run("fake/main.py")
    assert done.stdout == "unharmed\n"
    assert "1 process was not watched: Python 3" in done.stderr
