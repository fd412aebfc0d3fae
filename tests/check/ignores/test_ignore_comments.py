"""Comments that ignore findings, and findings about such comments."""

from pathlib import Path

import pytest

from lastcall.check import CheckConfig, run
from lastcall.check.fixes.edits import apply_edits
from lastcall.check.ignores import settle_ignores
from lastcall.check.settled import Settled

HEAD = "import aiohttp\n\n\nasync def main():\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settled(text: str, **settings: object) -> Settled:
    """Return what is left of the findings in a file with this text."""
    Path("a.py").write_text(text, encoding="utf-8")
    config = CheckConfig().replace(tests=(), **settings)
    return settle_ignores(run(["a.py"], config), config)


def codes(text: str, **settings: object) -> list[tuple[str, int]]:
    """Return rule and line of what is left."""
    return [(one.rule, one.line) for one in settled(text, **settings).findings]


@pytest.mark.parametrize(
    "body",
    [
        "    s = aiohttp.ClientSession()  # lastcall: ignore[LC001] -- closed elsewhere\n",
        "    s = aiohttp.ClientSession()  # lastcall: ignore[session-never-closed]\n",
        "    s = aiohttp.ClientSession()  # lastcall:ignore[lc001,LC003]\n",
        "    s = aiohttp.ClientSession()  # type: ignore  # lastcall: ignore[LC001] -- x  # more\n",
        "    # lastcall: ignore[LC001] -- the statement below\n    s = aiohttp.ClientSession()\n",
        "    # lastcall: ignore[LC001]\n\n    # and a word\n    s = aiohttp.ClientSession(\n        x=1)\n",
        "    s = aiohttp.ClientSession(\n        x=1,\n    )  # lastcall: ignore[LC001]\n",
        "    s = aiohttp.ClientSession(  # lastcall: ignore[LC001]\n        x=1,\n    )\n",
        "    s = take(\n        # lastcall: ignore[LC001]\n        aiohttp.ClientSession(),\n    )\n",
        "    s = aiohttp.ClientSession()  # noqa: LC001\n",
        "    s = aiohttp.ClientSession()  # noqa : E501,LC001 because\n",
    ],
)
def test_a_comment_ignores_what_it_names(body: str) -> None:
    """On the line, above the statement, at its end, by code or name, and as noqa."""
    left = settled(f"{HEAD}{body}    await s.get('x')\n")
    assert not [one for one in left.findings if one.rule == "LC001"]
    assert [one.rule for one, _ in left.ignored] == ["LC001"]


@pytest.mark.parametrize(
    "comment",
    [
        "# lastcall: ignore-file[LC001] -- scripts",
        "# ruff: noqa: LC001",
        "# flake8: noqa: E501, LC001",
    ],
)
def test_a_comment_for_the_file_ignores_in_all_of_it(comment: str) -> None:
    """Wherever in the file it stands."""
    body = "    s = aiohttp.ClientSession()\n    await s.get('x')\n"
    assert codes(f"{HEAD}{body}\n\n{comment}\n") == []


@pytest.mark.parametrize(
    "body",
    [
        "    s = aiohttp.ClientSession()  # lastcall: ignore[LC002]\n",
        "    # lastcall: ignore[LC001]\n    x = 1\n    s = aiohttp.ClientSession()\n",
        "    s = aiohttp.ClientSession()\n    # lastcall: ignore[LC001]\n",
        "    s = aiohttp.ClientSession()  # noqa: E501\n",
        "    t = '# lastcall: ignore[LC001]'; s = aiohttp.ClientSession()\n",
    ],
)
def test_other_comments_ignore_nothing(body: str) -> None:
    """Another rule, another line, a string."""
    assert "LC001" in [code for code, _ in codes(f"{HEAD}{body}    await s.get('x')\n")]


def test_the_reason_is_kept_for_those_who_report_it() -> None:
    """It is what stands after two dashes, up to the next comment."""
    body = "    s = aiohttp.ClientSession()  # lastcall: ignore[LC001] -- see #12, by us  # pragma: x\n"
    assert [why for _, why in settled(f"{HEAD}{body}    await s.get('x')\n").ignored] == ["see #12, by us"]


def test_a_reason_may_be_required() -> None:
    """Without one the finding stays, and says what is missing."""
    body = "    s = aiohttp.ClientSession()  # lastcall: ignore[LC001]\n    await s.get('x')\n"
    (one,) = settled(HEAD + body, require_reason=True).findings
    assert one.rule == "LC001"
    assert "reason" in one.related[-1].message
    assert codes(HEAD + body.replace("[LC001]", "[LC001] -- why"), require_reason=True) == []


def test_a_comment_that_ignores_nothing_is_a_finding() -> None:
    """One for each comment, whether it is ours or noqa."""
    text = "x = 1  # lastcall: ignore[LC001, LC002] -- y\nx = 2  # noqa: E501, LC001\nx = 3  # noqa: E501\n"
    left = settled(text)
    assert [(one.rule, one.line, one.column) for one in left.findings] == [("LC090", 1, 27), ("LC090", 2, 22)]
    assert "`LC001` and `LC002`" in left.findings[0].message


def test_only_rules_that_were_applied_can_be_unused() -> None:
    """A run with fewer rules must not call the others' comments needless."""
    text = "x = 1  # lastcall: ignore[LC001, LC003]\n"
    assert codes(text, select=("LC003", "LC090")) == [("LC090", 1)]
    assert codes(text, ignore=("LC090",)) == []


@pytest.mark.parametrize("name", ["LC0O1", "LC999", "session-never-close", "", " , "])
def test_a_comment_that_names_no_rule_is_a_finding(name: str) -> None:
    """With what was probably meant, if that can be told."""
    (one,) = settled(f"x = 1  # lastcall: ignore[{name}] -- y\n").findings
    assert one.rule == "LC091"
    assert ("Did you mean 'session-never-closed'" in one.message) == (name == "session-never-close")


def test_a_comment_without_names_is_a_finding() -> None:
    """To ignore everything would hide tomorrow's mistakes."""
    assert codes("x = 1  # lastcall: ignore\n") == [("LC091", 1)]


def test_findings_about_comments_can_be_ignored_too() -> None:
    """As for generated files."""
    assert codes("x = 1  # lastcall: ignore[LC001, LC090] -- generated\n") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # lastcall: ignore[LC001] -- y\n", "x = 1\n"),
        ("# lastcall: ignore[LC001]\nx = 1\n", "x = 1\n"),
        ("x = 1  # lastcall: ignore[LC001]  # pragma: no cover\n", "x = 1  # pragma: no cover\n"),
        ("x = 1  # pragma: no cover  # lastcall: ignore[LC001]\n", "x = 1  # pragma: no cover\n"),
        ("x = 1  # noqa: E501, LC001\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: LC001\n", "x = 1\n"),
        ("é = 1  # lastcall: ignore[LC0O1, LC090]\n", "é = 1  # lastcall: ignore[LC090]\n"),
    ],
)
def test_the_fix_takes_away_what_ignores_nothing(before: str, after: str) -> None:
    """And leaves other comments, and other codes, as they are."""
    (one,) = settled(before).findings
    assert one.fix is not None
    assert one.fix.applicability == "safe"
    assert apply_edits(before, one.fix.edits) == after


def test_a_file_that_does_not_parse_has_no_comments() -> None:
    """It is reported as a problem, once."""
    assert codes("def (:  # lastcall: ignore[LC001]\n") == []
