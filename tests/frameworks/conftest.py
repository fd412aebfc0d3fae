"""An upstream that tells whose connections are open, and Starlette's test client without its advice."""

import warnings
from collections.abc import Iterator

import pytest
from aiohttp import web

from lastcall.testing import LoopbackServer

with warnings.catch_warnings():
    # Starlette prefers a successor of httpx, which not every supported version can use.
    warnings.simplefilter("ignore")
    import starlette.testclient  # noqa: F401


class Upstream(LoopbackServer):
    """A server that says how many connections it sees of a process that names itself in `X-Pid`."""

    def make_app(self) -> web.Application:
        """Add `/open?pid=`, which waits a little for what was closed a moment ago."""
        app = super().make_app()

        async def count(request: web.Request) -> web.Response:
            pid = request.query["pid"]
            await self._until(lambda: not self.open_of(pid), 0.5)
            return web.Response(text=str(self.open_of(pid)))

        app.add_routes([web.get("/open", count)])
        return app

    def open_of(self, pid: str) -> int:
        """Return how many connections are open on which the process *pid* made a request."""
        numbers = {request.connection for request in self.requests if request.headers.get("X-Pid") == pid}
        return sum(record.end.name == "OPEN" and record.number in numbers for record in self.connections)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Start a server for one test."""
    with Upstream() as running:
        yield running
