"""Reports in files: the whole run in the form that `lastcall run` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from lastcall.ledger import schema

from .conftest import Suite

LEAK = """
    import aiohttp

    kept = []

    async def test_leak():
        kept.append(aiohttp.ClientSession(headers={"Authorization": "Bearer s3cr3t"}))

    async def test_clean():
        async with aiohttp.ClientSession():
            pass
"""


def history_in(page: Path) -> dict[str, Any]:
    """Return what *page* draws its line of time from."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    history = json.loads(found[1])["history"]
    assert isinstance(history, dict)
    return history


def test_the_json_report_obeys_the_schema_and_the_html_report_is_a_page(
    new_suite: Callable[..., Suite],
) -> None:
    """Both tell of the leak, who opened it and how many sessions there were; neither tells a secret."""
    suite = new_suite(LEAK)
    run = suite.run("--lastcall-report=html:report.html")
    jsonschema.validate(run.report, schema())
    assert run.report["sessions"] == {"opened": 2, "closed": 1, "leaked": 1, "open": 0, "withdrawn": 0}
    assert run.leak_of("test_leak")["scopes"] == ["test_it.py::test_leak"]
    page = (suite.directory / "report.html").read_text(encoding="utf-8")
    assert run.leak_of("test_leak")["fingerprint"] in page
    assert "s3cr3t" not in page + run.out + str(run.report)


def test_a_clean_run_says_nothing_and_still_writes_its_report(new_suite: Callable[..., Suite]) -> None:
    """Besides the line at its head nothing is said of a suite that closes what it opens."""
    run = new_suite("def test_it():\n    pass\n").run()
    assert run.code == 0
    assert [line for line in run.out.splitlines() if "lastcall:" in line] == ["lastcall: scope"]
    assert run.report["leaks"] == []


def test_the_page_has_the_line_of_time(new_suite: Callable[..., Suite]) -> None:
    """Each line that opened a session has its rows, the leak among them."""
    suite = new_suite(LEAK)
    assert suite.run("--lastcall-report=html:report.html").code == 1
    history = history_in(suite.directory / "report.html")
    counts = [(site["opened"], site["closed"], site["leaked"], site["rows"]) for site in history["sites"]]
    assert counts == [(1, 0, 1, 1), (1, 1, 0, 1)]


def test_workers_of_xdist_share_one_line_of_time(new_suite: Callable[..., Suite]) -> None:
    """What both workers opened lies on it, each in its own process."""
    suite = new_suite(test_one=LEAK, test_two=LEAK)
    suite.run("-n2", "--dist=loadfile", "--lastcall-report=html:report.html")
    history = history_in(suite.directory / "report.html")
    assert len(set(history["pids"])) == 2
    assert sum(site["rows"] for site in history["sites"]) == 4
    assert sum(site["leaked"] for site in history["sites"]) == 2
