"""Every way out of a program, judged from the server's side: no connection is left when the process dies."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from lastcall.testing import LoopbackServer

PROGRAM = Path(__file__).parent / "ways_out" / "ways.py"
LIMIT = 30.0
RUNNERS = ("asyncio", "uvloop", "anyio")
LOOPS = ("asyncio", "uvloop")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks as POSIX has them")


class Judge(LoopbackServer):
    """A server that says how many connections it sees."""

    def make_app(self) -> web.Application:
        """Add `/open`, which waits a little for what was closed a moment ago."""
        app = super().make_app()

        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="hello")

        async def count(_request: web.Request) -> web.Response:
            await self._until(lambda: self.connections_open == 1, 0.5)
            return web.Response(text=str(self.connections_open - 1))

        app.add_routes([web.get("/hello", hello), web.get("/open", count)])
        return app


@pytest.fixture
def judge() -> Iterator[Judge]:
    """Start a server for one program."""
    with Judge() as running:
        yield running


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: list[str]
    err: str


async def end(
    judge: Judge,
    way: str,
    runner: str = "asyncio",
    signals: Sequence[tuple[str, signal.Signals]] = (),
    **environment: str,
) -> Ended:
    """Run the program; send it each signal once it has said the word that goes with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        way,
        runner,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"LASTCALL_TEST_URL": judge.url} | environment,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(LIMIT):
            for word, number in signals:
                while word not in said:
                    line = await process.stdout.readline()
                    assert line, (await process.communicate())[1].decode()
                    said.append(line.decode().strip())
                process.send_signal(number)
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, said + out.decode().splitlines(), err.decode())


def assert_closed(judge: Judge, ended: Ended) -> None:
    """Nothing was open at the program's last words, and nobody complained of anything unclosed."""
    assert [line for line in ended.out if line.startswith("open")] == ["open: 0"], ended
    assert "nclosed" not in ended.err
    assert "ResourceWarning" not in ended.err


async def test_the_judge_sees_a_connection_that_nobody_closes(judge: Judge) -> None:
    """A session of aiohttp's own that is left open counts: what follows would fail without lastcall."""
    ended = await end(judge, "leaks")
    assert "open: 1" in ended.out, ended


ENDS = {
    "returns": 0,
    "raises": 1,
    "cancels_itself": 1,
    "cleans_up_with_a_request": 0,
    "returns_with_a_response_open": 0,
    "leaves_a_manager_open": 0,
    "exits": 3,
    "exits_in_a_task": 3,
    "stops_the_loop": 1,
    "runs_in_threads": 0,
}
"""Ways to end without a signal, with the exit code of the program."""


@pytest.mark.parametrize(
    ("way", "code", "runner"),
    [(way, code, runner) for way, code in ENDS.items() for runner in LOOPS]
    + [(way, ENDS[way], "anyio") for way in list(ENDS)[:4]],
)
async def test_sessions_are_closed_when_the_program_ends_by_itself(
    judge: Judge, way: str, code: int, runner: str
) -> None:
    """However a runner is left, its connections are closed before the process ends, and its code is kept."""
    ended = await end(judge, way, runner)
    assert_closed(judge, ended)
    assert ended.code == code, ended.err
    if way.startswith("cleans_up"):
        assert "cleaned" in ended.out, ended.err


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(("way", "words"), [("awaits", ["ready"]), ("blocks", ["ready", "blocked"])])
async def test_sessions_are_closed_on_ctrl_c(judge: Judge, way: str, words: list[str], runner: str) -> None:
    """Ctrl-C while awaiting; and in code that blocks the loop, where it takes a second one."""
    ended = await end(judge, way, runner, [(word, signal.SIGINT) for word in words])
    assert_closed(judge, ended)
    assert ended.code == -signal.SIGINT


@pytest.mark.parametrize("runner", RUNNERS)
async def test_sessions_are_closed_on_a_second_ctrl_c(judge: Judge, runner: str) -> None:
    """A second Ctrl-C during the clean-up ends the clean-up, not the closing."""
    signals = [("ready", signal.SIGINT), ("cleaning", signal.SIGINT)]
    ended = await end(judge, "cleans_up_for_long", runner, signals)
    assert_closed(judge, ended)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("way", ["handles_sigterm", "handles_sigterm_on_the_loop"])
async def test_sessions_are_closed_on_a_sigterm_that_is_handled(judge: Judge, way: str, runner: str) -> None:
    """SIGTERM turned into sys.exit, or into a cancellation by the loop."""
    assert_closed(judge, await end(judge, way, runner, [("ready", signal.SIGTERM)]))


@pytest.mark.parametrize("runner", RUNNERS)
async def test_sessions_are_closed_on_sigterm_where_asked(judge: Judge, runner: str) -> None:
    """With `close_on_sigterm` sessions are closed, and the program still dies by the signal."""
    ended = await end(judge, "asks_for_sigterm", runner, [("ready", signal.SIGTERM)])
    assert_closed(judge, ended)
    assert ended.code == -signal.SIGTERM


async def test_a_standing_loop_is_closed_on_sigterm_too(judge: Judge) -> None:
    """SIGTERM between two runs of a loop closes what is open on it."""
    ended = await end(judge, "asks_for_sigterm_and_blocks", "asyncio", [("ready", signal.SIGTERM)])
    assert_closed(judge, ended)
    assert ended.code == -signal.SIGTERM


@pytest.mark.parametrize("runner", LOOPS)
@pytest.mark.parametrize(
    "way", ["closes_the_loop_by_hand", "never_closes_the_loop", "never_closes_a_loop_with_a_task"]
)
async def test_sessions_are_closed_on_loops_made_by_hand(judge: Judge, way: str, runner: str) -> None:
    """`run_until_complete` and `loop.close()`, or no `close()` at all."""
    assert_closed(judge, await end(judge, way, runner))


@pytest.mark.parametrize("runner", RUNNERS)
async def test_sessions_are_closed_on_a_loop_in_a_daemon_thread(judge: Judge, runner: str) -> None:
    """A loop that still runs in another thread when the process ends."""
    assert_closed(judge, await end(judge, "leaves_a_daemon_thread", runner))


async def test_sessions_are_closed_under_nest_asyncio(judge: Judge) -> None:
    """Loops in loops, where async generators are never finalised."""
    ended = await end(judge, "nests")
    assert_closed(judge, ended)
    assert "ignored GeneratorExit" not in ended.err


@pytest.mark.parametrize("runner", LOOPS)
async def test_a_forked_child_does_not_harm_its_parent(judge: Judge, runner: str) -> None:
    """A child closes, drops and collects the inherited session: the parent's connection is as it was."""
    ended = await end(judge, "forks", runner)
    assert "the parent is well" in ended.out, ended.err
    assert_closed(judge, ended)
    # One connection served the parent before and after the fork; the last words came on another.
    assert judge.connections_opened == 2


@pytest.mark.parametrize("runner", LOOPS)
async def test_sessions_of_a_spawned_child_are_closed(judge: Judge, runner: str) -> None:
    """A child of multiprocessing that leaves its loop open."""
    ended = await end(judge, "spawns", runner)
    assert_closed(judge, ended)
    assert "child: 0" in ended.out, ended.err


async def test_sessions_of_a_forked_process_are_closed_and_the_parents_are_not(judge: Judge) -> None:
    """The child closes its own; the parent's connection stays, which is the one still open then."""
    ended = await end(judge, "forks_a_process")
    assert "child: 0" in ended.out, ended.err
    assert "open: 1" in ended.out
    assert "the parent is well" in ended.out


@pytest.mark.parametrize("runner", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_sessions_are_closed_under_uvicorn(judge: Judge, runner: str, number: signal.Signals) -> None:
    """On SIGINT, and on SIGTERM, by which uvicorn dies inside the loop; no handler has to be asked for."""
    environment = {"SIGTERM": "1"} if number is signal.SIGTERM else {}
    ended = await end(judge, "serves_with_uvicorn", runner, [("ready", number)], **environment)
    assert_closed(judge, ended)
    assert ended.code == (-number if number is signal.SIGTERM else 0)


@pytest.mark.parametrize("runner", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_sessions_are_closed_under_run_app(judge: Judge, runner: str, number: signal.Signals) -> None:
    """`aiohttp.web.run_app` on SIGINT and SIGTERM."""
    assert_closed(judge, await end(judge, "serves_with_aiohttp", runner, [("ready", number)]))
