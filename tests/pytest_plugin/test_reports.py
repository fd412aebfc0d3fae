"""Reports in files: the whole run in the form that `lastcall run` writes."""

from __future__ import annotations

from collections.abc import Callable

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
