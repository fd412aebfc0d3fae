"""
Every example in README and docs is executed.

What a fence's info string means here:

- `python`: run as it stands, as a program of its own, and must exit 0.
- `python title="app.py"`: written to the document's scratch folder, for a console fence to run.
- `console`: each line that begins with `$ ` is run there; the lines below it are what it prints, with
  numbers free (times, ports, names differ from run to run) and a line `...` for anything left out.
- `json`, `toml`: must parse.
- `sh`: set-up by hand (installing, make); a make target it names must exist.

`https://api.example.com` stands for a loopback server that answers any path with a small JSON object.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from lastcall.testing import LoopbackServer

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").rglob("*.md")])
EXAMPLE_HOST = "https://api.example.com"
SECONDS = 30


@dataclass(frozen=True)
class Fence:
    """One fenced block of a document."""

    language: str
    title: str | None
    text: str
    line: int
    """Of the opening fence, counted from one."""


def fences(path: Path) -> list[Fence]:
    """Return the fenced blocks of a Markdown file, in order."""
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(
        r"^(?P<indent> *)```(?P<language>[\w-]*)(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$",
        re.MULTILINE | re.DOTALL,
    )
    found = []
    for match in pattern.finditer(text):
        title = re.search(r'title="([^"]+)"', match["info"])
        body = re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Fence(match["language"], title and title[1], body, line))
    return found


def headings(path: Path) -> list[int]:
    """Return the levels of the headings of a Markdown file, code left out."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [len(match[1]) for match in re.finditer(r"^(#+) ", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """Give the address of a server that answers any path, in place of `https://api.example.com`."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path, "login": "octocat", "items": []})

    def application() -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    with LoopbackServer(application) as server:
        yield str(server.url).rstrip("/")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_document_run(path: Path, api: str, tmp_path: Path) -> None:
    """Each example does what the text says, in the order a reader meets them."""
    for fence in fences(path):
        where = f"{path.relative_to(ROOT)}:{fence.line}"
        text = fence.text.replace(EXAMPLE_HOST, api)
        if fence.title:
            (tmp_path / fence.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / fence.title).write_text(text, encoding="utf-8")
        elif fence.language == "python":
            done = run([sys.executable, "-c", text], tmp_path)
            assert done.returncode == 0, f"{where}:\n{done.stdout}"
        elif fence.language == "console":
            run_console(text, tmp_path, where)
        elif fence.language == "json":
            json.loads(text)
        elif fence.language == "toml":
            tomllib.loads(text)
        elif fence.language == "sh":
            check_make_targets(text, where)


def test_every_fence_says_its_language() -> None:
    """A fence without a language would escape execution unnoticed."""
    known = {"python", "console", "json", "toml", "sh", "text", "yaml"}
    unknown = [
        f"{path.name}:{fence.line}"
        for path in DOCUMENTS
        for fence in fences(path)
        if fence.language not in known
    ]
    assert not unknown


def test_the_two_readmes_have_the_same_headings_and_code() -> None:
    """A change to one README is made in the other: heading levels and code are equal."""
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert headings(english) == headings(chinese)
    assert [code(fence) for fence in fences(english)] == [code(fence) for fence in fences(chinese)]


def code(fence: Fence) -> tuple[str, str]:
    """Return what must agree between translations: comments and the prose of text fences may differ."""
    if fence.language == "text":
        return fence.language, ""
    return fence.language, re.sub(r" *#.*", "", fence.text)


def test_links_between_documents_lead_somewhere() -> None:
    """A relative link names a file that exists."""
    broken = [
        f"{path.name}: {target}"
        for path in [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert not broken


def check_make_targets(text: str, where: str) -> None:
    """Fail if a document tells people to make a target that the Makefile lacks."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{where}: no make target {target}"


def run_console(text: str, folder: Path, where: str) -> None:
    """Run each `$ ` line of a console fence and compare what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        done = run(["sh", "-c", command], folder)
        assert matches(expected, done.stdout), (
            f"{where}: $ {command}\n--- expected\n{expected}\n--- printed\n{done.stdout}"
        )


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in the scratch folder, its two streams in one, this environment's commands first."""
    env = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    env.pop("CI", None)  # where pytest finds it, it shortens nothing
    return subprocess.run(
        command, cwd=folder, env=env, text=True, timeout=SECONDS, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def matches(expected: str, printed: str) -> bool:
    """Tell whether the output is as written, numbers free and `...` lines standing for any lines."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else loosen(line) + r"\n"
    return bool(re.fullmatch(pattern, printed.rstrip("\n") + "\n"))


def loosen(line: str) -> str:
    """Return a pattern for one line in which numbers, units of time and the width of blanks may differ."""
    varying = re.compile(r"(?P<time>\d[\d.,]* m?s\b)|(?P<number>\b[0-9a-f]{8,}\b|\d[\d.,:]*)|(?P<blank>\s+)")
    free = {"time": r"[\d.,]+ m?s", "number": r"[\d.,:a-f]+", "blank": r"\s+"}
    pattern, end = "", 0
    for match in varying.finditer(line.rstrip()):
        pattern += re.escape(line[end : match.start()]) + free[str(match.lastgroup)]
        end = match.end()
    return pattern + re.escape(line.rstrip()[end:]) + r"[ \t]*"


def test_the_comparison_itself_can_fail() -> None:
    """Different words do not match, different numbers do, and `...` stands for lines only."""
    assert matches("took 1.2 s at 10:11\n...\nend", "took 3.4 s at 22:00\nmore\nand more\nend")
    assert not matches("took 1 s", "lost 1 s")
    assert not matches("one\n...", "two\nthree")


def test_shell_commands_in_console_fences_are_quoted_well() -> None:
    """A command that a shell cannot read would be skipped by a reader and by nobody else."""
    for path in DOCUMENTS:
        for fence in fences(path):
            if fence.language == "console":
                for command in re.findall(r"^\$ (.*)$", fence.text, re.MULTILINE):
                    assert shlex.split(command)
