"""`--serve`: the page of a running program and its children, which changes nothing for the program."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from lastcall import ledger

from .conftest import HANG, LIMIT, Bench, end_of, first_line

CHILDREN = """
    import asyncio, multiprocessing, sys
    import aiohttp

    async def main(name, children):
        global sessions
        sessions = [aiohttp.ClientSession() for _ in range(2)]
        if children:
            for method in ("fork", "spawn"):
                multiprocessing.get_context(method).Process(target=child, daemon=True).start()
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            sys.exit(7)
        await asyncio.sleep(60)

    def child():
        asyncio.run(main("child", False))

    if __name__ == "__main__":
        asyncio.run(main("parent", True))
"""


@contextmanager
def served(
    bench: Bench, source: str, where: str = "127.0.0.1:0", **options: Any
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program with its page; the address is on the first line of stderr, the program is ready."""
    bench.write("app.py", source)
    command = [*bench.lastcall, "run", "--quiet", "--serve", where, "app.py"]
    with bench.started(*command, **options) as process:
        said = first_line(process.stderr)
        url = next(word for word in said.split() if word.startswith("http"))
        assert said == f"lastcall: {url} shows the open sessions while the program runs"
        first_line(process.stdout)
        yield process, url


def ask(
    url: str, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer."""
    connection = http.client.HTTPConnection(str(urlsplit(url).hostname), urlsplit(url).port, timeout=LIMIT)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def document_with(url: str, sessions: int) -> dict[str, Any]:
    """Return the document, when it has so many open sessions; processes write theirs once a second."""
    deadline = time.monotonic() + LIMIT
    while True:
        document: dict[str, Any] = json.loads(ask(url, "/sessions.json")[2])
        if sum(site["count"] for site in document["live"]["sites"]) == sessions:
            return document
        assert time.monotonic() < deadline, document
        time.sleep(0.05)


@pytest.mark.slow
def test_the_sessions_of_all_processes_are_shown(bench: Bench) -> None:
    """Parent and children are one document; stdin, stdout and exit code are the program's."""
    with served(bench, CHILDREN, stdin=subprocess.PIPE) as (process, url):
        document = document_with(url, 6)
        jsonschema.validate(document, ledger.schema())
        assert len(document["processes"]) == 3
        assert [site["site"]["file"] for site in document["live"]["sites"]] == ["app.py"]
        assert document["leaks"] == []
        code, out, _ = end_of_with(process, "go on\n")
    assert (code, out) == (7, "")


def end_of_with(process: subprocess.Popen[str], text: str) -> tuple[int, str, str]:
    """Write *text* to a process, and wait for it."""
    out, err = process.communicate(text, timeout=LIMIT)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_go_where_they_went_without_it(bench: Bench, number: signal.Signals) -> None:
    """A signal sent while the page is asked ends the program, and then lastcall, as ever."""
    with served(bench, HANG) as (process, url):
        document_with(url, 1)
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=LIMIT) as lazy:
            lazy.sendall(b"GET / HTTP/1.1\r\n")
            process.send_signal(number)
            code, _, err = end_of(process)
    assert code == -number, err
    assert "1 leaked" in err


@pytest.mark.slow
def test_the_page_is_for_this_machine_alone(bench: Bench) -> None:
    """The page has its policy; a foreign name, a proxy and another path are refused; HEAD has no body."""
    with served(bench, HANG, "localhost:0") as (_, url):
        status, headers, body = ask(url, "/")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "script-src 'sha256-" in headers["content-security-policy"]
        assert b"sessions.json" in body
        assert ask(url, "/", "HEAD")[2] == b""
        assert ask(url, "/sessions.json?x=1")[0] == 200
        assert ask(url, "/other")[0] == 404
        assert ask(url, "/", "POST")[0] == 501
        for refused in ({"Host": "evil.example"}, {"X-Forwarded-For": "127.0.0.1"}):
            status, _, body = ask(url, "/sessions.json", headers=refused)
            assert status == 403
            assert "ssh -L" in json.loads(body)["detail"]


@pytest.mark.slow
def test_a_port_in_use_is_said_before_the_program_runs(bench: Bench) -> None:
    """Nothing is started when the page cannot be served."""
    bench.write("app.py", "print('ran')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = bench.run("--serve", where, "app.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"lastcall: error: --serve {where}: Address already in use\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("0.0.0.0:0", "served on 127.0.0.1, ::1 or localhost alone; from elsewhere use a tunnel"),
        ("8080", "write HOST:PORT"),
        ("127.0.0.1:99999", "write HOST:PORT"),
        ("127.0.0.1:-1", "write HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_is_refused(bench: Bench, where: str, words: str) -> None:
    """One sentence says what to write, and the program does not run."""
    bench.write("app.py", "print('ran')")
    done = bench.run("--serve", where, "app.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
