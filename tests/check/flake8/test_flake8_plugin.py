"""The plugin under flake8 itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from lastcall.check import BY_CODE
from lastcall.check.flake8 import LOCAL

TEXT = """\
import aiohttp


async def leak(url):
    "é"; session = aiohttp.ClientSession()
    await session.get(url)


async def ignored(url):
    session = aiohttp.ClientSession()  # lastcall: ignore[LC001] -- kept
    other = aiohttp.ClientSession()  # noqa: LC001
    await session.get(url)
    await other.get(url)


class Client:
    def __init__(self):
        self._session = aiohttp.ClientSession()


_kept = None


def shared():
    global _kept
    _kept = aiohttp.ClientSession()
    return _kept


async def shut(session: aiohttp.ClientSession):
    session.close()
"""


def flake8(folder: Path, *arguments: str, text: str | None = None) -> list[str]:
    """Return the lines that flake8 prints of our codes."""
    done = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--select=LC", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_what_one_file_can_prove_is_told(tmp_path: Path) -> None:
    """Not what another file may close; ignore comments and noqa are heard; columns are characters."""
    (tmp_path / "shop.py").write_text(TEXT, encoding="utf-8")
    found = [line.split(" ")[:2] for line in flake8(tmp_path, "shop.py")]
    assert found == [["shop.py:5:20:", "LC001"], ["shop.py:31:5:", "LC005"]]


def test_stdin_is_checked(tmp_path: Path) -> None:
    """As editors do it."""
    found = [line.split(" ")[1] for line in flake8(tmp_path, "-", text=TEXT)]
    assert found == ["LC001", "LC005"]


@pytest.mark.parametrize("name", ["test_shop.py", "tests/shop.py"])
def test_tests_are_let_off(tmp_path: Path, name: str) -> None:
    """Findings there are medium, and the plugin tells only what is high."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(TEXT, encoding="utf-8")
    assert flake8(tmp_path, name) == []


def test_settings_of_the_project_apply(tmp_path: Path) -> None:
    """What it ignores is ignored here, too."""
    (tmp_path / "pyproject.toml").write_text('[tool.lastcall.check]\nignore = ["LC001"]\n', encoding="utf-8")
    (tmp_path / "shop.py").write_text(TEXT, encoding="utf-8")
    assert [line.split(" ")[1] for line in flake8(tmp_path, "shop.py")] == ["LC005"]


def test_local_rules_exist() -> None:
    """No code is misspelt."""
    assert set(BY_CODE) >= LOCAL
