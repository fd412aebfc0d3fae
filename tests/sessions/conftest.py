"""A server that counts, and managers that are closed however a test ends."""

from collections.abc import AsyncIterator, Iterator

import pytest

from lastcall.sessions import SessionManager
from lastcall.testing import LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A counting server in a thread of its own."""
    with LoopbackServer() as running:
        yield running


@pytest.fixture
async def sessions() -> AsyncIterator[SessionManager]:
    """A manager with the default profile."""
    manager = SessionManager()
    yield manager
    await manager.close(grace=0)
