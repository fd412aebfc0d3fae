"""Take every `async with` on a session in this repository apart, mend it, and compare."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastcall.check import CheckConfig
from lastcall.check.fixes.mending import mend
from lastcall.check.fixes.overlay import Overlay
from lastcall.check.fixes.source import Source

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("src", "tests", "examples", "benchmarks")
MENDED = 0.85
"""At least this share of what is taken apart is put together again."""


def candidates() -> list[Path]:
    """Return the files of this repository that enter a session with `async with`."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in files if "ClientSession(" in path.read_text(encoding="utf-8")]


def taken_apart(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the file with one `async with` flattened, and whether nothing followed it in its block."""
    source = Source(text)
    for node in ast.walk(source.tree):
        match node:
            case ast.AsyncWith(items=[ast.withitem(ast.Call() as call, ast.Name(name))], body=[first, *_]):
                pass
            case _:
                continue
        block = source.block(node)
        if not ast.unparse(call.func).endswith("ClientSession") or block is None:
            continue
        indent = source.indent(node)
        last = source.end(node)[0]
        depth = len(source.indent(first)) - len(indent)
        body = [
            source.lines[line - 1] if line in source.inside_strings else source.lines[line - 1][depth:]
            for line in range(first.lineno, last + 1)
        ]
        head = f"{indent}{name} = {source.text(call)}"
        lines = [*source.lines[: node.lineno - 1], *head.split("\n"), *body, *source.lines[last:]]
        yield "\n".join(lines), block[-1] is node


def mended(text: str, folder: Path) -> str | None:
    """Return the file as `--fix` leaves it, which may be as it is; None if nothing is wrong with it."""
    path = folder / "example.py"
    path.write_text(text, encoding="utf-8")
    overlay = Overlay([path], CheckConfig(select=("LC001", "LC003"), tests=()))
    if not overlay.check({}).findings:
        return None
    done = mend(overlay, lambda result, _: result.findings, unsafe=True)
    return done.texts.get(path.as_posix(), text)


def dump(text: str) -> str:
    """Return what a file means, without where it says so."""
    return ast.dump(ast.parse(text))


def test_what_is_taken_apart_is_put_together_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result is valid; where nothing follows the block, it is the file as it was."""
    monkeypatch.chdir(ROOT)
    outcomes: Counter[str] = Counter()
    wrong = []
    for path in candidates():
        text = path.read_text(encoding="utf-8")
        for broken, is_last in taken_apart(text):
            fixed = mended(broken, tmp_path)
            if fixed is None:
                continue
            outcomes["left" if fixed == broken else "mended"] += 1
            if is_last and fixed != broken and dump(fixed) != dump(text):
                wrong.append(f"{path}: {fixed}")
    assert not wrong, wrong[0]
    assert outcomes["mended"] >= MENDED * outcomes.total(), outcomes
