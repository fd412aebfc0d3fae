"""Each form in which findings are written, against its schema and as its readers take it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from lastcall.check import CheckConfig, Finding, Problem, run
from lastcall.check.fixes.planning import with_plans
from lastcall.check.output import FORMS, Form, Report, Suppressed, render
from lastcall.check.text import Sources

SCHEMAS = Path(__file__).parent / "schemas"
FILES = {
    "shop/client.py": """\
import aiohttp


class Client:
    def __init__(self):
        self._session = aiohttp.ClientSession()
""",
    "shop/http.py": "import aiohttp\n\n\ndef make():\n    return aiohttp.ClientSession()\n",
    "shop/__init__.py": "",
    "shop/a b,c:é.py": """\
from shop.http import make


async def main(url):
    y = make(

    )
    await y.get(url)


async def shut():
    x = make()
    'é'; x.close()
""",
}

Make = Callable[..., Report]


@pytest.fixture
def make_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that makes a report on a project of four files, changed as told."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    def make(**changes: Any) -> Report:
        result = run(["."], CheckConfig(tests=()))
        sources = Sources()
        findings = with_plans(result.findings, sources)
        assert {one.rule for one in findings} == {"LC001", "LC002", "LC005"}
        return replace(Report(findings=findings, files=result.files, sources=sources), **changes)

    return make


def schema(name: str) -> Any:
    """Return one of the schemas beside this file."""
    return json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


def document(report: Report, form: Form) -> Any:
    """Return a report as the JSON of a form, valid by its schema."""
    made = json.loads(render(report, form))
    jsonschema.Draft202012Validator(schema(form)).validate(made)
    return made


@pytest.mark.parametrize("form", ["json", "sarif", "gitlab", "rdjson"])
def test_a_form_of_json_is_valid(make_report: Make, form: Form) -> None:
    """With findings, and without any."""
    assert document(make_report(), form)
    document(make_report(findings=()), form)


def test_json_says_all_there_is_of_each_finding(make_report: Make) -> None:
    """Place, related places, fix and name."""
    report = make_report()
    (one,) = [item for item in document(report, "json")["findings"] if item["rule"] == "LC002"]
    assert (one["path"], one["line"], one["column"], one["end_line"]) == ("shop/client.py", 6, 25, 6)
    assert one["related"] == [
        {"path": "shop/client.py", "line": 6, "column": 9, "message": "kept here, in `self._session`"}
    ]
    assert one["fix"]["applicability"] == "display"


def test_json_lines_are_the_findings_of_json(make_report: Make) -> None:
    """One a line."""
    report = make_report()
    lines = render(report, "json-lines").splitlines()
    assert [json.loads(line) for line in lines] == document(report, "json")["findings"]
    assert render(make_report(findings=()), "json-lines") == ""


def test_sarif_names_rules_places_and_fingerprints(make_report: Make) -> None:
    """Relative and escaped, with logical places, and the rule by its number."""
    (result, *_) = document(make_report(), "sarif")["runs"][0]["results"]
    driver = document(make_report(), "sarif")["runs"][0]["tool"]["driver"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = result["locations"][0]
    assert place["physicalLocation"]["artifactLocation"] == {
        "uri": "shop/a%20b,c%3A%C3%A9.py",
        "uriBaseId": "SRCROOT",
    }
    assert place["logicalLocations"] == [{"fullyQualifiedName": "main"}]
    assert re.fullmatch("[0-9a-f]{16}", result["partialFingerprints"]["lastcall/v1"])


def test_sarif_tells_of_what_is_suppressed_and_of_files_that_cannot_be_read(make_report: Make) -> None:
    """By a comment, by a baseline; a problem is a notification."""
    first, second, *_ = make_report().findings
    report = make_report(
        findings=(),
        suppressed=(Suppressed(first, "comment", "why"), Suppressed(second, "baseline")),
        problems=(Problem("shop/broken.py", "no valid Python"),),
    )
    run_ = document(report, "sarif")["runs"][0]
    assert [one["suppressions"] for one in run_["results"]] == [
        [{"kind": "inSource", "justification": "why"}],
        [{"kind": "external"}],
    ]
    (note,) = run_["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "no valid Python"


def test_sarif_has_absolute_uris_outside_of_the_directory(make_report: Make) -> None:
    """Such a path lies below no base."""
    finding = replace(make_report().findings[0], path="/other/a b.py", related=())
    result = document(make_report(findings=(finding,)), "sarif")["runs"][0]["results"][0]
    where = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert where == {"uri": "file:///other/a%20b.py"}


def test_rdjson_counts_bytes_and_makes_one_suggestion(make_report: Make) -> None:
    """Reviewdog's columns are bytes of UTF-8, and each suggestion stands for itself."""
    report = make_report()
    found = document(report, "rdjson")["diagnostics"]
    (bare,) = [one for one in found if one["code"]["value"] == "LC005"]
    assert bare["location"]["range"]["start"] == {"line": 13, "column": 11}
    assert [one.column for one in report.findings if one.rule == "LC005"] == [10]
    fixed = next(one for one in found if one["location"]["range"]["start"]["line"] == 5)
    assert fixed["suggestions"][0]["text"] == "async with make(\n\n    ) as y:\n    "


def test_gitlab_has_a_fingerprint_of_its_own_for_each(make_report: Make) -> None:
    """GitLab shows only one of those that are alike."""
    names = [one["fingerprint"] for one in document(make_report(), "gitlab")]
    assert len(names) == len(set(names))


def test_github_escapes_what_would_end_a_command(make_report: Make) -> None:
    """Colons and commas of a path, line feeds and percent signs of a message."""
    (one,) = [one for one in make_report().findings if one.rule == "LC005"]
    finding = replace(one, message="100 %\nsure", related=())
    line = render(make_report(findings=(finding,)), "github")
    assert line.startswith("::error title=LC005 close-not-awaited,file=shop/a b%2Cc%3Aé.py,line=13,")
    assert line.endswith("::100 %25%0Asure\n")


def test_junit_is_xml_with_a_failure_for_each_finding(make_report: Make) -> None:
    """Counted, grouped by file; what XML cannot hold is replaced."""
    first, *rest = make_report().findings
    report = make_report(findings=(replace(first, message="\x1b[31m <&> \ud800"), *rest))
    root = ET.fromstring(render(report, "junit"))
    cases = root.findall("./testsuite/testcase")
    assert root.get("failures") == str(len(cases)) == str(len(report.findings))
    assert [suite.get("name") for suite in root] == ["shop/a b,c:é.py", "shop/client.py"]
    assert cases[0].find("failure") is not None


def test_junit_has_one_test_that_passes_when_nothing_is_found(make_report: Make) -> None:
    """A file without tests is an error to some servers."""
    root = ET.fromstring(render(make_report(findings=()), "junit"))
    assert [case.get("name") for case in root.iter("testcase")] == ["no findings"]
    assert root.get("failures") == "0"


def test_concise_is_a_line_that_editors_understand(make_report: Make) -> None:
    """Path, line, column, code; a mark where `--fix` helps."""
    lines = render(make_report(), "concise").splitlines()
    assert lines[0].startswith("shop/a b,c:é.py:5:9: LC001 [*] ")
    assert lines[-1].startswith("shop/client.py:6:25: LC002 `Client._session`")


def test_full_shows_where_it_is_opened_and_kept_and_that_nobody_closes_it(make_report: Make) -> None:
    """In the source itself."""
    (one,) = [one for one in make_report().findings if one.rule == "LC002"]
    assert render(make_report(findings=(one,)), "full").splitlines() == [
        "shop/client.py:6:25: LC002 owner-has-no-close (error)",
        "  `Client._session` keeps this session, and nobody closes it. `Client` has no",
        "  method that could: add `aclose()` and `__aexit__()`.",
        "",
        "  6 |         self._session = aiohttp.ClientSession()",
        "    |                         ^^^^^^^^^^^^^^^^^^^^^^^ opened here",
        "    |         ------------- kept here, in `self._session`",
        "    = nobody closes it",
        "",
        "  help: add `aclose()` and `__aexit__()`; lastcall explain LC002",
    ]


def test_full_shows_places_in_other_files(make_report: Make) -> None:
    """Below those of its own."""
    text = render(make_report(), "full")
    assert "-> shop/http.py:4\n  4 | def make():\n    | -------- `make` returns a new session" in text


def test_full_says_when_it_is_not_sure(make_report: Make) -> None:
    """`high` goes without saying."""
    (one, *_) = make_report().findings
    assert "(error, medium confidence)" in render(
        make_report(findings=(replace(one, confidence="medium"),)), "full"
    )


def strange(finding: Finding, text: str) -> Finding:
    """Write a file whose name and first line are *text*, and move a finding there."""
    Path("strange.py").write_text(text, encoding="utf-8")
    return replace(finding, path="strange.py", line=1, column=4, end_line=1, end_column=5, related=())


@pytest.mark.parametrize("form", ["full", "concise"])
def test_what_a_terminal_would_obey_is_escaped(make_report: Make, form: Form) -> None:
    """Source, messages and paths come from anywhere."""
    (one, *_) = make_report().findings
    odd = replace(strange(one, "x = '\x1b[2J\x9b'\n"), message="do \x1b]0;this\x07", name="n")
    odd_path = replace(odd, path="a\nb\x1b.py")
    text = render(make_report(findings=(odd, odd_path), sources=Sources()), form)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "a\\nb\\x1b.py:1:4" in text


def test_full_marks_the_right_columns_after_tabs_and_wide_letters(make_report: Make) -> None:
    """A terminal fills two columns with one of them."""
    (one, *_) = make_report().findings
    lines = render(make_report(findings=(strange(one, "\t価格x\n"),), sources=Sources()), "full").splitlines()
    source = next(line for line in lines if "価格" in line)
    mark = lines[lines.index(source) + 1]
    assert mark.index("^") == source.index("x") + 2


def test_full_cuts_long_lines_around_the_place(make_report: Make) -> None:
    """Generated code has lines of a million letters."""
    (one, *_) = make_report().findings
    far = replace(strange(one, "x" * 5_000 + "HERE" + "y" * 5_000), column=5_001, end_column=5_005)
    lines = render(make_report(findings=(far,), sources=Sources()), "full").splitlines()
    source = next(line for line in lines if "HERE" in line)
    assert len(source) < 200
    assert lines[lines.index(source) + 1].index("^") == source.index("H")


def test_full_does_without_a_file_that_is_gone(make_report: Make) -> None:
    """It was there a moment ago."""
    (one, *_) = make_report().findings
    text = render(make_report(findings=(replace(one, path="gone.py", related=()),)), "full")
    assert text.startswith("gone.py:5:9: LC001")


def test_colors_are_only_used_when_they_are_wanted(make_report: Make) -> None:
    """And change no letter."""
    report = make_report()
    colored = render(report, "full", color=True)
    assert "\x1b[" in colored
    plain = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in plain.splitlines()] == render(report, "full").splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_ends_its_last_line(make_report: Make, form: Form) -> None:
    """So that a prompt or another file can follow."""
    assert render(make_report(), form).endswith("\n")
