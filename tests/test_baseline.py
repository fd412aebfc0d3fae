"""Baselines: what they know, how they shrink, and fingerprints that last from machine to machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from datetime import date
from functools import cache
from pathlib import Path

import aiohttp
import pytest

import lastcall
from lastcall.baseline import Baseline, BaselineError, Entry, load, save

TODAY = date(2026, 11, 23)


def entry(name: str, count: int = 1, *seen_in: str, expires: date | None = None, note: str = "") -> Entry:
    """Make an entry whose place is its name."""
    return Entry(fingerprint=name, count=count, place=name, seen_in=seen_in, expires=expires, note=note)


def baseline(*entries: Entry) -> Baseline:
    """Make a baseline."""
    return Baseline({entry.fingerprint: entry for entry in entries})


def every(_text: str) -> bool:
    """Say that all was run."""
    return True


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field survives, and the entries stand in order of their place."""
    path = tmp_path / "known.json"
    saved = baseline(entry("b", 2, "run app.py", note="später"), entry("a", expires=date(2027, 1, 31)))
    save(path, saved)
    assert load(path) == saved
    assert [part["place"] for part in json.loads(path.read_text(encoding="utf-8"))["entries"]] == ["a", "b"]
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"


def test_writing_the_same_again_changes_no_byte(tmp_path: Path) -> None:
    """The order in which leaks were found does not show in the file."""
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    save(one, baseline(entry("a"), entry("b")))
    save(other, baseline(entry("b"), entry("a")))
    assert one.read_bytes() == other.read_bytes()


def test_what_is_known_ends_with_its_last_day() -> None:
    """On the last day it is known; on the next it is not, and counts as expired."""
    known = baseline(entry("a", 3, expires=TODAY))
    assert known.known("a", TODAY) == 3
    assert known.known("b", TODAY) == 0
    tomorrow = date(2026, 11, 24)
    assert known.known("a", tomorrow) == 0
    assert [each.fingerprint for each in known.expired(tomorrow)] == ["a"]


def test_it_shrinks_only_by_what_was_run() -> None:
    """An entry whose programs were not all run again stays, whatever was seen."""
    known = baseline(entry("a", 1, "run app.py"), entry("b", 1, "run app.py", "pytest tests/test_b.py"))
    after, change = known.shrunk([], lambda text: text == "run app.py", lower=True)
    assert list(after.entries) == ["b"]
    assert str(change) == "1 known leak is gone"


def test_it_never_grows_by_itself() -> None:
    """More of the same, and what is new, leave the file as it is."""
    known = baseline(entry("a", 1))
    after, change = known.shrunk([entry("a", 5), entry("b")], every, lower=True)
    assert after == known
    assert not change


@pytest.mark.parametrize(("lower", "count"), [(True, 2), (False, 3)])
def test_a_count_is_lowered_only_where_that_says_something(*, lower: bool, count: int) -> None:
    """A program that was asked to do less leaks less, and has not become better."""
    after, change = baseline(entry("a", 3)).shrunk([entry("a", 2)], every, lower=lower)
    assert after.entries["a"].count == count
    assert bool(change.lowered) is lower


def test_an_update_keeps_notes_and_dates() -> None:
    """What people wrote stays; what was seen is added, what is gone goes."""
    known = baseline(entry("a", 1, note="old", expires=TODAY), entry("gone"))
    after, change = known.updated([entry("a", 1, "run app.py"), entry("a"), entry("new")], every)
    assert after.entries["a"] == entry("a", 2, "run app.py", note="old", expires=TODAY)
    assert set(after.entries) == {"a", "new"}
    assert str(change) == "2 leaks are new or count more, 1 known leak is gone"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("[]", 'it has no list of "entries"; mend it'),
        ('{"version": 2, "entries": []}', "it has format 2, and this lastcall reads 1; install a newer"),
        ('{"version": "1", "entries": []}', "its \"version\" is '1' and not 1; mend it"),
        ('{"version": 1, "entries": [7]}', "entry 1 is no object"),
        ('{"version": 1, "entries": [{"count": 1}]}', "entry 1 has no fingerprint"),
        ('{"version": 1, "entries": [{"fingerprint": "a", "count": 0}]}', "entry 1 has the count 0"),
        ('{"version": 1, "entries": [{"fingerprint": "a", "not": ""}]}', "did you mean 'note'?"),
        (
            '{"version": 1, "entries": [{"fingerprint": "a"}, {"fingerprint": "a"}]}',
            "entry 2 has the fingerp",
        ),
        ('{"version": 1, "entries": [{"fingerprint": "a", "expires": "soon"}]}', "write it as 2027-01-31"),
        ("{", "is no baseline, for it is not JSON"),
    ],
)
def test_a_damaged_file_is_answered_by_one_sentence(tmp_path: Path, document: str, sentence: str) -> None:
    """The sentence names the file and says what is wrong with it."""
    path = tmp_path / "known.json"
    path.write_text(document)
    with pytest.raises(BaselineError) as raised:
        load(path)
    assert sentence in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


# -- fingerprints

SHAPES = """
    import asyncio, dataclasses, functools, json, sys, threading
    import aiohttp
    from lastcall import ledger

    sys.path.insert(0, __file__.rpartition("/")[0])
    {padding}
    kept = []


    def plain():
        kept.append(aiohttp.ClientSession())


    def comprehension():
        kept.extend([aiohttp.ClientSession() for _ in range(1)])


    def nested_comprehension():
        kept.extend([session for _ in range(1) for session in [make() for _ in range(1)]])


    def make():
        return aiohttp.ClientSession()


    @dataclasses.dataclass
    class Client:
        session: aiohttp.ClientSession = dataclasses.field(default_factory=aiohttp.ClientSession)


    def dataclass():
        kept.append(Client())


    @functools.cache
    def cached():
        return aiohttp.ClientSession()


    async def awaited():
        plain()


    async def waited_for():
        await asyncio.wait_for(awaited(), 5)


    async def within_timeout():
        async with asyncio.timeout(5):
            await awaited()


    async def task():
        await asyncio.create_task(awaited())


    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(awaited())


    async def generator():
        async def items():
            plain()
            yield 1
        async for _ in items():
            pass


    async def thread():
        await asyncio.to_thread(lambda: asyncio.run(awaited()))


    async def recursive(depth={depth}):
        await (recursive(depth - 1) if depth else awaited())


    class Method:
        async def __aenter__(self):
            plain()

        async def __aexit__(self, *_):
            pass


    async def method():
        async with Method():
            pass


    async def main(shape):
        outcome = shape()
        if asyncio.iscoroutine(outcome):
            await outcome


    names = {{}}
    shapes = [
        plain, comprehension, nested_comprehension, dataclass, cached, awaited, waited_for, within_timeout,
        task, group, generator, thread, recursive, method,
    ]
    for shape in shapes:
        with ledger.watch():
            {run}(main(shape))
            names[shape.__name__] = [leak.fingerprint for leak in ledger.snapshot(ended=True).leaks]
        ledger.unwatch()
    print(json.dumps(names))
"""


def interpreters() -> list[str]:
    """Return one interpreter of every supported version on this machine, this one first."""
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(11, 15):
        candidates = [shutil.which(f"python3.{minor}"), *map(str, folder.glob(f"3.{minor}.*/bin/python"))]
        for path in filter(None, candidates):
            probe = [path, "-c", "import sys; print(sys.version_info[:2])"]
            said = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()
            if said == f"(3, {minor})":
                found.setdefault((3, minor), path)
    return list(found.values())


@cache
def fingerprints(
    python: str, folder: Path, *, padding: str = "", depth: int = 2, run: str = "asyncio.run"
) -> dict[str, list[str]]:
    """Run the shapes in *folder* and return their fingerprints, from the name of each shape."""
    project = folder / "project"
    project.mkdir(parents=True, exist_ok=True)
    (project / "pyproject.toml").touch()
    source = textwrap.dedent(SHAPES).format(padding=padding, depth=depth, run=run)
    (project / "shapes.py").write_text(source, encoding="utf-8")
    packages = [Path(lastcall.__file__).parent.parent, Path(aiohttp.__file__).parent.parent]
    # Extension modules are built for one version; these packages do without.
    bare = {
        f"{name}_NO_EXTENSIONS": "1" for name in ("AIOHTTP", "YARL", "MULTIDICT", "FROZENLIST", "PROPCACHE")
    }
    done = subprocess.run(
        [python, "-W", "ignore", "shapes.py"],
        cwd=project,
        env={
            **os.environ,
            **bare,
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return names


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the fingerprints on this interpreter."""
    return fingerprints(sys.executable, tmp_path_factory.mktemp("here"))


def test_different_ways_have_different_fingerprints(here: dict[str, list[str]]) -> None:
    """Each shape leaks one session; those that reach the same line on the same way in a task share a name."""
    assert all(len(names) == 1 for names in here.values())
    distinct = {name for names in here.values() for name in names}
    assert len(distinct) >= len(here) - 4


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).parts[-3])
def test_fingerprints_survive_another_python(here: dict[str, list[str]], tmp_path: Path, python: str) -> None:
    """Comprehensions, wait_for and the frames of the standard library change from version to version."""
    assert fingerprints(python, tmp_path) == here


def test_fingerprints_survive_moved_lines_and_another_directory(
    here: dict[str, list[str]], tmp_path: Path
) -> None:
    """Lines above, a deeper recursion and another name of the directory change nothing."""
    assert fingerprints(sys.executable, tmp_path / "renamed", padding="\n" * 30, depth=5) == here


def test_fingerprints_survive_another_loop(here: dict[str, list[str]], tmp_path: Path) -> None:
    """Under uvloop there is no frame of the loop on the stack; the names are the same."""
    pytest.importorskip("uvloop")
    assert fingerprints(sys.executable, tmp_path, run="__import__('uvloop').run") == here
