"""The page as text: what may be in it, and what must not."""

import json
import re
from typing import Any

from lastcall.ledger import Report
from lastcall.ledger.history import merge_histories
from lastcall.ledger.report import as_html

from .stories import MARKUP, recorded, report


def data_of(page: str) -> dict[str, Any]:
    """Return what the page shows."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_page_is_the_report_and_its_history() -> None:
    """What the JSON report says is in it as it is, beside the sessions' rows."""
    part = recorded(40)
    told = report(part)
    data = data_of(as_html(told, merge_histories([part]), of="app.py"))
    history = data.pop("history")
    assert data.pop("of") == "app.py"
    assert data == told.to_json()
    assert sum(site["rows"] for site in history["sites"]) == 40


def test_a_report_without_a_history_is_a_page() -> None:
    """Reports that were merged from JSON have none."""
    assert data_of(as_html(report(recorded(40))))["history"] is None
    assert data_of(as_html(Report()))["leaks"] == []


def test_nothing_in_the_page_is_loaded_or_run_from_elsewhere() -> None:
    """Its policy allows the one script and the one style sheet that are in it, and no address is named."""
    page = as_html(report(recorded(40)), merge_histories([recorded(40)]))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert "connect-src" not in policy[1]
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)


def test_data_never_become_markup() -> None:
    """Not in the data, and not in the text for those without JavaScript."""
    page = as_html(report(recorded(400)), of="</title><script>alert(1)</script>")
    assert MARKUP not in page
    assert "alert(1)</script>" not in page


def test_without_javascript_the_text_is_there() -> None:
    """Who allows no scripts reads what the terminal says."""
    page = as_html(report(recorded(400)))
    noscript = page[page.index("<noscript>") : page.index("</noscript>")]
    assert "app/clients/fetch_0.py:10 in Client.fetch" in noscript
