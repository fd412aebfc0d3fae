"""What `--fix` makes of a file, and what it leaves alone."""

import textwrap
from pathlib import Path

import pytest

from lastcall.check import CheckConfig, Edit, Finding, Result
from lastcall.check.fixes.edits import apply_edits, difference, merged
from lastcall.check.fixes.mending import Mended, mend, with_fixes
from lastcall.check.fixes.overlay import Overlay
from lastcall.check.ignores import settle_ignores
from lastcall.check.text import Sources, decoded, encoded

CONFIG = CheckConfig(tests=())
LEAK = "async def f(url):\n    s = aiohttp.ClientSession()\n    await s.get(url)\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def every(result: Result, sources: Sources) -> tuple[Finding, ...]:
    """Choose all findings that no comment ignores."""
    return settle_ignores(result, CONFIG, sources).findings


def mended(text: str, *, unsafe: bool = False) -> Mended:
    """Mend a file with this text."""
    Path("a.py").write_bytes(text.encode())
    return mend(Overlay(["a.py"], CONFIG), every, unsafe=unsafe)


def source(body: str) -> str:
    """Return a module that imports aiohttp."""
    return "import asyncio\n\nimport aiohttp\n\n\n" + textwrap.dedent(body).lstrip("\n")


def check(before: str, after: str, *, unsafe: bool = False) -> None:
    """Assert that one text becomes the other, and that this needs *unsafe* if it is given."""
    assert mended(source(before), unsafe=unsafe).texts == {"a.py": source(after)}
    assert not unsafe or not mended(source(before)).texts


def test_a_local_session_is_opened_in_async_with() -> None:
    """Comments stay, and lines inside strings keep their blanks."""
    check(
        '''
        async def f(url):
            """Fetch."""
            s = aiohttp.ClientSession(  # shared below
                raise_for_status=True,
            )  # opened
            # and used
            text = """
        left
            alone"""

            async with s.get(url) as r:
                return await r.text() + text
        ''',
        '''
        async def f(url):
            """Fetch."""
            async with aiohttp.ClientSession(  # shared below
                raise_for_status=True,
            ) as s:  # opened
                # and used
                text = """
        left
            alone"""

                async with s.get(url) as r:
                    return await r.text() + text
        ''',
    )


def test_a_close_that_an_error_skips_goes_with_the_block() -> None:
    """What comes after it stays outside."""
    check(
        """
        async def f(url):
            s: aiohttp.ClientSession = aiohttp.ClientSession()
            text = await (await s.get(url)).text()
            await s.close()
            return text
        """,
        """
        async def f(url):
            async with aiohttp.ClientSession() as s:
                text = await (await s.get(url)).text()
            return text
        """,
    )


def test_a_session_that_is_also_kept_is_closed_in_finally() -> None:
    """Where `async with` would be too narrow a word."""
    check(
        """
        import contextlib


        @contextlib.asynccontextmanager
        async def lifespan(app):
            s = aiohttp.ClientSession()
            app.state.s = s

            yield
            await s.close()
        """,
        """
        import contextlib


        @contextlib.asynccontextmanager
        async def lifespan(app):
            s = aiohttp.ClientSession()
            try:
                app.state.s = s

                yield
            finally:
                await s.close()
        """,
    )


def test_small_mistakes_are_mended() -> None:
    """A missing `await`, and a missing `async`."""
    check(
        """
        async def f(s: aiohttp.ClientSession):
            s.close()


        async def g(url):
            with aiohttp.ClientSession() as s:
                await s.get(url)
        """,
        """
        async def f(s: aiohttp.ClientSession):
            await s.close()


        async def g(url):
            async with aiohttp.ClientSession() as s:
                await s.get(url)
        """,
    )


def test_a_response_is_released_after_its_last_use() -> None:
    """Or at once, if it is not used at all."""
    check(
        """
        class Client:
            def __init__(self):
                self._s = aiohttp.ClientSession()

            async def is_up(self, url):
                await self._s.post(url)
                r = await self._s.get(url)
                up = r.status == 200
                print(up)
                return up

            async def aclose(self):
                await self._s.close()
        """,
        """
        class Client:
            def __init__(self):
                self._s = aiohttp.ClientSession()

            async def is_up(self, url):
                async with self._s.post(url):
                    pass
                async with self._s.get(url) as r:
                    up = r.status == 200
                print(up)
                return up

            async def aclose(self):
                await self._s.close()
        """,
    )


def test_a_close_that_is_not_awaited_and_that_an_error_skips_is_mended_in_two_steps() -> None:
    """That an error goes past it is found, and mended, once it is awaited."""
    check(
        """
        async def f(url):
            s = aiohttp.ClientSession()
            await s.get(url)
            s.close()
        """,
        """
        async def f(url):
            async with aiohttp.ClientSession() as s:
                await s.get(url)
        """,
    )


def test_two_sessions_of_one_function_are_mended_one_after_the_other() -> None:
    """Their fixes touch the same lines."""
    check(
        """
        async def f(url):
            a = aiohttp.ClientSession()
            b = aiohttp.ClientSession()
            await a.get(url)
            await b.get(url)
        """,
        """
        async def f(url):
            async with aiohttp.ClientSession() as a:
                async with aiohttp.ClientSession() as b:
                    await a.get(url)
                    await b.get(url)
        """,
    )


@pytest.mark.parametrize(
    "use",
    [
        "return await s.get(url)",
        "r = await s.get(url)\n    return r",
        "yield await work(s)",
        "asyncio.create_task(s.get(url))",
        "return asyncio.ensure_future(work(s))",
        "def later():\n        return s.get(url)\n    await work(later)",
    ],
)
def test_what_outlives_the_block_is_unsafe_to_wrap(use: str) -> None:
    """A response, a task or a function would find the session closed."""
    worker = "async def work(x):\n    print(x)\n\n\n"
    text = source(f"{worker}async def f(url):\n    s = aiohttp.ClientSession()\n    {use}\n")
    assert not mended(text).texts
    found = mended(text, unsafe=True).texts
    assert not found or "async with aiohttp.ClientSession() as s:" in found["a.py"]


@pytest.mark.parametrize(
    "use",
    [
        "tasks = [asyncio.create_task(work(s)) for _ in range(3)]\n    await asyncio.gather(*tasks)",
        "async with asyncio.TaskGroup() as group:\n        group.create_task(work(s))",
        "await asyncio.gather(*(work(s) for _ in range(3)))",
    ],
)
def test_tasks_that_are_awaited_in_the_block_are_safe(use: str) -> None:
    """They are over when it ends."""
    worker = "async def work(x):\n    await x.get('u')\n\n\n"
    text = source(f"{worker}async def f():\n    s = aiohttp.ClientSession()\n    {use}\n")
    assert "async with aiohttp.ClientSession() as s:" in mended(text).texts["a.py"]


@pytest.mark.parametrize(
    "body",
    [
        "s = aiohttp.ClientSession()\n    await s.get(url)\n    s = None",
        "global s\n    s = aiohttp.ClientSession()\n    await s.get(url)",
        "s = aiohttp.ClientSession(); x = 1\n    await s.get(url)",
        "s = aiohttp.ClientSession()\n    await s.get(url); x = 1; y = s",
        "if url:\n        s = aiohttp.ClientSession()\n    await s.get(url)",
        "if url:\n    \ts = aiohttp.ClientSession()\n    \tawait s.get(url)",
        "s = aiohttp.ClientSession()",
        "s, t = aiohttp.ClientSession(), 1\n    await s.get(url)",
    ],
)
def test_what_is_not_clear_is_left_alone(body: str) -> None:
    """Rebound, shared, on one line with others, used elsewhere, of mixed blanks."""
    text = source(f"async def f(url):\n    {body}\n")
    assert not mended(text, unsafe=True).texts


def test_unsafe_fixes_wait_until_they_are_asked_for() -> None:
    """A flag for who opened the session; a filter that goes."""
    check(
        """
        import warnings

        warnings.filterwarnings("ignore", category=ResourceWarning)


        class Client:
            def __init__(self, s=None):
                self._s = s or aiohttp.ClientSession()

            async def aclose(self):
                await self._s.close()
        """,
        """
        import warnings



        class Client:
            def __init__(self, s=None):
                self._owns_s = s is None
                self._s = s or aiohttp.ClientSession()

            async def aclose(self):
                if self._owns_s:
                    await self._s.close()
        """,
        unsafe=True,
    )


def test_a_shared_session_is_used_without_async_with() -> None:
    """The block goes, and its lines move to the left."""
    check(
        """
        class Client:
            def __init__(self, session: aiohttp.ClientSession):
                self._s = session

            async def fetch(self, url):
                async with self._s as s:
                    # read it
                    async with s.get(url) as r:
                        return await r.text()
        """,
        """
        class Client:
            def __init__(self, session: aiohttp.ClientSession):
                self._s = session

            async def fetch(self, url):
                s = self._s
                # read it
                async with s.get(url) as r:
                    return await r.text()
        """,
        unsafe=True,
    )


def test_an_old_session_is_closed_before_another_takes_its_place() -> None:
    """Where the attribute is None at first."""
    check(
        """
        class Client:
            _s = None

            async def connect(self):
                self._s = aiohttp.ClientSession()

            async def aclose(self):
                if self._s is not None:
                    await self._s.close()
        """,
        """
        class Client:
            _s = None

            async def connect(self):
                if self._s is not None:
                    await self._s.close()
                self._s = aiohttp.ClientSession()

            async def aclose(self):
                if self._s is not None:
                    await self._s.close()
        """,
        unsafe=True,
    )


def test_an_owner_without_close_is_shown_one_and_left_alone() -> None:
    """Who closes the owner is for a person to say."""
    text = source("class Client:\n    def __init__(self):\n        self._s = aiohttp.ClientSession()\n")
    assert not mended(text, unsafe=True).texts
    overlay, sources = Overlay(["a.py"], CONFIG), Sources()
    (one,) = with_fixes(overlay.check({}).findings, overlay, sources)
    assert one.fix is not None
    assert one.fix.applicability == "display"
    shown = apply_edits(text, one.fix.edits)
    assert "    async def aclose(self) -> None:\n        await self._s.close()\n" in shown
    assert "    async def __aexit__(self, *exc_info: object) -> None:\n        await self.aclose()\n" in shown


def test_a_fix_that_brings_a_new_finding_is_dropped() -> None:
    """Without `async with` this session would never be closed."""
    text = source(
        """
        class Client:
            def __init__(self):
                self._s = aiohttp.ClientSession()

            async def fetch(self, url):
                async with self._s as s:
                    async with s.get(url) as r:
                        return await r.text()
        """
    )
    assert not mended(text, unsafe=True).texts
    assert {one.rule for one in Overlay(["a.py"], CONFIG).check({}).findings} == {"LC030"}


def test_a_fix_in_one_file_leaves_the_findings_of_others(tmp_path: Path) -> None:
    """The whole project is checked again, and nothing of it is written."""
    factory = source("def make():\n    return aiohttp.ClientSession()\n")
    (tmp_path / "b.py").write_text(factory, encoding="utf-8")
    head = "from b import make\n\n\nasync def f(url):\n"
    text = f"{head}    s = make()\n    await s.get(url)\n"
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    done = mend(Overlay(["."], CONFIG), every, unsafe=False)
    assert done.texts == {"a.py": f"{head}    async with make() as s:\n        await s.get(url)\n"}
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == text


def test_line_ends_are_kept() -> None:
    """What is put in ends as the file's lines do."""
    end = "\r\n"
    text = source(LEAK).replace("\n", end)
    (changed,) = mended(text).texts.values()
    assert changed.replace(end, "\n").count("\n") == changed.count(end)
    assert f"as s:{end}        await" in changed


def test_a_file_of_mixed_line_ends_is_left_alone() -> None:
    """To make them alike is not ours."""
    text = source("async def f(url):\n    s = aiohttp.ClientSession()\r\n    await s.get(url)\n")
    assert not mended(text).texts


def test_encodings_and_byte_order_marks_are_kept() -> None:
    """What is written is in the encoding that was read."""
    latin = "# coding: latin-1\nx = 'é'\n".encode("latin-1")
    assert encoded(decoded(latin), like=latin) == latin
    marked = b"\xef\xbb\xbfx = 1\n"
    assert encoded(decoded(marked), like=marked) == marked


def test_tabs_are_indented_with_tabs() -> None:
    """The file's own step is used."""
    text = source("async def f(url):\n\ts = aiohttp.ClientSession()\n\tawait s.get(url)\n")
    assert (
        mended(text)
        .texts["a.py"]
        .endswith("\tasync with aiohttp.ClientSession() as s:\n\t\tawait s.get(url)\n")
    )


def test_edits_are_merged_into_one_that_does_the_same() -> None:
    """For those who take only one."""
    text = "aé\nb b\nc"
    edits = [Edit(1, 2, 1, 3, "X"), Edit(2, 1, 3, 1, ""), Edit(3, 2, 3, 2, "\nend")]
    assert apply_edits(text, edits) == "aX\nc\nend" == apply_edits(text, [merged(text, edits)])


def test_a_difference_says_where_no_newline_is() -> None:
    """As diff does, so that patch can apply it."""
    shown = difference("a.py", "x = 1", "x = 2")
    assert shown.splitlines()[:2] == ["--- a.py", "+++ a.py"]
    assert shown.count("\\ No newline at end of file\n") == 2
