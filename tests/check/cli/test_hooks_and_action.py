"""The definitions for pre-commit and GitHub Actions run what they say."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from lastcall.check.flake8 import LOCAL

ROOT = Path(__file__).resolve().parents[3]
LEAK = "import aiohttp\n\n\nasync def f():\n    with aiohttp.ClientSession() as s:\n        print(s)\n"


def load(name: str) -> Any:
    """Return a YAML file of the repository."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def environment(**more: str) -> dict[str, str]:
    """Return this environment, with its own commands first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, **more}


def test_each_hook_finds_a_mistake(tmp_path: Path) -> None:
    """The one without file names, the other with those of the commit."""
    (tmp_path / "a.py").write_text(LEAK, encoding="utf-8")
    for hook in load(".pre-commit-hooks.yaml"):
        files = ["a.py"] if hook.get("pass_filenames", True) else []
        done = subprocess.run(
            [*shlex.split(hook["entry"]), *files],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, "LC031" in done.stdout) == (1, True), done.stderr
        assert hook["require_serial"]


def test_the_hook_for_files_has_the_rules_that_one_file_can_decide() -> None:
    """LC001 is among them for a plugin that leaves kept sessions out, not for a hook."""
    _, files = load(".pre-commit-hooks.yaml")
    assert set(files["entry"].rpartition(" ")[2].split(",")) == LOCAL - {"LC001"}


def test_the_action_annotates_and_writes_sarif(tmp_path: Path) -> None:
    """Its own script, with inputs that hold several words."""
    (tmp_path / "a.py").write_text(LEAK, encoding="utf-8")
    (tmp_path / "b.py").write_text("x = 1\n", encoding="utf-8")
    action = load("action.yml")
    check = action["runs"]["steps"][-1]
    assert set(check["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    done = subprocess.run(
        ["bash", "-e", "-c", check["run"]],
        cwd=tmp_path,
        env=environment(PATHS="a.py b.py", ARGS="--select LC031 --no-cache", SARIF_FILE="out.sarif"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=LC031 sync-with,file=a.py,line=5,")
    assert '"ruleId": "LC031"' in (tmp_path / "out.sarif").read_text(encoding="utf-8")
