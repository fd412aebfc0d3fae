"""The pages of docs/reference are what the code says today."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOL = runpy.run_path(str(ROOT / "tools" / "reference.py"))


@pytest.mark.parametrize("name", sorted(TOOL["PAGES"]))
def test_a_page_of_the_reference_is_up_to_date(name: str) -> None:
    """Help texts, schema and docstrings are as when the page was made; else run tools/reference.py."""
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == TOOL["PAGES"][name]()
