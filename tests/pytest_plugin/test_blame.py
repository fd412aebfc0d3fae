"""Nobody else is blamed: not by warnings as errors, not by what is collected later, not by other watches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Run, Suite

LATE = """
    import asyncio, gc, threading
    import aiohttp
    import pytest
    import lastcall
    from lastcall.testing import LoopbackServer

    pytestmark = pytest.mark.asyncio(loop_scope="module")
    kept = []


    @pytest.fixture(scope="module")
    def url():
        with LoopbackServer() as server:
            yield str(server.url)


    async def test_makes_a_cycle(url):
        gc.disable()
        session = aiohttp.ClientSession()
        async with session.get(url) as response:
            await response.read()
        session.itself = session


    async def test_innocent(caplog):
        gc.enable()
        gc.collect()
        assert not caplog.records


    async def test_leaves_a_task_behind():
        async def later():
            await asyncio.sleep(0)
            kept.append(aiohttp.ClientSession())
        kept.append(asyncio.create_task(later()))


    async def test_innocent_too():
        await asyncio.sleep(0.01)
        del kept[:]
        gc.collect()


    @pytest.mark.asyncio(loop_scope="function")
    async def test_used_and_kept(url):
        session = aiohttp.ClientSession()
        async with session.get(url) as response:
            await response.read()
        kept.append(session)


    async def test_innocent_as_well():
        del kept[:]
        gc.collect()


    async def test_of_a_watch():
        lastcall.unwatch()
        with lastcall.watch():
            session = aiohttp.ClientSession()
            assert len(lastcall.open_sessions()) == 1
        await session.close()


    async def test_after_the_watch():
        kept.append(aiohttp.ClientSession())


    async def test_last():
        del kept[:]
        gc.collect()
"""

QUIET = ["-W", "error", "-W", "ignore:Setting custom ClientSession:DeprecationWarning"]


@pytest.fixture(scope="module")
def proof(new_suite: Callable[..., Suite]) -> Run:
    """Run the suite at level proof, with warnings as errors."""
    return new_suite(LATE).run(*QUIET, level="proof")


@pytest.fixture(scope="module")
def scope(new_suite: Callable[..., Suite]) -> Run:
    """Run the suite at level scope, with warnings as errors."""
    return new_suite(LATE).run(*QUIET, level="scope")


def test_what_is_collected_later_is_put_to_the_test_that_made_it(proof: Run) -> None:
    """A session that a later test's collection finds fails the run under the name of its maker."""
    (text,) = proof.cases["test_makes_a_cycle"]
    assert text.startswith("test_it.py::test_makes_a_cycle, seen after its end: test_it.py:")
    assert "COLLECTED_OPEN" in text
    assert proof.code == 1


def test_what_a_task_opens_after_its_test_is_put_to_that_test(proof: Run) -> None:
    """A task left behind is still its test's."""
    (text,) = proof.cases["test_leaves_a_task_behind"]
    assert "seen after its end" in text


@pytest.mark.parametrize("level", ["proof", "scope"])
def test_no_innocent_test_fails(request: pytest.FixtureRequest, level: str) -> None:
    """With `-W error`, sockets left behind included, only those who leaked fail."""
    run: Run = request.getfixturevalue(level)
    blamed = {name for name, texts in run.cases.items() if texts}
    guilty = {"test_makes_a_cycle", "test_leaves_a_task_behind", "test_used_and_kept", "test_after_the_watch"}
    assert blamed == guilty, run.out


def test_each_leak_is_told_once(scope: Run) -> None:
    """What a test was blamed for at its end does not come up again when it is collected."""
    assert all(len(texts) <= 1 for texts in scope.cases.values())
    assert "1 test began a watch of their own, and could not be judged" in scope.out


GLOBALS = """
    import concurrent.futures, sys, threading, warnings, logging, asyncio
    import aiohttp, pytest

    def state():
        session, connector = aiohttp.ClientSession, aiohttp.connector.BaseConnector
        return (
            threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit,
            session.__del__, session.detach, session._request,
            connector._close, connector.connect, connector.__del__,
            sys.unraisablehook, threading.excepthook, list(warnings.filters), asyncio.get_event_loop_policy,
            logging.getLogger("asyncio").filters[:], asyncio.new_event_loop, sys.getprofile(), sys.gettrace(),
        )

    import anyio._backends._asyncio as backend
    before = state(), backend.TestRunner._call_in_runner_task
    code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
    after = state(), backend.TestRunner._call_in_runner_task
    print("RESTORED" if before == after else [(b, a) for b, a in zip(before[0], after[0]) if b != a])
    print("CODE", int(code))
"""


def test_every_global_is_restored(new_suite: Callable[..., Suite]) -> None:
    """After the run threads, executors, aiohttp's classes, filters and hooks are as before."""
    from .conftest import plugin

    suite = new_suite("import aiohttp\n\nasync def test_leak():\n    aiohttp.ClientSession()\n", main=GLOBALS)
    done = suite.python("main.py", *plugin(), "--lastcall=scope", "test_it.py")
    assert "RESTORED" in done.stdout, done.stdout + done.stderr
    assert "CODE 1" in done.stdout


def test_without_being_asked_nothing_happens(new_suite: Callable[..., Suite]) -> None:
    """No option, no ini: a leaking suite passes, nothing is printed, aiohttp is not even imported."""
    suite = new_suite(
        "import sys\n\ndef test_it():\n    assert 'aiohttp' not in sys.modules\n",
        test_leak="async def test_leak():\n    import aiohttp\n    aiohttp.ClientSession()\n",
    )
    run = suite.run("test_it.py", "test_leak.py", level=None)
    assert run.code == 0, run.out
    assert "left open" not in run.out
    assert "lastcall:" not in run.out
