"""LC020 to LC051: sessions opened at the wrong place, or once too often."""

from __future__ import annotations

from .rule import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        code="LC020",
        name="created-at-import",
        severity="error",
        summary="A session is opened while a module is imported.",
        why="""\
No event loop runs at import: aiohttp 3.10 and later raise `RuntimeError: no running event loop`; earlier
ones bind the session to a loop that `asyncio.run` will not use.""",
        wrong="""\
session = aiohttp.ClientSession()

async def fetch(url: str) -> str:
    async with session.get(url) as response:
        return await response.text()
""",
        right="""\
async def fetch(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()
""",
        exceptions="""\
A default argument and a class attribute are import time too; the body of a function is not.""",
    ),
    Rule(
        code="LC021",
        name="created-outside-loop",
        severity="error",
        summary="A session is opened before the event loop runs.",
        why="""\
aiohttp 3.10 and later raise `RuntimeError: no running event loop`. Given `loop=`, the session still belongs
to a loop that has to be closed by hand.""",
        wrong="""\
def main() -> None:
    session = aiohttp.ClientSession()
    asyncio.run(work(session))
""",
        right="""\
async def main() -> None:
    async with aiohttp.ClientSession() as session:
        await work(session)

asyncio.run(main())
""",
        exceptions="""\
Only where the same function, or the script, starts the loop afterwards, or a module calls the function while
it is imported; elsewhere it cannot be seen. With `loop=` it is `medium`.""",
    ),
    Rule(
        code="LC030",
        name="async-with-on-shared-session",
        severity="error",
        summary="`async with` on a session that is used again later closes it for everyone.",
        why="""\
The end of the block closes the session. The next call raises `RuntimeError: Session is closed`.""",
        wrong="""\
class Client:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def fetch(self, url: str) -> str:
        async with self._session as session:
            async with session.get(url) as response:
                return await response.text()
""",
        right="""\
class Client:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def fetch(self, url: str) -> str:
        async with self._session.get(url) as response:
            return await response.text()
""",
        exceptions="A method that opens the session itself, and `run`, `main` or `__aenter__`, may enter it.",
        configure="`accessors` names functions that return a shared session.",
        fix="unsafe",
    ),
    Rule(
        code="LC031",
        name="sync-with",
        severity="error",
        summary="`with` where `async with` is needed.",
        why="`ClientSession.__enter__` raises `TypeError: Use async with instead`.",
        wrong="""\
async def fetch(url: str) -> str:
    with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            return await response.text()
""",
        right="""\
async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            return await response.text()
""",
        exceptions="Not under `pytest.raises`.",
        fix="safe",
    ),
    Rule(
        code="LC032",
        name="closes-borrowed-session",
        severity="warning",
        summary="A session is closed by someone who did not open it.",
        why="Its owner and every other borrower find it closed: `RuntimeError: Session is closed`.",
        wrong="""\
async def fetch(hass: HomeAssistant, url: str) -> str:
    session = async_get_clientsession(hass)
    async with session.get(url) as response:
        text = await response.text()
    await session.close()
    return text
""",
        right="""\
async def fetch(hass: HomeAssistant, url: str) -> str:
    session = async_get_clientsession(hass)
    async with session.get(url) as response:
        return await response.text()
""",
        exceptions="""\
A function whose purpose is to close its argument (`close`, `stop`, `cleanup`) may. A class that closes what
its constructor received is `medium`.""",
        configure="""\
`accessors`, `# lastcall: owns` and `# lastcall: borrows`, `Annotated[ClientSession,
lastcall.Borrowed]`.""",
    ),
    Rule(
        code="LC033",
        name="mixed-injected-and-created",
        severity="warning",
        summary="""\
An attribute holds a session that was passed in or opened here, and is closed in either case.""",
        why="Whoever passed a session in finds it closed by a guest. A flag has to remember who opened it.",
        wrong="""\
class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self._session.close()
""",
        right="""\
class Client:
    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._owns_session = session is None
        self._session = session or aiohttp.ClientSession()

    async def aclose(self) -> None:
        if self._owns_session:
            await self._session.close()
""",
        exceptions="""\
If no caller in the project passes a session in, it is `medium`. `# lastcall: owns` on the parameter settles
it.""",
        fix="unsafe",
    ),
    Rule(
        code="LC040",
        name="response-not-released",
        severity="warning",
        summary="A response is neither read nor released.",
        why="""\
A small body arrives by itself and frees the connection; a large or slow one holds a slot of the pool for
ever. Garbage collection and the total timeout free neither.""",
        wrong="""\
async def is_up(session: aiohttp.ClientSession, url: str) -> bool:
    response = await session.get(url)
    return response.status == 200
""",
        right="""\
async def is_up(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(url) as response:
        return response.status == 200
""",
        exceptions="Not for HEAD, and not where the session is closed right after.",
        fix="safe",
    ),
    Rule(
        code="LC050",
        name="session-per-call",
        severity="info",
        summary="A session is opened for each call of a function that is called again and again.",
        why="""\
Nothing is pooled: each call pays for DNS, TCP and TLS anew, which costs three times (HTTP) to ten times
(HTTPS) the time of a shared session.""",
        wrong="""\
async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()

async def fetch_all(urls: list[str]) -> list[str]:
    return [await fetch(url) for url in urls]
""",
        right="""\
async def fetch(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()

async def fetch_all(urls: list[str]) -> list[str]:
    async with aiohttp.ClientSession() as session:
        return [await fetch(session, url) for url in urls]
""",
        exceptions="`high` where a loop in the project makes the calls; else `medium`. Off in tests.",
        in_tests=False,
    ),
    Rule(
        code="LC051",
        name="session-per-task",
        severity="info",
        summary="A session is opened in each turn of a loop, or for each of many tasks.",
        why="As LC050, and the sessions live at the same time, each with a pool and a limit of its own.",
        wrong="""\
async def fetch_all(urls: list[str]) -> None:
    for url in urls:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            print(await response.text())
""",
        right="""\
async def fetch_all(urls: list[str]) -> None:
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url) as response:
                print(await response.text())
""",
        exceptions="""\
A session with its own cookies, proxy or headers in each turn has a reason, and is `medium`. Loops that count,
and those that stop at the first success, are left alone. Off in tests.""",
        in_tests=False,
    ),
)
