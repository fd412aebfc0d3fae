"""A server, and lanes without a browser's driver."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from lastcall import ledger
from lastcall.ledger.history import RecordingBook, current_book
from lastcall.testing import LoopbackServer

collect_ignore_glob = [] if find_spec("selenium") else ["test_browser.py"]


@pytest.fixture(scope="session")
def server() -> Iterator[LoopbackServer]:
    """Start a server."""
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def url(server: LoopbackServer) -> str:
    """Return its address."""
    return str(server.url)


@pytest.fixture
def book() -> Iterator[RecordingBook]:
    """Begin a watch that keeps a history."""
    ledger.unwatch()
    with ledger.watch(history=True):
        found = current_book()
        assert found is not None
        yield found
