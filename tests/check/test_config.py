"""Settings are read from pyproject.toml, and wrong ones are answered by a sentence."""

from pathlib import Path
from typing import Any

import pytest

from lastcall.check import CheckConfig, ConfigError, UnknownRuleError, run


def test_the_table_becomes_the_configuration(tmp_path: Path) -> None:
    """Keys are written with hyphens; the file's directory is the root."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.lastcall.check]\nselect = ["LC00"]\nsession-types = ["a.B"]\nconfidence = "medium"\n'
        'severity = {LC001 = "info"}\nrequire-reason = true\n',
        encoding="utf-8",
    )
    (tmp_path / "src").mkdir()
    config = CheckConfig.load(tmp_path / "src")
    assert config == CheckConfig(
        select=("LC00",),
        session_types=("a.B",),
        confidence="medium",
        severity={"LC001": "info"},
        require_reason=True,
        root=str(tmp_path),
    )


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """A file without our table changes nothing but the root."""
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    assert CheckConfig.load(tmp_path) == CheckConfig(root=str(tmp_path))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"selct": ["LC001"]}, "unknown key 'selct'. Did you mean 'select'?"),
        ({"select": "LC001"}, "select has to be a list of strings"),
        ({"confidence": "low"}, 'confidence has to be "high" or "medium"'),
        ({"severity": {"LC001": "bad"}}, "severity has to map rules"),
        ({"require-reason": 1}, "require-reason has to be true or false"),
    ],
)
def test_a_wrong_setting_is_answered_by_a_sentence(table: dict[str, Any], words: str) -> None:
    """The sentence names the key, and what it may be."""
    with pytest.raises(ConfigError, match=words):
        CheckConfig.from_table(table)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    """The error says which file."""
    (tmp_path / "pyproject.toml").write_text("[tool.lastcall", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        CheckConfig.load(tmp_path)


def test_a_model_that_is_not_shipped_is_refused(tmp_path: Path) -> None:
    """The sentence says which there are."""
    with pytest.raises(ConfigError, match=r"no model 'htpx'; there are .*httpx"):
        run([tmp_path], CheckConfig(models=("htpx",)))


def test_a_rule_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """The sentence says which one was probably meant."""
    with pytest.raises(UnknownRuleError, match="Did you mean 'sync-with'"):
        run([tmp_path], CheckConfig(select=("sync-wit",)))


def test_severities_can_be_changed(tmp_path: Path) -> None:
    """By code or by name."""
    (tmp_path / "a.py").write_text(
        "import aiohttp\nasync def f():\n    aiohttp.ClientSession()\n", encoding="utf-8"
    )
    config = CheckConfig(severity={"session-never-closed": "info"})
    assert [one.severity for one in run([tmp_path], config).findings] == ["info"]


def test_findings_in_tests_are_medium(tmp_path: Path) -> None:
    """A leak in a test or example is worth an audit, not an alarm."""
    text = "import aiohttp\nasync def f():\n    aiohttp.ClientSession()\n"
    (tmp_path / "test_a.py").write_text(text, encoding="utf-8")
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    config = CheckConfig(root=str(tmp_path))
    found = {Path(one.path).name: one.confidence for one in run([tmp_path], config).findings}
    assert found == {"test_a.py": "medium", "a.py": "high"}
