"""Every way to run a coroutine as a test: loops of all scopes, anyio, aiohttp's own plugin, xdist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Run, Suite

LOOPS = """
    import aiohttp
    import pytest

    kept = []


    async def test_clean_function():
        async with aiohttp.ClientSession():
            pass


    async def test_leak_function():
        kept.append(aiohttp.ClientSession())

    {classes}
"""

SCOPES = ("class", "module", "package", "session")

OF_A_SCOPE = """
    @pytest.mark.asyncio(loop_scope="{scope}")
    class Test{title}:
        async def test_first_{scope}(self):
            async with aiohttp.ClientSession():
                pass

        async def test_leak_{scope}(self):
            kept.append(aiohttp.ClientSession())

        async def test_last_{scope}(self):
            async with aiohttp.ClientSession():
                pass
"""

FIXTURES = """
    import aiohttp
    import pytest
    import pytest_asyncio

    kept = []

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def leaky():
        session = aiohttp.ClientSession()
        kept.append(session)
        yield session

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def tidy():
        async with aiohttp.ClientSession() as session:
            yield session
"""

USERS = """
    import pytest

    pytestmark = pytest.mark.asyncio(loop_scope="session")

    @pytest.mark.parametrize("number", range(3))
    async def test_user(leaky, tidy, number):
        assert not tidy.closed
"""


@pytest.fixture(scope="module")
def asyncio_run(new_suite: Callable[..., Suite]) -> Run:
    """Run tests on loops of every scope, with two workers."""
    classes = "".join(OF_A_SCOPE.format(scope=scope, title=scope.title()) for scope in SCOPES)
    suite = new_suite(LOOPS.format(classes=classes), conftest=FIXTURES, test_a=USERS, test_b=USERS)
    return suite.run("-n", "2", "--dist", "loadscope")


@pytest.mark.parametrize("scope", ["function", *SCOPES])
def test_on_a_loop_of_any_scope_the_leaking_test_fails(asyncio_run: Run, scope: str) -> None:
    """On a loop that outlives its tests the leak is still put to the one that made it."""
    assert len(asyncio_run.cases[f"test_leak_{scope}"]) == 1, asyncio_run.out
    assert asyncio_run.code == 1


def test_the_others_on_the_same_loops_pass(asyncio_run: Run) -> None:
    """Neither the test before nor the one after is blamed, in whichever worker they ran."""
    blamed = {name for name, texts in asyncio_run.cases.items() if texts}
    assert blamed == {"leaky", *(f"test_leak_{scope}" for scope in ("function", *SCOPES))}


def test_a_session_fixture_counts_once_however_many_workers_have_it(asyncio_run: Run) -> None:
    """Each worker opens one of its own; the merged report has one: counts do not depend on workers."""
    assert asyncio_run.leak_of("session fixture leaky of conftest.py")["count"] == 1
    assert len(asyncio_run.cases["leaky"]) == 1


def test_workers_make_one_report(asyncio_run: Run) -> None:
    """The report has every leak, and the processes they came from."""
    assert sum(leak["count"] for leak in asyncio_run.report["leaks"]) == 2 + len(SCOPES)
    assert len({process["pid"] for process in asyncio_run.report["processes"]}) == 2


ANYIO = """
    import asyncio
    import aiohttp
    import pytest

    pytestmark = pytest.mark.anyio
    kept = []


    @pytest.fixture(scope="module")
    def anyio_backend():
        return "asyncio"


    @pytest.fixture(scope="module")
    async def wide(anyio_backend):
        async with aiohttp.ClientSession() as session:
            yield session


    @pytest.fixture(scope="module", params=["one"])
    async def wide_leak(anyio_backend):
        kept.append(aiohttp.ClientSession())
        yield


    @pytest.fixture
    async def narrow(anyio_backend):
        kept.append(aiohttp.ClientSession())
        yield


    async def test_clean(wide):
        async with aiohttp.ClientSession():
            pass


    async def test_leak(wide):
        kept.append(aiohttp.ClientSession())


    async def test_leak_of_a_task(wide):
        async def work():
            kept.append(aiohttp.ClientSession())
        await asyncio.create_task(work())


    async def test_fixture(wide, narrow):
        pass


    async def test_after(wide, wide_leak):
        async with aiohttp.ClientSession():
            pass


    async def test_alone():
        kept.append(aiohttp.ClientSession())
"""


def test_under_anyio_the_leaking_test_fails(new_suite: Callable[..., Suite]) -> None:
    """All of anyio runs in one task, with the context of whom it ran first; we are not misled."""
    run = new_suite(ANYIO).run(
        "-p", "no:asyncio", "-o", "asyncio_mode=", "-W", "ignore::pytest.PytestConfigWarning"
    )
    blamed = {name.partition("[")[0] for name, texts in run.cases.items() if texts}
    assert blamed == {"test_leak", "test_leak_of_a_task", "test_fixture", "test_alone", "wide_leak"}, run.out
    assert "fixture narrow of test_it.py::test_fixture" in run.out


AIOHTTP = """
    import aiohttp
    from aiohttp import web

    kept = []


    async def test_clean(aiohttp_client):
        client = await aiohttp_client(web.Application())
        async with client.get("/nothing") as response:
            assert response.status == 404


    async def test_leak(aiohttp_client):
        client = await aiohttp_client(web.Application())
        kept.append(aiohttp.ClientSession())


    async def test_after():
        async with aiohttp.ClientSession():
            pass
"""


def test_under_the_plugin_of_aiohttp_the_leaking_test_fails(new_suite: Callable[..., Suite]) -> None:
    """Its client fixture is closed with the test; what the test opens besides is told."""
    run = new_suite(AIOHTTP).run("-p", "no:asyncio", "-p", "aiohttp.pytest_plugin", "-o", "asyncio_mode=",
                                 "-W", "ignore::pytest.PytestConfigWarning")  # fmt: skip
    assert {name for name, texts in run.cases.items() if texts} == {"test_leak[pyloop]"}, run.out
