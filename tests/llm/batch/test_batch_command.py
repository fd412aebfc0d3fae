"""`lastcall llm batch` as people run it: a process, files, and a server that fails as told."""

import gzip
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from lastcall.cli import lastcall
from lastcall.testing import Answer, Call, OpenAIServer, Step

from .conftest import CHAT, Folder, asked, batch_line, serving


def test_each_request_is_answered_once(folder: Folder) -> None:
    """The output has OpenAI's lines, and nothing else is left in the folder."""
    folder.write_chats(50)
    with serving() as server:
        done = folder.run(server=server)
        assert set(asked(server).values()) == {1}
        assert server.wait_until_no_connections()
    results = folder.read()
    assert sorted(result["custom_id"] for result in results) == sorted(f"r-{n}" for n in range(50))
    assert all(result["response"]["status_code"] == 200 and result["error"] is None for result in results)
    assert all(result["response"]["body"]["object"] == "chat.completion" for result in results)
    assert all(result["response"]["request_id"].startswith("req_") for result in results)
    assert "1 session opened, 1 closed, none leaked" in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in folder.path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_without_a_server_the_embedded_one_answers_and_that_is_said(folder: Folder) -> None:
    """Lines need not even name a model."""
    folder.write([{"prompt": "hello"}])
    done = folder.run()
    assert "embedded" in done.stderr
    assert folder.ids() == ["line-1"]


def test_the_environment_names_server_key_and_model(folder: Folder) -> None:
    """As OpenAI's clients have it; the key is shown nowhere."""
    folder.write([{"messages": [{"role": "user", "content": "x"}]}])
    with OpenAIServer(api_key="sk-secret-key", models=["mine"], strict_models=True) as server:
        folder.environment |= {
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "sk-secret-key",
            "OPENAI_MODEL": "mine",
        }
        done = folder.run("--report", "json:report.json")
    assert folder.read()[0]["response"]["body"]["model"] == "mine"
    written = "".join(path.read_text() for path in folder.path.iterdir()) + done.stderr
    assert "sk-secret-key" not in written


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_inputs_are_read(folder: Folder, suffix: str) -> None:
    """By their names."""
    data = b"".join(json.dumps(batch_line(f"r-{number}")).encode() + b"\n" for number in range(5))
    packed = gzip.compress(data) if suffix == "gz" else zstandard.compress(data)
    (folder.path / f"in.jsonl.{suffix}").write_bytes(packed)
    folder.run(f"in.jsonl.{suffix}", "out.jsonl")
    assert sorted(folder.ids()) == [f"r-{number}" for number in range(5)]


def test_a_pipe_is_read_and_written_as_it_comes(folder: Folder) -> None:
    """The first answer is there before the last request is."""
    with (
        serving() as server,
        subprocess.Popen(
            folder.command("-", "-", server=server),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=folder.environment,
            cwd=folder.path,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(batch_line("first")).encode() + b"\n")
        process.stdin.flush()
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        assert json.loads(process.stdout.readline())["custom_id"] == "first"
        process.stdin.write(json.dumps(batch_line("last")).encode())
        rest, _ = process.communicate(timeout=30)
        watchdog.cancel()
    assert [json.loads(line)["custom_id"] for line in rest.splitlines()] == ["last"]
    assert process.returncode == 0


def test_lines_that_are_no_requests_fail_with_their_numbers_and_the_rest_runs(folder: Folder) -> None:
    """Duplicates, no JSON, wrong types: each is told in the file of errors."""
    folder.write(
        [
            batch_line("a"),
            b"no json\n",
            b"\n",
            batch_line("a", "again"),
            {"custom_id": 7, "messages": []},
            batch_line("b"),
        ]
    )
    with serving() as server:
        folder.run("--errors", "failed.jsonl", server=server, code=1)
        assert asked(server).total() == 2
    assert sorted(folder.ids()) == ["a", "b"]
    told = {result["error"]["line"]: result for result in folder.read("failed.jsonl")}
    assert {line: result["error"]["code"] for line, result in told.items()} == {
        2: "invalid_json",
        4: "duplicate_custom_id",
        5: "invalid_line",
    }
    assert told[4]["custom_id"] == "a"
    assert all(result["response"] is None for result in told.values())


def test_a_line_over_the_limit_is_refused(folder: Folder) -> None:
    """Thirty-two MiB are enough."""
    folder.write([b'{"model":"m","prompt":"' + b"x" * (33 * 2**20) + b'"}\n', batch_line("a")])
    with serving() as server:
        folder.run(server=server, code=1)
    results = {result["custom_id"]: result for result in folder.read()}
    assert results[None]["error"]["code"] == "line_too_long"
    assert results["a"]["error"] is None


def test_what_is_answered_is_not_sent_again(folder: Folder) -> None:
    """A second run sends nothing and leaves the output as it is."""
    folder.write_chats(20)
    with serving() as server:
        folder.run(server=server)
        before = (folder.path / "out.jsonl").read_bytes()
        done = folder.run(server=server)
        assert asked(server).total() == 20
    assert (folder.path / "out.jsonl").read_bytes() == before
    assert "20 from before" in done.stderr


def test_a_request_that_has_changed_is_sent_again_and_its_old_answer_kept(folder: Folder) -> None:
    """The hash in a line's id says what it answers."""
    folder.write_chats(3)
    with serving() as server:
        folder.run(server=server)
        old = {result["custom_id"]: result for result in folder.read()}
        folder.write([batch_line("r-0", "text 0"), batch_line("r-1", "new"), batch_line("r-2", "text 2")])
        done = folder.run(server=server)
        assert asked(server)["new"] == 1
        assert asked(server).total() == 4
    assert "1 request had changed" in done.stderr
    new = {result["custom_id"]: result for result in folder.read()}
    assert len(folder.read()) == 3
    assert (new["r-0"], new["r-2"]) == (old["r-0"], old["r-2"])
    assert folder.read("out.jsonl.replaced") == [old["r-1"]]


def test_what_failed_is_tried_again_and_leaves_one_line(folder: Folder) -> None:
    """Without a file of errors failures stand in the output until they are made good."""
    folder.write_chats(10)

    def is_odd(call: Call) -> bool:
        return bool(int(call.json["messages"][0]["content"].split()[1]) % 2)

    step = Step(Answer(status=400), is_odd, times=5)
    with serving(step) as server:
        folder.run(server=server, code=1)
        assert sum(result["response"]["status_code"] == 400 for result in folder.read()) == 5
        folder.run(server=server)
        assert asked(server).total() == 15
    assert sorted(folder.ids()) == sorted(f"r-{number}" for number in range(10))
    assert all(result["response"]["status_code"] == 200 for result in folder.read())


def test_the_file_of_errors_is_begun_anew(folder: Folder) -> None:
    """It says what failed in the last run."""
    folder.write_chats(3)
    with serving(Answer(status=400)) as server:
        folder.run("--errors", "failed.jsonl", server=server, code=1)
        assert len(folder.read("failed.jsonl")) == 1
        folder.run("--errors", "failed.jsonl", server=server)
    assert folder.read("failed.jsonl") == []
    assert len(folder.read()) == 3


def test_the_order_of_the_input_is_kept_where_asked(folder: Folder) -> None:
    """Late answers hold up those behind them."""
    folder.write_chats(30)
    step = Step(Answer(delay=0.2), lambda call: "text 3" in call.json["messages"][0]["content"], times=4)
    with serving(step) as server:
        folder.run("--ordered", "--concurrency", "5", server=server)
    assert folder.ids() == [f"r-{number}" for number in range(30)]


def test_the_order_is_mended_where_a_later_run_fills_gaps(folder: Folder) -> None:
    """What failed in the first run stands in its place after the second."""
    folder.write_chats(12)
    with serving(Step(Answer(status=400), times=4)) as server:
        folder.run("--ordered", "--errors", "failed.jsonl", server=server, code=1)
        folder.run("--ordered", "--errors", "failed.jsonl", server=server)
    assert folder.ids() == [f"r-{number}" for number in range(12)]


def test_a_limit_and_a_sample_take_up_a_part_of_the_lines(folder: Folder) -> None:
    """A sample is the same one each time, and a larger one holds a smaller."""
    folder.write_chats(200)
    with serving() as server:
        folder.run("--limit", "7", server=server)
        assert sorted(folder.ids()) == sorted(f"r-{number}" for number in range(7))
        folder.run("in.jsonl", "sample.jsonl", "--sample", "0.2", server=server)
        assert 15 < len(folder.ids("sample.jsonl")) < 70
        before = asked(server).total()
        folder.run("in.jsonl", "sample.jsonl", "--sample", "0.1", server=server)
        assert asked(server).total() == before


def test_model_and_parameters_are_put_into_every_body(folder: Folder) -> None:
    """Values that are JSON are read as such, others are texts."""
    folder.write_chats(1)
    with serving() as server:
        folder.run("--model", "big", "--param", "temperature=0", "--param", "user=me", server=server)
        (call,) = server.calls
    assert (call.json["model"], call.json["temperature"], call.json["user"]) == ("big", 0, "me")


def test_streams_give_the_same_output(folder: Folder) -> None:
    """And are resumed by a run without, for what is asked is the same."""
    folder.write_chats(4)
    with serving() as server:
        folder.run("--stream", "--report", "json:report.json", server=server)
        assert all(call.stream for call in server.calls)
        folder.run(server=server)
        assert asked(server).total() == 4
    assert {result["response"]["body"]["object"] for result in folder.read()} == {"chat.completion"}
    assert json.loads((folder.path / "report.json").read_text())["distributions"]["first_chunk"]["count"] == 4


def test_a_dry_run_sends_and_writes_nothing(folder: Folder) -> None:
    """It counts requests and tokens, tells the cost, and names the lines that would be refused."""
    folder.write(
        [*[batch_line(f"r-{number}", "word " * 100, max_tokens=50) for number in range(10)], b"oops\n"]
    )
    with serving() as server:
        done = folder.run("--dry-run", "--price", "1000,2000", "--rpm", "60", server=server, code=1)
        assert server.calls == []
    assert "10 requests" in done.stdout
    assert "at most 500 tokens" in done.stdout
    assert "at most 1.00 for the answers" in done.stdout
    assert "at least 10.0 s" in done.stdout
    assert "line 11: not JSON" in done.stdout
    assert [path.name for path in folder.path.iterdir()] == ["in.jsonl"]


def test_a_dry_run_knows_what_is_done(folder: Folder) -> None:
    """And leaves even a torn line alone."""
    folder.write_chats(3)
    with serving() as server:
        folder.run("--limit", "2", server=server)
    with (folder.path / "out.jsonl").open("ab") as file:
        file.write(b'{"id":"batch_req_')
    before = (folder.path / "out.jsonl").read_bytes()
    assert "1 request, 2 are done already" in folder.run("--dry-run").stdout
    assert (folder.path / "out.jsonl").read_bytes() == before


def test_reports_are_one_file_each(folder: Folder) -> None:
    """A page and the figures, the ledger's verdict in both."""
    folder.write_chats(20)
    with serving() as server:
        folder.run("--report", "html:report.html", "--report", "json:report.json", server=server)
    page = (folder.path / "report.html").read_text()
    assert "<html" in page
    assert "http://" not in page.replace(server.url, "").replace("http://www.w3.org", "")
    told = json.loads((folder.path / "report.json").read_text())
    assert told["sessions"] == {"opened": 1, "closed": 1, "leaked": 0, "open": 0}


def test_several_servers_share_the_requests_by_weight(folder: Folder) -> None:
    """Three times the weight is about three times the work, if the machine is idle."""
    folder.write_chats(200)
    with serving(default=Answer(delay=0.01)) as one, serving(default=Answer(delay=0.01)) as other:
        servers = ["--base-url", f"{one.base_url}=3", "--base-url", f"{other.base_url}=1"]
        folder.run("--concurrency", "20", *servers)
        assert one.requests_count + other.requests_count == 200
        assert one.requests_count > 1.5 * other.requests_count > 0


def test_a_server_that_is_lost_ends_the_run_and_the_next_goes_on(folder: Folder) -> None:
    """Not every line of the file has to fail one after the other."""
    folder.write_chats(300)
    with serving() as server:
        folder.run("--limit", "20", server=server)
        lost = ["--max-retries", "0", "--concurrency", "4", "--give-up-after", "10"]
    done = folder.run(*lost, "--base-url", f"{server.url}/v1", code=1)
    assert done.stderr.count("gave up after 10 failures in a row") == 2  # at once, and in the summary
    assert 30 <= len(folder.read()) <= 40
    with serving() as server:
        folder.run(server=server)
        assert asked(server).total() == 280
    assert len(set(folder.ids())) == len(folder.ids()) == 300


def test_a_retried_request_is_counted_by_its_cause(folder: Folder) -> None:
    """A refusal for a moment is no failure."""
    folder.write_chats(5)
    with serving(Answer.rate_limit(0.05), Answer(status=503)) as server:
        folder.run("--report", "json:report.json", server=server)
    told = json.loads((folder.path / "report.json").read_text())
    assert told["retries"] == {"429": 1, "503": 1}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["missing.jsonl", "out.jsonl"], "missing.jsonl: No such file"),
        (["in.jsonl", "--stream"], "name the file for the answers"),
        (["in.jsonl", "in.jsonl"], "is the input"),
        (["in.jsonl", "link.jsonl"], "is the input"),
        (["in.jsonl", "in.txt"], "no result of a batch"),
        (["in.jsonl", "out.jsonl.gz"], "written plain"),
        (["in.jsonl", "missing/out.jsonl"], "cannot be written: No such file"),
        (["in.jsonl", "out.jsonl", "--errors", "out.jsonl"], "are both"),
        (["in.jsonl", "out.jsonl", "--report", "json:in.jsonl"], "is the input"),
        (["in.jsonl", "out.jsonl", "--report", "html"], "html:PATH"),
        (["in.jsonl", "out.jsonl", "--param", "x"], "NAME=VALUE"),
        (["in.jsonl", "out.jsonl", "--param", "stream=true"], "is given by --stream"),
        (["in.jsonl", "out.jsonl", "--price", "1"], "two numbers"),
        (["in.jsonl", "out.jsonl", "--price", "1,2"], "goes with --dry-run"),
        (["in.jsonl", "out.jsonl", "--base-url", "nonsense"], "base_url is no address"),
        (["in.jsonl", "out.jsonl", "--timeout", "0"], "0.0 is not in the range"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(
    folder: Folder, options: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, no traceback, and no file begun."""
    folder.write_chats(1)
    (folder.path / "link.jsonl").symlink_to("in.jsonl")
    (folder.path / "in.txt").write_text("dear diary\n")
    monkeypatch.chdir(folder.path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    done = CliRunner().invoke(lastcall, ["llm", "batch", *options])
    assert done.exit_code == 2, done.output
    assert sentence in " ".join(done.output.split())
    assert (folder.path / "in.txt").read_text() == "dear diary\n"
    assert not (folder.path / "out.jsonl").exists()


def test_too_few_open_files_are_said_and_lived_with(folder: Folder) -> None:
    """The hard limit of this shell is what it may have."""
    folder.write_chats(200)
    with serving() as server:
        command = " ".join(folder.command("--concurrency", "1000", server=server))
        done = subprocess.run(
            ["sh", "-c", f"ulimit -n 128; exec {command}"],
            cwd=folder.path,
            env=folder.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert server.connections_peak <= 64
    assert "ulimit -Hn" in done.stderr
    assert len(folder.read()) == 200


def test_nothing_is_said_where_quiet_is_asked_for(folder: Folder) -> None:
    """Unless something is wrong."""
    folder.write_chats(2)
    assert folder.run("--quiet").stderr == ""


def test_an_output_that_is_a_device_is_written_and_never_read(folder: Folder) -> None:
    """No resume, no lock, no sync."""
    folder.write_chats(2)
    folder.run("in.jsonl", os.devnull, "--quiet")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_device_that_is_full_is_said(folder: Folder) -> None:
    """Exit code 1, and how many answers were lost."""
    folder.write_chats(2)
    done = folder.run("in.jsonl", "/dev/full", code=1)
    assert "No space left" in done.stderr
    assert CHAT not in done.stderr
