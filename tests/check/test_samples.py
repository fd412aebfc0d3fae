"""Every annotated sample gets the findings written on its lines, and no other."""

import re
from pathlib import Path

import pytest

from lastcall.check import BY_CODE, RULES, CheckConfig, Rule, run

SAMPLES = Path(__file__).parent / "samples"
EXPECTED = re.compile(r"#\s*expect:\s*(?P<all>LC\d{3}(?: medium)?(?:, LC\d{3}(?: medium)?)*)")

CASES = sorted(
    path for path in SAMPLES.iterdir() if path.stem.endswith(("_leak", "_clean")) and path.suffix != ".toml"
)

BY_ANOTHER_ROOM = {"LC090", "LC091"}
"""Rules about ignore comments, which are read where findings are shown."""


def config_for(path: Path) -> CheckConfig:
    """Return the settings for a sample: its own, if it is a directory that has some."""
    settings = (
        CheckConfig.load(path) if path.is_dir() and (path / "pyproject.toml").exists() else CheckConfig()
    )
    return settings.replace(tests=(), exclude=())


def expectations(path: Path) -> set[tuple[str, int, str, str]]:
    """Return the path, line, code and confidence of every expectation in a sample."""
    found = set()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = EXPECTED.search(line)
            for text in match["all"].split(", ") if match else ():
                code, _, confidence = text.partition(" ")
                found.add((file.name, number, code, confidence or "high"))
    return found


def findings(path: Path) -> set[tuple[str, int, str, str]]:
    """Return what the checker says of a sample, in the same form."""
    result = run([path], config_for(path))
    assert not result.problems
    return {(Path(one.path).name, one.line, one.rule, one.confidence) for one in result.findings}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_sample_gets_exactly_what_it_expects(path: Path) -> None:
    """No finding is missing, none is too much; churn at medium is left out of samples about other rules."""
    expected = expectations(path)
    found = findings(path)
    churn = {one for one in found if one[2] in {"LC050", "LC004", "LC021"} and one[3] == "medium"}
    assert found - (churn - expected) == expected


@pytest.mark.parametrize(
    "path", [path for path in CASES if path.stem.endswith("_clean")], ids=lambda path: path.stem
)
def test_a_clean_twin_expects_nothing(path: Path) -> None:
    """What is called clean has no expectation in it, so that the test above means something."""
    assert not expectations(path)


def test_every_rule_has_a_leaking_sample_and_a_clean_twin() -> None:
    """Each rule is expected somewhere, and each leaking sample has its twin."""
    names = {path.stem for path in CASES}
    leaking = {name for name in names if name.endswith("_leak")}
    assert {name.replace("_leak", "_clean") for name in leaking} <= names
    expected = {code for path in CASES for _, _, code, _ in expectations(path)}
    assert expected == BY_CODE.keys() - BY_ANOTHER_ROOM


IMPORTS = """\
import asyncio
import atexit
import multiprocessing
import warnings

import aiohttp
import lastcall
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

"""


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.code not in BY_ANOTHER_ROOM], ids=lambda rule: rule.code
)
@pytest.mark.parametrize("form", ["wrong", "right"])
def test_a_rule_finds_its_own_wrong_example_and_not_the_right_one(
    rule: Rule, form: str, tmp_path: Path
) -> None:
    """The examples that explain a rule are true."""
    text = getattr(rule, form)
    if form == "right" and text.startswith("async with"):
        text = "async def main():\n" + "".join(f"    {line}\n" for line in text.splitlines())
    file = tmp_path / "example.py"
    file.write_text(IMPORTS + text, encoding="utf-8")
    found = {
        one.rule
        for one in run([file], CheckConfig(tests=())).findings
        if form == "wrong" or one.confidence == "high"
    }
    if form == "wrong":
        assert rule.code in found
    else:
        assert not found & ({rule.code} | {"LC001", "LC002", "LC003"})
