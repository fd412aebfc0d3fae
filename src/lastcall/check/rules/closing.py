"""LC001 to LC011: sessions that nobody closes, or not on every way out, or too late."""

from __future__ import annotations

from .rule import Rule

__all__ = ["RULES"]

OWNERSHIP = """\
`factories`, `accessors`, `closers` and `owners` in `[tool.lastcall.check]` say who closes what, where the
source does not. `# lastcall: owns` on a `def` or parameter says that it closes the session it is given, `#
lastcall: borrows` (or `Annotated[ClientSession, lastcall.Borrowed]`) that it does not."""

RULES = (
    Rule(
        code="LC001",
        name="session-never-closed",
        severity="error",
        summary="A session is opened and nobody closes it.",
        why="""\
Its pooled connections stay open until the garbage collector meets it, and no event loop is left to close
them in order. aiohttp then prints `Unclosed client session`, long after and far from the line at fault.""",
        wrong="""\
async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()
    response = await session.get(url)
    return await response.text()
""",
        right="""\
async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            return await response.text()
""",
        exceptions="""\
A session that is returned is its caller's to close, and is judged there. One that is handed to code outside
the project is reported at `medium`, since that code may close it.""",
        configure=OWNERSHIP,
        fix="safe",
    ),
    Rule(
        code="LC002",
        name="owner-has-no-close",
        severity="error",
        summary="An object keeps a session it opened, and neither it nor anyone else closes it.",
        why="""\
Who opens a session owns it. An owner that offers no way to close leaves its users none either: each
instance leaks its pool of connections.""",
        wrong="""\
class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def fetch(self, url: str) -> str:
        async with self._session.get(url) as response:
            return await response.text()
""",
        right="""\
class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def fetch(self, url: str) -> str:
        async with self._session.get(url) as response:
            return await response.text()

    async def aclose(self) -> None:
        await self._session.close()
""",
        exceptions="""\
A close anywhere in the class's family counts, and one by another object that is known to hold an instance.
If every caller in the project passes a session in, or the attribute is closed on an object of unknown
class, it is `medium`.""",
        configure=OWNERSHIP,
        fix="display",
    ),
    Rule(
        code="LC003",
        name="not-closed-on-error",
        severity="error",
        summary="A session is closed, but an exception or an early return skips it.",
        why="""\
Requests fail and tasks are cancelled: the close that stands after an `await` is the one that does not
happen on a bad day, when sessions pile up fastest.""",
        wrong="""\
async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()
    response = await session.get(url)
    text = await response.text()
    await session.close()
    return text
""",
        right="""\
async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()
    try:
        response = await session.get(url)
        return await response.text()
    finally:
        await session.close()
""",
        exceptions="""\
pytest fixtures and aiohttp's `cleanup_ctx` generators need no `finally`: nothing is thrown into them. A
handler for `Exception` that closes is enough.""",
        configure=OWNERSHIP,
        fix="safe",
    ),
    Rule(
        code="LC004",
        name="replaced-without-close",
        severity="warning",
        summary="A new session takes the place of one that may still be open.",
        why="The old session has no name any more, so nobody can close it: each reconnect leaks one.",
        wrong="""\
class Client:
    async def connect(self) -> None:
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self._session.close()
""",
        right="""\
class Client:
    _session: aiohttp.ClientSession | None = None

    async def connect(self) -> None:
        await self.aclose()
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
""",
        exceptions="Always `medium`: whether the method is called twice cannot be seen here.",
        fix="unsafe",
    ),
    Rule(
        code="LC005",
        name="close-not-awaited",
        severity="error",
        summary="`close()` is called without `await`, so the session stays open.",
        why="`ClientSession.close()` is a coroutine function: without `await` nothing of it runs.",
        wrong="""\
async def stop(session: aiohttp.ClientSession) -> None:
    session.close()
""",
        right="""\
async def stop(session: aiohttp.ClientSession) -> None:
    await session.close()
""",
        exceptions="""\
A coroutine that is returned, stored, or given to `create_task` or `run` counts as awaited.""",
        fix="safe",
    ),
    Rule(
        code="LC010",
        name="closed-in-del",
        severity="warning",
        summary="The only close of a session is in `__del__`.",
        why="""\
`__del__` cannot await. What it starts runs later or never, on a loop that may be closed or belong to
another thread; at the end of the program it does not run at all for what is still referenced.""",
        wrong="""\
class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    def __del__(self) -> None:
        asyncio.get_event_loop().create_task(self._session.close())
""",
        right="""\
class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()
""",
        exceptions="A finalizer beside a close that is awaited is a safety net, and not reported.",
    ),
    Rule(
        code="LC011",
        name="closed-in-atexit",
        severity="warning",
        summary="The only close of a session is an `atexit` or `weakref` finalizer.",
        why="""\
When `atexit` runs, the session's event loop has ended: `close()` cannot wait for its connections. It does
not run at all when a signal ends the process.""",
        wrong="""\
session = None

async def get(url: str) -> str:
    global session
    if session is None:
        session = aiohttp.ClientSession()
        atexit.register(lambda: asyncio.run(session.close()))
    async with session.get(url) as response:
        return await response.text()
""",
        right="""\
async def main() -> None:
    async with aiohttp.ClientSession() as session:
        await work(session)
""",
        exceptions="Like LC010, not reported beside a close that is awaited.",
    ),
)
