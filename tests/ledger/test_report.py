"""The report as a person reads it, and as a program does."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from lastcall import ledger
from lastcall.ledger import Evidence, Leak, Report, Site, merge_reports
from lastcall.ledger.masking import mask
from lastcall.ledger.records import Churn, Distribution, ExhaustedPool, Frame, OpenResponse, ProcessInfo
from lastcall.ledger.report.text import render

from .conftest import Program

SITE = Site("app/llm.py", 42, "make_handle", "session = aiohttp.ClientSession(connector=connector)")
LEAK = Leak(
    fingerprint="3fa1c2d4e5f6",
    count=500,
    evidence=Evidence.COLLECTED_OPEN,
    site=SITE,
    stack=(Frame("app/llm.py", 42, "make_handle"), Frame("app/run.py", 88, "worker")),
    first_opened_at=1_795_435_244.25,
    last_opened_at=1_795_435_250.5,
    oldest_age_s=7.25,
    tasks=("Task-2", "Task-3"),
    tasks_more=498,
    hosts=("api.example.com",),
    requests=500,
    connections=500,
)
PROCESS = ProcessInfo(
    7, 1, "app.py", "3.11.7", "3.14.5", 1_795_435_240.0, 1_795_435_260.0, "ended", 500, 0, 500
)
FULL = Report(
    opened=500,
    leaked=500,
    leaks=(LEAK,),
    churn=(Churn("0123456789ab", SITE, 1000, 1000, 1000, 1.9, 999, 1.8),),
    responses=(OpenResponse("0123456789ab", SITE, 3, 1, "GET", "api.example.com", "/v1", 2.0),),
    pools=(ExhaustedPool(SITE, "api.example.com", 100, 0, 9, 1, 4.5, 8, ((SITE, 100),)),),
    processes=(PROCESS,),
)


SLOWCLIENT = """
import aiohttp
def connect():
    return aiohttp.ClientSession()
"""


def test_the_first_line_tells_everything() -> None:
    """Opened, closed, leaked and in how many places stand on the first line."""
    first = str(FULL).partition("\n")[0]
    assert first == "lastcall: 500 sessions opened, 0 closed, 500 leaked in 1 place"


def test_a_clean_report_is_one_calm_line() -> None:
    """When nothing leaked there is nothing to read but that."""
    assert str(Report(opened=12, closed=12)) == "lastcall: 12 sessions opened, 12 closed, none leaked"


@pytest.mark.parametrize(
    "text",
    [
        "app/llm.py:42 in make_handle",
        "x 500",
        "    session = aiohttp.ClientSession(connector=connector)",
        "garbage-collected while open (COLLECTED_OPEN, proof)",
        "Task-2, Task-3 and 498 more",
        "api.example.com",
        "app/run.py:88  in worker",
        "      session = await get_shared_session()",
        "one session would spare 999 of 1,000 connections",
        "GET api.example.com/v1",
        "100 responses of app/llm.py:42",
    ],
)
def test_the_text_says(text: str) -> None:
    """The line, its source, how often, the evidence, who, where to, and what to do."""
    assert text in str(FULL)


def test_the_text_fits_eighty_columns() -> None:
    """No line of an ordinary report is wider than the terminal."""
    assert max(map(len, render(FULL, color=False, width=80).splitlines())) <= 80


def test_colours_change_nothing_but_colours() -> None:
    """With its escapes taken out the coloured report is the plain one."""
    import re

    colored = render(FULL, color=True, width=80)
    assert "\x1b[" in colored
    bare = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", colored).splitlines())
    assert bare == render(FULL, color=False, width=80)


def test_json_obeys_its_schema_and_comes_back() -> None:
    """What is written can be validated, and read again without loss."""
    document = json.loads(json.dumps(FULL.to_json()))
    jsonschema.Draft202012Validator.check_schema(ledger.schema())
    jsonschema.validate(document, ledger.schema())
    assert Report.from_json(document) == FULL


def test_a_damaged_report_is_refused() -> None:
    """A document of another version, or one with keys missing, is answered by a ValueError."""
    with pytest.raises(ValueError, match="version"):
        Report.from_json({"version": 2})
    with pytest.raises(ValueError, match="damaged"):
        Report.from_json({"version": 1})


def test_reports_of_processes_become_one() -> None:
    """Counts are added, times widened, names united, by place and evidence."""
    later = dataclasses.replace(
        LEAK, count=2, last_opened_at=LEAK.last_opened_at + 1, hosts=("b.example.com",), tasks=("Task-9",)
    )
    other = dataclasses.replace(LEAK, evidence=Evidence.SCOPE_ENDED, count=1)
    merged = merge_reports([FULL, Report(opened=3, leaked=3, leaks=(later, other), processes=(PROCESS,))])

    proof, scope = merged.leaks
    assert (proof.count, scope.count, merged.leaked, merged.places) == (502, 1, 503, 1)
    assert proof.last_opened_at == later.last_opened_at
    assert proof.hosts == ("api.example.com", "b.example.com")
    assert proof.tasks == ("Task-2", "Task-3", "Task-9")
    assert len(merged.processes) == 2


@pytest.mark.parametrize(
    ("level", "evidence", "fails"),
    [
        ("proof", Evidence.LOOP_CLOSED, True),
        ("proof", Evidence.SCOPE_ENDED, False),
        ("scope", Evidence.SCOPE_ENDED, True),
        ("scope", Evidence.IDLE, False),
        ("suspicion", Evidence.IDLE, True),
    ],
)
def test_grades_are_ordered(level: str, evidence: Evidence, fails: bool) -> None:  # noqa: FBT001
    """A surer evidence fails every weaker level."""
    assert dataclasses.replace(LEAK, evidence=evidence).fails(level) is fails


@pytest.mark.parametrize(
    ("change", "case", "example"),
    [
        ({"count": 1}, "dropped", "async with aiohttp.ClientSession() as session:"),
        ({"count": 9}, "repeated", "session = await get_shared_session()"),
        ({"count": 1, "evidence": Evidence.LOOP_CLOSED}, "loop", "await session.close()"),
        ({"count": 1, "evidence": Evidence.SCOPE_ENDED}, "open", "async with aiohttp"),
        ({"kind": "connector"}, "connector", "async with aiohttp.ClientSession(connector=session)"),
        (
            {"count": 1, "site": Site("a.py", 1, "C.start", "self._http = ClientSession()")},
            "stored",
            "await self._http.close()",
        ),
        (
            {"count": 9, "site": Site("a.py", 1, "make", "return ClientSession()")},
            "repeated",
            "return await get_shared_session()",
        ),
        (
            {"count": 1, "site": Site("a.py", 1, "<module>", "S = ClientSession()")},
            "module",
            "S = await sess",
        ),
        (
            {
                "distribution": Distribution("thing", "1.2"),
                "own_site": Site("a.py", 3, "main", "thing = Thing()"),
            },
            "dependency",
            "await thing.close()",
        ),
    ],
)
def test_the_remedy_fits_the_line(change: dict[str, Any], case: str, example: str) -> None:
    """Each case has its own advice, in the reader's own names."""
    (leak,) = Report(leaks=(dataclasses.replace(LEAK, **change),)).to_json()["leaks"]
    assert leak["remedy"]["case"] == case
    assert example in leak["remedy"]["example"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            "s = ClientSession('https://me:pw@a.example/x?key=1')",
            "s = ClientSession('https://a.example/x?...')",
        ),
        (
            's = ClientSession(headers={"Authorization": "Bearer sk-1"})',
            's = ClientSession(headers={"Authorization": "..."})',
        ),
        ('s = ClientSession(cookies=dict(a="b"))', 's = ClientSession(cookies=dict(a="..."))'),
        ('s = sessions["main"] = ClientSession()', 's = sessions["main"] = ClientSession()'),
        ('await fetch(url + "?q=s3cret")', 'await fetch(url + "?...")'),
        ('await fetch("/items?q=s3cret", "why? so")', 'await fetch("/items?...", "why? so")'),
    ],
)
def test_secrets_in_a_source_line_are_masked(source: str, shown: str) -> None:
    """Credentials, queries and the values of headers do not reach a report."""
    assert mask(source) == shown


def test_churn_is_listed_apart(program: Program) -> None:
    """A line that opens a session for each request is no leak, and shows what sharing would save."""
    report = program("""
        async def main():
            for _ in range(12):
                async with aiohttp.ClientSession() as session, session.get(URL + "/?q=secret") as response:
                    await response.read()
        asyncio.run(main())
    """)
    (churn,) = report["churn"]
    assert (churn["sessions"], churn["requests"], churn["connections"], churn["spared"]) == (12, 12, 12, 11)
    assert report["leaks"] == []
    assert "secret" not in json.dumps(report)


def test_a_dependency_is_told_apart(program: Program) -> None:
    """A line in site-packages belongs to its distribution, with the reader's line and a text to paste."""
    report = program(
        """
        sys.path.insert(0, "lib/site-packages")
        import slowclient
        async def main():
            client = slowclient.connect()
        asyncio.run(main())
        """,
        **{
            "lib__site-packages__slowclient_py": SLOWCLIENT,
            "lib__site-packages__slowclient-3.1.dist-info__METADATA": "Name: slowclient\nVersion: 3.1\n",
            "lib__site-packages__slowclient-3.1.dist-info__RECORD": "slowclient.py,,\n",
        },
    )
    (leak,) = report["leaks"]
    assert leak["distribution"] == {"name": "slowclient", "version": "3.1"}
    assert leak["site"]["file"] == "slowclient.py"
    assert leak["own_site"]["source"] == "client = slowclient.connect()"
    text = str(Report.from_json(report))
    assert "aiohttp session opened in connect is never closed" in text
    assert "await client.close()" in text


def test_the_fingerprint_survives_moves_and_edits(program: Program) -> None:
    """Neither the lines above nor the machine's folders are part of the name."""
    body = "async def main():\n    session = aiohttp.ClientSession()\nasyncio.run(main())\n"
    one = program(body)["leaks"][0]
    other = program("# a line more\n\n" + body)["leaks"][0]
    assert one["fingerprint"] == other["fingerprint"]
    assert one["site"]["line"] != other["site"]["line"]
    assert one["site"]["file"] == "app.py"


def test_code_without_source_is_named_as_far_as_it_goes(program: Program) -> None:
    """Code from `exec` has no source; its name and line are given, and equal code is one place."""
    (leak,) = program("""
        async def main():
            for _ in range(3):
                exec("async def make():\\n    aiohttp.ClientSession()", globals())
                await make()
        asyncio.run(main())
    """)["leaks"]
    assert (leak["count"], leak["site"]["function"], leak["site"]["line"]) == (3, "make", 2)
    assert leak["site"]["source"] == ""


def test_a_comprehension_is_named_by_its_function(program: Program) -> None:
    """A comprehension is no function of the reader's, and Python 3.12 has no frame for it."""
    (leak,) = program("""
        async def main():
            [aiohttp.ClientSession() for _ in range(2)]
        asyncio.run(main())
    """)["leaks"]
    assert [frame["function"] for frame in leak["stack"]] == ["main"]


def test_importing_the_ledger_imports_no_rich() -> None:
    """Only a coloured report needs rich."""
    code = "import sys, lastcall.ledger, lastcall.ledger.report.text; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
