"""Which files are checked, and what becomes of those that cannot be."""

import os
import stat
import sys
from pathlib import Path

import pytest

from lastcall.check import CheckConfig, run
from lastcall.check.files import find_files
from lastcall.check.ignored import Patterns

LEAK = (
    "import aiohttp\n\n\nasync def f():\n    session = aiohttp.ClientSession()\n    await session.get('x')\n"
)


def shown(folder: Path, config: CheckConfig | None = None) -> list[str]:
    """Return what is found below a directory, relative to it."""
    tree = find_files([folder], config or CheckConfig(root=str(folder)))
    return [Path(file.path).relative_to(folder).as_posix() for file in tree.files]


def write(folder: Path, *names: str, text: str = LEAK) -> None:
    """Write the same text under several names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_directory_is_searched_for_python_files(tmp_path: Path) -> None:
    """Sources, stubs and windowed programs are found, and nothing else."""
    write(tmp_path, "a.py", "b/c.pyi", "b/d.pyw", "e.txt")
    assert shown(tmp_path) == ["a.py", "b/c.pyi", "b/d.pyw"]


def test_a_named_file_is_checked_whatever_its_ending(tmp_path: Path) -> None:
    """A script without an ending is Python if someone says so."""
    write(tmp_path, "script")
    assert [one.rule for one in run([tmp_path / "script"]).findings] == ["LC001"]


def test_gitignore_and_exclude_are_respected(tmp_path: Path) -> None:
    """Patterns of every .gitignore on the way count, and so does the setting."""
    write(tmp_path, "a.py", "out/b.py", "pkg/c.py", "pkg/d.py", "old/e.py")
    (tmp_path / ".gitignore").write_text("/out/\n", encoding="utf-8")
    (tmp_path / "pkg" / ".gitignore").write_text("*.py\n!d.py\n", encoding="utf-8")
    assert shown(tmp_path, CheckConfig(root=str(tmp_path), exclude=("old/",))) == ["a.py", "pkg/d.py"]


def test_gitignore_can_be_left_aside(tmp_path: Path) -> None:
    """`respect-gitignore = false` reads what git leaves out."""
    write(tmp_path, "a.py", "out/b.py")
    (tmp_path / ".gitignore").write_text("out/\n", encoding="utf-8")
    assert shown(tmp_path, CheckConfig(root=str(tmp_path), respect_gitignore=False)) == ["a.py", "out/b.py"]


def test_the_gitignore_of_the_repository_counts_below_it(tmp_path: Path) -> None:
    """A check of one directory leaves out what the repository's root says."""
    write(tmp_path, "pkg/a.py", "pkg/generated/b.py")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("generated/\n", encoding="utf-8")
    assert shown(tmp_path / "pkg") == ["a.py"]


def test_virtual_environments_are_left_out(tmp_path: Path) -> None:
    """What has a pyvenv.cfg is no part of the project, whatever its name."""
    write(tmp_path, "a.py", "tools/lib/b.py")
    (tmp_path / "tools" / "pyvenv.cfg").touch()
    assert shown(tmp_path) == ["a.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_in_a_loop_are_followed_once(tmp_path: Path) -> None:
    """A link to a directory above ends, and a file is found once under one name."""
    write(tmp_path, "pkg/a.py")
    (tmp_path / "pkg" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "pkg" / "self").symlink_to(tmp_path / "pkg" / "self")
    (tmp_path / "other").symlink_to(tmp_path / "pkg", target_is_directory=True)
    assert len(shown(tmp_path)) == 1


def test_files_named_twice_are_checked_once(tmp_path: Path) -> None:
    """A directory and a file in it overlap."""
    write(tmp_path, "a.py")
    assert run([tmp_path, tmp_path / "a.py"]).files == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"import aiohttp\naiohttp.ClientSession(\n", "no valid Python: line 2"),
        (b"# ClientSession\nx = '\xff'\n", "cannot be decoded"),
        (b"# -*- coding: nonsense -*-\n# ClientSession\n", "cannot be decoded"),
        (b"# ClientSession\nx = " + b"(" * 5000 + b")" * 5000, "line 2"),
        (b"# ClientSession\nx = " + b"-" * 200_000 + b"1", "parse"),
        (b"# ClientSession\nx = '\x00'\n", "null bytes"),
        (b"# ClientSession\n" + b"#" * 6_000_000, "too large"),
    ],
    ids=["syntax", "bytes", "cookie", "brackets", "operators", "null", "size"],
)
def test_a_file_that_cannot_be_read_is_one_line_and_the_rest_is_checked(
    tmp_path: Path, data: bytes, words: str
) -> None:
    """Broken, wrongly encoded, deeply nested and huge files are named with the reason."""
    (tmp_path / "broken.py").write_bytes(data)
    write(tmp_path, "good.py")
    result = run([tmp_path])
    assert [Path(one.path).name for one in result.problems] == ["broken.py"]
    assert words in result.problems[0].message or "nested" in result.problems[0].message
    assert "\n" not in result.problems[0].message
    assert [one.rule for one in result.findings] == ["LC001"]
    assert result.files == 2


def test_a_deeply_nested_expression_is_no_crash(tmp_path: Path) -> None:
    """What the parser takes and a walk over the tree does not is reported like the rest."""
    text = LEAK + "x = " + "+".join(["1"] * 3000) + "\n"
    write(tmp_path, "deep.py", text=text)
    result = run([tmp_path])
    assert len(result.problems) + len(result.findings) == 1


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all"
)
def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    """No permission is a reason, not a crash."""
    write(tmp_path, "a.py")
    (tmp_path / "a.py").chmod(stat.S_IWUSR)
    assert [one.message for one in run([tmp_path]).problems] == ["permission denied"]


def test_a_path_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """The path as it was given, and why."""
    result = run([tmp_path / "gone"])
    assert [str(one) for one in result.problems] == [f"{tmp_path / 'gone'}: no such file or directory"]
    assert result.files == 0


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
def test_coding_cookies_and_marks_are_understood(tmp_path: Path, encoding: str) -> None:
    """A file is read in the encoding it declares; columns count characters, not bytes."""
    cookie = "# -*- coding: latin-1 -*-\n" if encoding == "latin-1" else ""
    text = (
        cookie
        + "import aiohttp\n\n\nasync def f():\n    x = 'é'; s = aiohttp.ClientSession(); await s.get(x)\n"
    )
    (tmp_path / "a.py").write_bytes(text.encode(encoding))
    result = run([tmp_path])
    if encoding == "utf-16":
        assert not result.findings
        return
    assert [(one.rule, one.column) for one in result.findings] == [("LC001", 18)]


def test_nothing_of_what_is_checked_is_run(tmp_path: Path) -> None:
    """A module that writes a file when imported writes none."""
    marker = tmp_path / "marker"
    write(
        tmp_path, "evil.py", "evil/__init__.py", text=f"open({str(marker)!r}, 'w')\n# ClientSession\n" + LEAK
    )
    run([tmp_path])
    assert not marker.exists()


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.py", "a/b.py", True),
        ("/*.py", "a/b.py", False),
        ("a/**/c.py", "a/c.py", True),
        ("a/**/c.py", "a/b/b/c.py", True),
        ("**/b", "a/b", True),
        ("a/**", "a/b/c", True),
        ("[ab].py", "b.py", True),
        ("[!ab].py", "b.py", False),
        ("a?.py", "ab.py", True),
        ("\\#a", "#a", True),
        ("# a", "# a", False),
        ("b/", "b", False),
        ("a b ", "a b", True),
        ("[", "[", True),
    ],
)
def test_patterns_follow_gitignore(pattern: str, path: str, *, matches: bool) -> None:
    """Anchors, stars, sets, comments and blanks mean what they mean to git."""
    assert bool(Patterns([pattern]).match(path)) is matches
