"""What a finding carries, beside its rule and line."""

from pathlib import Path

import pytest

from lastcall.check import RULES, CheckConfig, find_rule, run, selected_codes

FIELD = """\
import aiohttp


class Client:
    def __init__(self):
        self._session = aiohttp.ClientSession()
"""


def fingerprints(folder: Path, text: str) -> list[str]:
    """Return the names of the findings in a file with this text."""
    (folder / "client.py").write_text(text, encoding="utf-8")
    return [one.fingerprint for one in run([folder]).findings]


def test_a_finding_says_where_what_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Place, symbol, subject, message and where the session is kept."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "client.py").write_text(FIELD, encoding="utf-8")
    (one,) = run(["."]).findings
    assert (one.path, one.line, one.column, one.end_line, one.end_column) == ("client.py", 6, 25, 6, 48)
    assert (one.rule, one.name, one.severity, one.confidence) == (
        "LC002",
        "owner-has-no-close",
        "error",
        "high",
    )
    assert (one.symbol, one.subject) == ("Client.__init__", "self._session")
    assert "`Client._session` keeps this session" in one.message
    assert [(note.path, note.line, note.message) for note in one.related] == [
        ("client.py", 6, "kept here, in `self._session`")
    ]


def test_a_fingerprint_survives_lines_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line number is part of it."""
    monkeypatch.chdir(tmp_path)
    assert fingerprints(tmp_path, FIELD) == fingerprints(tmp_path, "\n\n# more\n" + FIELD)


def test_alike_findings_have_different_fingerprints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines alike in one function are told apart by their order."""
    monkeypatch.chdir(tmp_path)
    text = "import aiohttp\nasync def f():\n    aiohttp.ClientSession()\n    aiohttp.ClientSession()\n"
    names = fingerprints(tmp_path, text)
    assert len(names) == len(set(names)) == 2


def test_files_with_comments_for_us_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not a session is opened in them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("x = 1  # lastcall: ignore[LC001] -- nothing\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("x = 1  # noqa: LC001\n", encoding="utf-8")
    (tmp_path / "c.py").write_text("x = 1  # noqa: E501\n", encoding="utf-8")
    assert run(["."], cache=tmp_path / "cache").commented == ("a.py", "b.py")
    assert run(["."], cache=tmp_path / "cache").commented == ("a.py", "b.py")


def test_only_selected_rules_are_found(tmp_path: Path) -> None:
    """`select` and `ignore` work on codes, names and beginnings of codes."""
    (tmp_path / "client.py").write_text(FIELD, encoding="utf-8")
    assert not run([tmp_path], CheckConfig(select=("LC001",))).findings
    assert not run([tmp_path], CheckConfig(ignore=("owner-has-no-close",))).findings
    assert run([tmp_path], CheckConfig(select=("LC00",))).findings


def test_codes_and_names_are_unique_and_in_order() -> None:
    """A code stands for one rule for ever."""
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(find_rule(rule.name) is find_rule(rule.code.lower()) is rule for rule in RULES)


def test_selection_expands_and_ignore_wins() -> None:
    """Beginnings of codes, names and ALL."""
    assert selected_codes(["LC03"], ["LC031"]) == {"LC030", "LC032", "LC033"}
    assert selected_codes(["all"]) == {rule.code for rule in RULES}
    assert selected_codes() == {rule.code for rule in RULES if rule.on}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_explains_itself(rule) -> None:  # type: ignore[no-untyped-def]
    """Every rule has its words, in sentences."""
    assert rule.summary.endswith(".")
    assert rule.why.endswith(".")
    assert len(rule.summary) < 110
