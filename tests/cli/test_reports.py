"""What `lastcall run` says, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import HANG, LEAK, LIMIT, Bench, end_of, first_line

CLEAN = """
    import asyncio
    import aiohttp

    async def main():
        async with aiohttp.ClientSession():
            print("out")

    asyncio.run(main())
"""

OPEN_AT_THE_END = """
    import aiohttp, asyncio

    loop = asyncio.new_event_loop()

    async def open_one():
        return aiohttp.ClientSession()

    session = loop.run_until_complete(open_one())
"""


def test_the_report_names_the_line_on_stderr(bench: Bench) -> None:
    """By default text goes to stderr and nothing to stdout, without colours where there is no terminal."""
    bench.write("leak.py", LEAK)
    done = bench.run("leak.py")
    assert done.stdout == ""
    assert done.stderr.startswith("lastcall: 1 session opened, 0 closed, 1 leaked in 1 place")
    assert "leak.py:7 in open_one" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_clean_program_gets_one_calm_line(bench: Bench) -> None:
    """Where nothing leaked, one line says so."""
    bench.write("clean.py", CLEAN)
    assert bench.run("clean.py").stderr.count("\n") == 1


def test_quiet_says_nothing_of_a_clean_program(bench: Bench) -> None:
    """With --quiet there is no word unless something leaked."""
    bench.write("clean.py", CLEAN)
    bench.write("leak.py", LEAK)
    assert bench.run("--quiet", "clean.py").stderr == ""
    assert "leak.py:7" in bench.run("--quiet", "leak.py").stderr


def test_json_without_a_path_is_one_line_after_the_programs_output(bench: Bench) -> None:
    """The last line of stdout is the report, and stderr is the program's."""
    bench.write("clean.py", CLEAN)
    done = bench.run("--report", "json", "clean.py")
    first, second = done.stdout.splitlines()
    assert first == "out"
    assert json.loads(second)["sessions"] == {
        "opened": 1,
        "closed": 1,
        "leaked": 0,
        "open": 0,
        "withdrawn": 0,
    }
    assert done.stderr == ""


def test_several_reports_go_to_several_places(bench: Bench) -> None:
    """--report may be given again: here to a file in each form, and to stderr."""
    bench.write("leak.py", LEAK)
    done = bench.run("--report", "text", "--report", "text:a.txt", "--report", "json:a.json", "leak.py")
    assert (bench.directory / "a.txt").read_text() == done.stderr
    assert json.loads((bench.directory / "a.json").read_text())["version"] == 1


def test_colours_can_be_asked_for(bench: Bench) -> None:
    """--color always colours the report where there is no terminal."""
    bench.write("leak.py", LEAK)
    assert "\x1b[" in bench.run("--color", "always", "leak.py").stderr


@pytest.mark.parametrize(
    ("program", "level", "code"),
    [
        (LEAK, "proof", 70),
        (OPEN_AT_THE_END, "proof", 0),
        (OPEN_AT_THE_END, "scope", 70),
        (OPEN_AT_THE_END, "never", 0),
        (CLEAN, "suspicion", 0),
        (LEAK + "    sys.exit(4)\n", "proof", 4),
    ],
)
def test_fail_on_turns_success_into_70(bench: Bench, program: str, level: str, code: int) -> None:
    """A leak as sure as asked for fails a program that exited 0, and only such a one."""
    bench.write("program.py", program)
    assert bench.run("--fail-on", level, "program.py").returncode == code


def test_after_tells_at_once_and_withdraws(bench: Bench) -> None:
    """An idle session is named while the program runs, and withdrawn when it is closed after all."""
    bench.write(
        "slow.py",
        """
        import asyncio, sys
        import aiohttp

        async def main():
            session = aiohttp.ClientSession()
            await asyncio.to_thread(sys.stdin.readline)
            await session.close()
            await asyncio.to_thread(sys.stdin.readline)

        asyncio.run(main())
        """,
    )
    command = [*bench.lastcall, "run", "--after", "0.2", "--fail-on", "suspicion", "slow.py"]
    with bench.started(*command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        told = first_line(process.stderr)
        source = first_line(process.stderr)
        process.stdin.write("\n")
        process.stdin.flush()
        withdrawn = first_line(process.stderr)
        process.stdin.write("\n")
        process.stdin.flush()
        code, _, _ = end_of(process)
    assert told.startswith("lastcall: 1 session opened at slow.py:6 in main: open, and idle for long (IDLE)")
    assert source == "session = aiohttp.ClientSession()"
    assert withdrawn == "lastcall: withdrawn: slow.py:6 was closed or used after all"
    assert code == 0


def test_responses_are_named_at_their_level(bench: Bench) -> None:
    """--level responses names the line of a request whose response was not released."""
    bench.write(
        "held.py",
        """
        import asyncio
        import aiohttp
        from aiohttp import web

        async def endless(request):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"x")
            await asyncio.sleep(60)

        async def main():
            runner = web.AppRunner(web.Application(), shutdown_timeout=0)
            runner.app.router.add_get("/", endless)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            global session, response
            session = aiohttp.ClientSession()
            response = await session.get("http://127.0.0.1:%d/" % runner.addresses[0][1])

        asyncio.run(main())
        """,
    )
    report = bench.report("--level", "responses", "held.py")
    assert [response["site"]["line"] for response in report["responses"]] == [20]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_pipe_loses_neither_code_nor_file(bench: Bench, stream: str) -> None:
    """When nobody reads any more, the file is still written and the exit code is the program's."""
    bench.write("leak.py", LEAK + "    sys.exit(3)\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [
                *bench.lastcall,
                *["run", "--report", "text", "--report", "json", "--report", "json:report.json", "leak.py"],
            ],
            cwd=bench.directory,
            env=bench.environment,
            timeout=LIMIT,
            check=False,
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writer},  # type: ignore[call-overload]
        )
    finally:
        os.close(writer)
    assert done.returncode == 3
    assert bench.read_report()["sessions"]["leaked"] == 1


def test_a_missing_stderr_does_no_harm(bench: Bench) -> None:
    """With stderr closed from the start, the program runs and the file is written."""
    bench.write("leak.py", LEAK)
    line = f"{sys.executable} -m lastcall run --report text --report json:report.json leak.py 2>&-"
    with bench.started("sh", "-c", line) as process:
        assert end_of(process)[0] == 0
    assert bench.read_report()["sessions"]["leaked"] == 1


def is_there(pid: int) -> bool:
    """Tell whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_during_the_report_is_clean(bench: Bench) -> None:
    """A reader who stops reading can interrupt: no traceback, and the program's exit code."""
    bench.write("hang.py", HANG.replace("await asyncio.sleep(60)", ""))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    with bench.started(*bench.lastcall, "run", "hang.py", stderr=writer) as process:
        program = int(first_line(process.stdout))
        deadline = time.monotonic() + LIMIT
        while process.poll() is None:
            assert time.monotonic() < deadline
            if not is_there(program):
                process.send_signal(signal.SIGINT)
            time.sleep(0.02)
    os.close(reader)
    os.close(writer)
    assert process.returncode == 0
