"""An upstream that tells whose connections are open, and Starlette's test client without its advice."""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from aiohttp import web

from lastcall import SessionProfile
from lastcall.testing import LoopbackServer

# Lanes without the extra still try aiohttp.web.
collect_ignore_glob = [] if find_spec("fastapi") else ["test_fastapi*.py", "test_servers.py"]

if not collect_ignore_glob:
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


@pytest.fixture
def profiles(upstream: Upstream) -> list[SessionProfile]:
    """Declare "default" and "api"."""
    return [SessionProfile(base_url=upstream.url), SessionProfile("api", base_url=upstream.url)]
