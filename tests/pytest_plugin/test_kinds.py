"""One planted leak of each kind, each caught, put to the test that made it, and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Run, Suite

PLANTED = """
    import asyncio, threading, unittest
    import aiohttp
    import pytest
    from lastcall import get_shared_session

    kept = []


    def opened():
        session = aiohttp.ClientSession()
        kept.append(session)
        return session


    async def test_dropped():
        aiohttp.ClientSession()


    async def test_in_a_cycle():
        session = aiohttp.ClientSession()
        holder = {"session": session}
        holder["self"] = holder


    async def test_kept():
        opened()


    def test_of_its_own_loop():
        async def main():
            opened()
        asyncio.run(main())


    async def test_task():
        async def work():
            opened()
        await asyncio.gather(asyncio.create_task(work()))


    def test_thread():
        async def main():
            opened()
        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        thread.join()


    async def test_executor():
        async def main():
            opened()
        await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(main()))


    async def test_to_thread():
        async def main():
            opened()
        await asyncio.to_thread(lambda: asyncio.run(main()))


    class Client(aiohttp.ClientSession):
        pass


    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    async def test_subclass():
        kept.append(Client())


    async def test_with_a_connector():
        kept.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector()))


    @pytest.fixture
    async def client():
        return opened()


    async def test_fixture(client):
        pass


    @pytest.fixture(scope="module")
    def wide_client():
        async def main():
            opened()
        asyncio.run(main())


    def test_with_a_wide_fixture(wide_client):
        pass


    async def test_failing():
        opened()
        assert "its own" == "failure"


    @pytest.fixture
    def broken_end():
        yield
        raise OSError("its own end")


    async def test_with_a_broken_end(broken_end):
        opened()


    class TestCase(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.client = aiohttp.ClientSession()

        async def test_case(self):
            pass

        async def test_closed_case(self):
            await self.client.close()


    @pytest.mark.asyncio(loop_scope="module")
    async def test_on_a_module_loop():
        opened()


    async def test_clean():
        async with aiohttp.ClientSession():
            pass


    @pytest.mark.asyncio(loop_scope="module")
    async def test_shared_session_on_a_module_loop():
        await get_shared_session()


    async def test_borrowed_connector(wide_closed):
        kept.append(aiohttp.ClientSession(connector=wide_closed.connector, connector_owner=False))


    @pytest.fixture
    async def wide_closed():
        async with aiohttp.ClientSession() as session:
            yield session


    async def test_closed_by_a_fixture(wide_closed):
        pass


    def test_closed_by_a_thread_a_moment_later():
        opened_it = threading.Event()

        async def main():
            async with aiohttp.ClientSession():
                opened_it.set()
                await asyncio.sleep(0.02)

        threading.Thread(target=lambda: asyncio.run(main())).start()
        assert opened_it.wait(5)


    @pytest.mark.lastcall(allow=1, reason="it is closed elsewhere")
    async def test_allowed():
        opened()


    @pytest.mark.lastcall(demand=2)
    async def test_demanded():
        opened()
        opened()


    @pytest.mark.lastcall(demand=2)
    async def test_demanded_too_many():
        opened()


    @pytest.mark.lastcall("off")
    async def test_not_judged():
        opened()


    @pytest.mark.lastcall("proof")
    async def test_judged_as_proof():
        opened()
"""

LEAKS = {
    "test_dropped": ("test_dropped", "COLLECTED_OPEN"),
    "test_in_a_cycle": ("test_in_a_cycle", "LOOP_CLOSED"),
    "test_kept": ("opened", "LOOP_CLOSED"),
    "test_of_its_own_loop": ("opened", "LOOP_CLOSED"),
    "test_task": ("opened", "LOOP_CLOSED"),
    "test_thread": ("opened", "LOOP_CLOSED"),
    "test_executor": ("opened", "LOOP_CLOSED"),
    "test_to_thread": ("opened", "LOOP_CLOSED"),
    "test_subclass": ("test_subclass", "LOOP_CLOSED"),
    "test_with_a_connector": ("test_with_a_connector", "LOOP_CLOSED"),
    "test_fixture": ("opened", "LOOP_CLOSED"),
    "test_failing": ("opened", "LOOP_CLOSED"),
    "test_with_a_broken_end": ("opened", "LOOP_CLOSED"),
    "test_case": ("TestCase.asyncSetUp", "LOOP_CLOSED"),
    "test_on_a_module_loop": ("opened", "SCOPE_ENDED"),
    "test_judged_as_proof": ("opened", "LOOP_CLOSED"),
}
"""From each leaking test to the function that opened the session, and the evidence."""

CLEAN = [
    "test_clean",
    "test_closed_case",
    "test_shared_session_on_a_module_loop",
    "test_borrowed_connector",
    "test_closed_by_a_fixture",
    "test_closed_by_a_thread_a_moment_later",
    "test_with_a_wide_fixture",
    "test_allowed",
    "test_demanded",
    "test_not_judged",
]


@pytest.fixture(scope="module")
def run(new_suite: Callable[..., Suite]) -> Run:
    """Run the planted leaks once."""
    return new_suite(PLANTED).run()


@pytest.mark.parametrize("test", LEAKS)
def test_a_leak_fails_the_test_that_made_it_and_names_the_line(run: Run, test: str) -> None:
    """The last failure of the test names the function that opened the session, and the evidence."""
    function, evidence = LEAKS[test]
    assert run.code == 1
    text = run.cases[test][-1]
    assert f" in {function} " in text
    assert "ClientSession(" in text or "Client()" in text
    assert f"({evidence}, " in text
    assert f"::{test}\n" in text


@pytest.mark.parametrize("test", CLEAN)
def test_what_is_closed_or_allowed_does_not_fail(run: Run, test: str) -> None:
    """A test that closes what it opens, or may leave it open, passes among those that leak."""
    assert run.cases[test] == [], run.out


def test_every_test_is_either_clean_or_leaks(run: Run) -> None:
    """No test of the suite is left out of the two lists above."""
    others = {"test_demanded_too_many", "wide_client"}
    assert set(run.cases) == {*LEAKS, *CLEAN, *others}


def test_a_failing_test_keeps_its_own_failure(run: Run) -> None:
    """The leak comes beside what the test itself failed with."""
    own, leak = run.cases["test_failing"]
    assert "'its own' == 'failure'" in own
    assert "1 session left open" in leak


def test_a_failing_teardown_keeps_its_own_failure(run: Run) -> None:
    """Where the end of a fixture fails too, one report says both."""
    (text,) = run.cases["test_with_a_broken_end"]
    assert "its own end" in text
    assert "1 session left open" in text


def test_a_session_of_a_fixture_is_named_by_the_fixture(run: Run) -> None:
    """The report of the test says which fixture opened it."""
    assert "fixture client of test_it.py::test_fixture" in run.cases["test_fixture"][-1]


def test_a_wider_fixture_is_judged_for_itself(run: Run) -> None:
    """What a module fixture leaves open is its own failure, and none of the tests that used it."""
    (text,) = run.cases["wide_client"]
    assert text.startswith("module fixture wide_client of test_it.py: test_it.py:")


def test_a_demand_that_is_not_met_fails(run: Run) -> None:
    """A test that has to leave two sessions open and leaves one says so, with the one."""
    (text,) = run.cases["test_demanded_too_many"]
    assert text.startswith("2 sessions had to be left open, by the marker lastcall; 1 was")


def test_the_summary_groups_by_place(run: Run) -> None:
    """The same function called from two tests is told twice only if it was reached on another way."""
    head = next(line for line in run.out.splitlines() if "lastcall:" in line and "left open" in line)
    assert f"{len(LEAKS) + 1} sessions left open" in head
    assert run.out.count("TestCase.asyncSetUp") >= 2


def test_the_json_report_has_them_all(run: Run) -> None:
    """Each leak is in the report, with who opened it."""
    names = {name for leak in run.report["leaks"] for name in leak["scopes"]}
    assert run.report["sessions"]["leaked"] == len(LEAKS) + 1
    assert {name.rpartition("::")[2] for name in names} >= set(LEAKS) - {"test_fixture"}
