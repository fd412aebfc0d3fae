"""Rules in code, in docs/rules, in the changelog and in the samples are the same."""

import runpy
from pathlib import Path

import pytest

from lastcall.check import RULES

ROOT = Path(__file__).resolve().parents[3]
PAGES = runpy.run_path(str(ROOT / "tools" / "rules.py"))["pages"]()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_of_the_rules_is_up_to_date(name: str) -> None:
    """It is as when it was made from the rule; else run tools/rules.py."""
    assert (ROOT / "docs" / "rules" / name).read_text(encoding="utf-8") == PAGES[name]


def test_there_is_no_page_of_a_rule_that_is_gone() -> None:
    """What lies in the folder is what would be made."""
    assert {path.name for path in (ROOT / "docs" / "rules").iterdir()} == set(PAGES)


def test_the_changelog_names_every_rule() -> None:
    """Code and name, so that a reader of either finds it."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert not [rule.code for rule in RULES if f"{rule.code} {rule.name}" not in " ".join(text.split())]


def test_the_guide_links_to_the_rules_and_names_each_family() -> None:
    """A reader of the guide finds the table."""
    assert "../rules/index.md" in (ROOT / "docs" / "howto" / "check.md").read_text(encoding="utf-8")
