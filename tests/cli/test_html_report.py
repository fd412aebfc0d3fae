"""`lastcall run --report html:PATH`, with real programs; that the page works is tested beside the ledger."""

from __future__ import annotations

import base64
import itertools
import json
import re
import zlib
from typing import Any

from .conftest import LEAK, Bench

USES = """
    import asyncio
    import aiohttp
    from lastcall.testing import LoopbackServer

    async def get(session, url):
        async with session.get(url + "?token=s3cret", headers={"X-Api-Key": "k3y"}) as response:
            await response.read()

    async def main(url):
        async with aiohttp.ClientSession() as session:
            for _ in range(5):
                await get(session, url)

    with LoopbackServer() as server:
        asyncio.run(main("http://user:passw0rd@" + str(server.url).removeprefix("http://")))
"""

CHILDREN = """
    import asyncio, os, signal, subprocess, sys
    import aiohttp

    async def open_some(number):
        for _ in range(number):
            async with aiohttp.ClientSession():
                pass

    if len(sys.argv) > 1:
        asyncio.run(open_some(int(sys.argv[1])))
    else:
        asyncio.run(open_some(1))
        children = [subprocess.Popen([sys.executable, __file__, str(number)]) for number in (2, 3)]
        for child in children:
            child.wait()
"""

KILLED = """
    import asyncio, os, pathlib, signal, sys
    import aiohttp

    def is_written():
        return any(pathlib.Path(os.environ["LASTCALL_SPOOL"]).glob("*.history"))

    async def main():
        async with aiohttp.ClientSession():
            pass
        session = aiohttp.ClientSession()
        async with asyncio.timeout(20):
            while not is_written():
                await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
"""


def shown(bench: Bench, *arguments: str) -> dict[str, Any]:
    """Run a program for an HTML report, and return the data of the page."""
    bench.run("--report", "html:page.html", *arguments)
    page = (bench.directory / "page.html").read_text(encoding="utf-8")
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def column(history: dict[str, Any], name: str) -> list[int]:
    """Return a column of small numbers."""
    columns = history["columns"]
    data = zlib.decompress(base64.b64decode(columns["data"]), -15)
    at = list(itertools.accumulate(columns["bytes"], initial=0))
    index = columns["names"].index(name)
    return list(data[at[index] : at[index + 1]])


def test_sessions_of_all_processes_are_on_the_page(bench: Bench) -> None:
    """A program and two children: three processes, one line, all their sessions."""
    bench.write("children.py", CHILDREN)
    history = shown(bench, "children.py")["history"]
    assert len(history["pids"]) == 3
    (site,) = history["sites"]
    assert (site["opened"], site["closed"], site["leaked"]) == (6, 6, 0)
    assert sum(column(history, "count")) == 6
    assert set(column(history, "process")) == {0, 1, 2}


def test_a_killed_process_leaves_what_it_had(bench: Bench) -> None:
    """Sessions up to its last word are there; what was open then was left open."""
    bench.write("killed.py", KILLED)
    data = shown(bench, "killed.py")
    assert sum(site["opened"] for site in data["history"]["sites"]) == 2
    assert sum(site["leaked"] for site in data["history"]["sites"]) == data["sessions"]["leaked"] == 1


def test_requests_are_on_the_page_and_secrets_are_not(bench: Bench) -> None:
    """Requests, connections and times of use are there; queries, headers and passwords are nowhere."""
    bench.write("uses.py", USES)
    data = shown(bench, "uses.py")
    (site,) = data["history"]["sites"]
    assert (site["requests"], site["connections"]) == (5, 1)
    assert sum(data["history"]["flow"]["requests"]) == 5
    assert column(data["history"], "spans") == [5]
    page = (bench.directory / "page.html").read_text(encoding="utf-8")
    for secret in ("s3cret", "k3y", "passw0rd"):
        assert secret not in page


def test_a_program_without_sessions_gets_a_page(bench: Bench) -> None:
    """It says that there were none, whether or not aiohttp was imported."""
    bench.write("empty.py", "print('nothing')")
    bench.write("imports.py", "import aiohttp")
    for program in ("empty.py", "imports.py"):
        data = shown(bench, program)
        assert data["sessions"]["opened"] == 0
        assert data["history"] is None


def test_the_stack_of_a_leak_has_its_source(bench: Bench) -> None:
    """Each frame carries its line, in the page as in the JSON report."""
    bench.write("leak.py", LEAK)
    (leak,) = shown(bench, "leak.py")["leaks"]
    assert leak["stack"][0]["source"] == "session = aiohttp.ClientSession()"


def test_a_page_that_cannot_be_written_is_told_before_the_program_runs(bench: Bench) -> None:
    """One sentence, and nothing is run; without a path the form is shown."""
    bench.write("mark.py", "open('ran', 'w')")
    for form, sentence in (
        ("html:missing/page.html", "the report cannot be written to"),
        ("html:.", "it is a directory"),
        ("html", "--report html needs a file: --report html:PATH"),
    ):
        done = bench.run("--report", form, "mark.py")
        assert done.returncode == 2
        assert sentence in done.stderr
        assert not (bench.directory / "ran").exists()
