"""However a batch ends, nothing is lost and nothing is sent twice that was answered."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys

import pytest

from lastcall.testing import Answer, OpenAIServer, Step

from .conftest import LIMIT, Folder, asked, batch_line, line_count, serving, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


def whole_lines(folder: Folder) -> int:
    """Return how many results are in the output."""
    return line_count(folder.path / "out.jsonl")


def told(process: subprocess.Popen[str], words: str) -> str:
    """Read what the process says until it says *words*."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return "".join(lines)
    pytest.fail(f"it never said {words!r}: {''.join(lines)}")


def test_the_first_ctrl_c_finishes_what_is_under_way(folder: Folder) -> None:
    """Every request that was sent has its line; the next run sends the others."""
    folder.write_chats(200)
    with serving(default=Answer(delay=0.05)) as server:
        with folder.started("--concurrency", "10", server=server) as process:
            assert server.wait_until(lambda: server.requests_count > 30, LIMIT)
            process.send_signal(signal.SIGINT)
            _, told_at_the_end = process.communicate(timeout=LIMIT)
        assert process.returncode == 130
        assert "under way will be finished first; Ctrl-C again cuts them off" in told_at_the_end
        assert "run the same command again" in told_at_the_end
        assert "1 session opened, 1 closed, none leaked" in told_at_the_end
        sent = asked(server)
        assert len(folder.read()) == sent.total() < 200
        folder.run(server=server)
        assert set(asked(server).values()) == {1}
    assert sorted(folder.ids()) == sorted(f"r-{number}" for number in range(200))


def test_ctrl_c_does_not_wait_for_what_was_not_sent(folder: Folder) -> None:
    """Requests that wait for a limit, or for another attempt, would make it wait for minutes."""
    folder.write_chats(50)
    step = Step(Answer.rate_limit(90), lambda call: "text 2" in str(call.json["messages"]), times=None)
    with serving(step) as server, folder.started("--rpm", "600", server=server) as process:
        assert server.wait_until(lambda: server.requests_count > 3, LIMIT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT / 2)
        assert process.returncode == 130


def test_the_second_ctrl_c_cuts_off_what_is_under_way(folder: Folder) -> None:
    """It ends at once, and still closes its session."""
    folder.write_chats(20)
    never = Step(Answer(delay=3600), lambda call: "text 3" in str(call.json["messages"]), times=None)
    with serving(never) as server:
        with folder.started("--concurrency", "5", server=server) as process:
            wait_for(lambda: whole_lines(folder) == 19, "all answers but one")
            process.send_signal(signal.SIGINT)
            told(process, "1 request under way will be finished first")
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=LIMIT)
        assert process.returncode == 130
        assert "1 session opened, 1 closed, none leaked" in rest
        assert server.wait_until_no_connections()
    assert len(folder.read()) == 19


def test_what_waits_for_its_turn_in_the_order_is_kept_when_cut_off(folder: Folder) -> None:
    """Answers behind one that never came are written out of turn, and put in order by the next run."""
    folder.write_chats(20)
    never = Step(Answer(delay=3600), lambda call: call.json["messages"][0]["content"] == "text 3", times=1)
    with serving(never) as server:
        with folder.started("--ordered", "--concurrency", "5", server=server) as process:
            assert server.wait_until(lambda: server.requests_count == 20, LIMIT)
            assert server.wait_until(lambda: server.requests_in_flight == 1, LIMIT)
            process.send_signal(signal.SIGINT)
            told(process, "1 request under way")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=LIMIT)
        assert len(folder.read()) == 19
        folder.run("--ordered", server=server)
        assert asked(server).total() == 21
    assert folder.ids() == [f"r-{number}" for number in range(20)]


def test_ctrl_c_ends_the_wait_for_a_pipe(folder: Folder) -> None:
    """Whoever feeds it may never say that there is no more."""
    with serving() as server:
        command = folder.command("-", "out.jsonl", server=server)
        with subprocess.Popen(
            command, cwd=folder.path, env=folder.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(batch_line("a")).encode() + b"\n")
            process.stdin.flush()
            wait_for(lambda: whole_lines(folder) == 1, "the answer")
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT) == 130
    assert folder.ids() == ["a"]


def test_sigterm_finishes_what_can_be_finished_soon(folder: Folder) -> None:
    """As the first Ctrl-C does, with a limit of time."""
    folder.write_chats(200)
    with serving(default=Answer(delay=0.05)) as server:
        with folder.started("--concurrency", "10", server=server) as process:
            assert server.wait_until(lambda: server.requests_count > 30, LIMIT)
            process.terminate()
            _, said = process.communicate(timeout=LIMIT)
        assert process.returncode == 143
        assert "cut off in 8 seconds if not finished" in said
        assert len(folder.read()) == asked(server).total() < 200


def test_a_batch_killed_again_and_again_answers_each_request_once(folder: Folder) -> None:
    """Each id stands once in the output, and only what was under way at a kill was asked for twice."""
    folder.write_chats(300)
    at_once, kills, chance = 20, 0, random.Random(1)
    with serving(default=Answer(delay=0.03)) as server:
        while kills < 4:
            before = whole_lines(folder)
            with folder.started("--concurrency", str(at_once), server=server) as process:
                goal = before + chance.randrange(10, 60)
                wait_for(lambda goal=goal: whole_lines(folder) >= goal, "more answers")  # type: ignore[misc]
                process.kill()
                process.wait(LIMIT)
            kills += 1
            with (folder.path / "out.jsonl").open("ab") as file:
                file.write(b'{"id":"batch_req_00'[: chance.randrange(20)])  # a kill in the middle of a write
        folder.run("--concurrency", str(at_once), server=server)
        times = asked(server)
    assert sorted(folder.ids()) == sorted(f"r-{number}" for number in range(300))
    assert all(result["response"]["status_code"] == 200 for result in folder.read())
    # What was under way, and what lay between an answer and its line.
    assert times.total() - 300 <= kills * 2 * at_once
    assert len(times) == 300


def test_a_full_disk_ends_the_run_with_a_sentence_and_a_whole_last_line(folder: Folder) -> None:
    """With room again, the next run goes on."""
    folder.write_chats(400)
    with serving(default=Answer(delay=0.01)) as server:
        limited = (
            "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, -1));"
            "sys.argv = sys.argv[1:]; runpy.run_module('lastcall', run_name='__main__')"
        )
        command = folder.command("--concurrency", "4", server=server)
        done = subprocess.run(
            [sys.executable, "-c", limited, *command[2:]],
            cwd=folder.path,
            env=folder.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "out.jsonl cannot be written: File too large" in done.stderr
        assert "nothing more is sent" in done.stderr
        data = (folder.path / "out.jsonl").read_bytes()
        assert data.endswith(b"\n")
        assert 0 < len(data) <= 9000
        sent = asked(server).total()
        assert sent < 400
        folder.run(server=server)
        assert asked(server).total() <= 400 + sent - data.count(b"\n")
    assert sorted(folder.ids()) == sorted(f"r-{number}" for number in range(400))


def test_a_hangup_is_ignored_where_the_shell_asked_for_that(folder: Folder) -> None:
    """`nohup lastcall llm batch ... &` goes on when its terminal ends."""
    folder.write_chats(40)
    with serving(default=Answer(delay=0.02)) as server:
        command = ["nohup", *folder.command("--concurrency", "2", server=server)]
        with subprocess.Popen(
            command, cwd=folder.path, env=folder.environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as process:
            try:
                assert server.wait_until(lambda: server.requests_count > 4, LIMIT)
                process.send_signal(signal.SIGHUP)
                process.communicate(timeout=LIMIT)
            finally:
                process.kill()
        assert process.returncode == 0
    assert len(folder.read()) == 40


def test_two_batches_cannot_write_to_one_output(folder: Folder) -> None:
    """The second is refused before it sends anything."""
    folder.write_chats(5)
    with serving(Answer(delay=3600)) as server, folder.started(server=server):
        assert server.wait_until(lambda: server.requests_count > 0, LIMIT)
        done = folder.run(server=server, code=2)
        assert "being written by another process" in done.stderr


def test_a_server_that_restarts_is_waited_for_by_retries(folder: Folder) -> None:
    """Requests that met no server are sent again until there is one."""
    folder.write_chats(100)
    with OpenAIServer() as server:
        port = int(server.url.rpartition(":")[2])
        with folder.started("--concurrency", "5", "--max-retries", "20", server=server) as process:
            assert server.wait_until(lambda: server.requests_count > 20, LIMIT)
            server.stop()
            with OpenAIServer(port=port):
                process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert len(set(folder.ids())) == len(folder.ids()) == 100
