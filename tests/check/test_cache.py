"""Facts kept between runs change nothing but the time."""

import json
from pathlib import Path

import pytest

from lastcall.check import CheckConfig, Result, run
from lastcall.check import scan as scanning

LEAK = (
    "import aiohttp\n\n\nasync def f():\n    session = aiohttp.ClientSession()\n    await session.get('x')\n"
)
CLEAN = LEAK.replace("    session = ", "    async with ").replace(
    "ClientSession()\n", "ClientSession() as session:\n    "
)


def project(folder: Path) -> Path:
    """Write a project with a leak in one file, a clean one, and one without sessions."""
    (folder / "leak.py").write_text(LEAK, encoding="utf-8")
    (folder / "clean.py").write_text(CLEAN, encoding="utf-8")
    (folder / "other.py").write_text("x = 1\n", encoding="utf-8")
    return folder


def check(folder: Path, **changes: object) -> Result:
    """Check a project with its cache beside it."""
    return run([folder], CheckConfig(root=str(folder)).replace(**changes), cache=folder / ".cache")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the module of every file parsed from here on."""
    modules: list[str] = []
    extract = scanning._extract

    def counted(job: scanning._Job) -> object:
        modules.append(job.module)
        return extract(job)

    monkeypatch.setattr(scanning, "_extract", counted)
    return modules


def test_a_second_run_says_the_same_and_parses_nothing(tmp_path: Path, parsed: list[str]) -> None:
    """The result of an unchanged project is kept as a whole."""
    project(tmp_path)
    first = check(tmp_path)
    del parsed[:]
    assert check(tmp_path) == first
    assert not parsed


def test_only_what_changed_is_parsed_again(tmp_path: Path, parsed: list[str]) -> None:
    """A change of one file leaves the facts of the others."""
    project(tmp_path)
    check(tmp_path)
    del parsed[:]
    (tmp_path / "leak.py").write_text("\n" + LEAK, encoding="utf-8")
    assert [one.line for one in check(tmp_path).findings if one.rule == "LC001"] == [6]
    assert parsed == ["leak"]


def test_a_file_touched_but_not_changed_is_known_by_its_content(tmp_path: Path, parsed: list[str]) -> None:
    """A checkout gives files new times; what they say is the same."""
    project(tmp_path)
    check(tmp_path)
    del parsed[:]
    (tmp_path / "leak.py").write_text(LEAK, encoding="utf-8")
    assert [one.rule for one in check(tmp_path).findings if one.confidence == "high"] == ["LC001"]
    assert not parsed


def test_a_session_that_comes_to_a_file_is_seen(tmp_path: Path) -> None:
    """A file that held nothing is read again when it changed."""
    project(tmp_path)
    check(tmp_path)
    (tmp_path / "other.py").write_text(LEAK, encoding="utf-8")
    assert [Path(one.path).name for one in check(tmp_path).findings if one.rule == "LC001"] == [
        "leak.py",
        "other.py",
    ]


def test_a_file_that_is_gone_takes_its_findings_along(tmp_path: Path) -> None:
    """Nothing is said of what was deleted."""
    project(tmp_path)
    check(tmp_path)
    (tmp_path / "leak.py").unlink()
    assert not [one for one in check(tmp_path).findings if one.rule == "LC001"]


def test_other_settings_are_another_result(tmp_path: Path) -> None:
    """A rule ignored once is found again when it is not."""
    project(tmp_path)
    assert not [one for one in check(tmp_path, ignore=("LC001",)).findings if one.rule == "LC001"]
    assert [one for one in check(tmp_path).findings if one.rule == "LC001"]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"tag": 1}', '{"tag": "", "files": {"a": [1]}}', "\x00\xff"]
)
def test_a_damaged_cache_is_no_cache(tmp_path: Path, damage: str) -> None:
    """Whatever stands in the files, the run is that without a cache."""
    project(tmp_path)
    first = check(tmp_path)
    for path in (tmp_path / ".cache").glob("*.json"):
        path.write_text(damage, encoding="utf-8")
    assert check(tmp_path) == first


def test_facts_of_the_wrong_shape_are_no_facts(tmp_path: Path) -> None:
    """Rows that our own version would not have written are not believed."""
    project(tmp_path)
    first = check(tmp_path)
    for path in (tmp_path / ".cache").glob("facts-*.json"):
        data = json.loads(path.read_bytes())
        for row in data["files"].values():
            row[6:] = [[1, 2, 3]] if len(row) > 6 else []
        path.write_text(json.dumps(data), encoding="utf-8")
    for path in (tmp_path / ".cache").glob("result-*.json"):
        path.unlink()
    assert check(tmp_path) == first


def test_the_cache_is_left_out_of_repositories(tmp_path: Path) -> None:
    """The directory ignores itself."""
    project(tmp_path)
    check(tmp_path)
    assert (tmp_path / ".cache" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    project(tmp_path)
    (tmp_path / "taken").touch()
    result = run([tmp_path], CheckConfig(root=str(tmp_path)), cache=tmp_path / "taken" / "cache")
    assert [one.rule for one in result.findings if one.confidence == "high"] == ["LC001"]
