"""LC060 to LC091: leaks hidden rather than mended, caches that lose sessions, and comments of ours."""

from __future__ import annotations

from .rule import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        code="LC060",
        name="warning-suppressed",
        severity="error",
        summary="""\
The warning about unclosed sessions is suppressed, and the message is not even silenced by it.""",
        why="""\
The text `Unclosed client session` comes from the loop's exception handler, at ERROR on the logger
`asyncio`. It is not the `ResourceWarning`: ignoring that hides the one thing a test could fail on, and the
message stays.""",
        wrong="""\
import aiohttp

warnings.filterwarnings("ignore", category=ResourceWarning)
""",
        right="""\
async with aiohttp.ClientSession() as session:
    await work(session)
""",
        exceptions="Only in modules that use aiohttp, or where the filter names aiohttp's words.",
        fix="unsafe",
    ),
    Rule(
        code="LC061",
        name="detach-without-close",
        severity="error",
        summary="""\
`detach()` on a session with a connector of its own: the warning goes, the connections stay.""",
        why="`detach()` only forgets the connector. Nobody can close it afterwards.",
        wrong="""\
async def fetch(url: str) -> str:
    session = aiohttp.ClientSession()
    try:
        async with session.get(url) as response:
            return await response.text()
    finally:
        session.detach()
""",
        right="""\
async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            return await response.text()
""",
        exceptions="""\
Right for a session that was given a `connector` someone else owns. Inside `async with`, where it lets a
websocket outlive its session, it is `medium`.""",
    ),
    Rule(
        code="LC062",
        name="del-patched",
        severity="error",
        summary="`__del__` of one of aiohttp's classes is replaced.",
        why="""\
It is what reports a leak, and what frees the connector of a session that was dropped. Every leak in the
process is hidden.""",
        wrong="""\
aiohttp.ClientSession.__del__ = lambda self: None
""",
        right="""\
async with aiohttp.ClientSession() as session:
    await work(session)
""",
        exceptions="To hide exactly these messages and no fault: `lastcall.silence_unclosed_messages()`.",
    ),
    Rule(
        code="LC070",
        name="shared-under-weak-or-id-key",
        severity="error",
        summary="Sessions are kept by loop in a `WeakKeyDictionary`, or under `id(loop)`.",
        why="""\
A session holds its loop, so a weak key never goes: the entry and its connections stay for ever. `id(loop)`
is given to the next loop, which is then handed a session that died with the last one.""",
        wrong="""\
_sessions: dict[int, aiohttp.ClientSession] = {}

def get_session() -> aiohttp.ClientSession:
    key = id(asyncio.get_running_loop())
    if key not in _sessions:
        _sessions[key] = aiohttp.ClientSession()
    return _sessions[key]
""",
        right="""\
def get_session() -> aiohttp.ClientSession:
    return lastcall.get_shared_session()
""",
        exceptions="None: keep strong entries, and drop them when their loop ends.",
    ),
    Rule(
        code="LC071",
        name="session-inherited-by-fork",
        severity="error",
        summary="A session goes to another process.",
        why="""\
A forked child shares the parent's epoll set. If it closes or merely drops the session, the parent's next
request on a pooled connection hangs. To a spawned one a session cannot be sent at all.""",
        wrong="""\
async def main() -> None:
    async with aiohttp.ClientSession() as session:
        multiprocessing.Process(target=work, args=(session,)).start()
""",
        right="""\
def work() -> None:
    asyncio.run(work_with_own_session())

multiprocessing.Process(target=work).start()
""",
        exceptions="A fresh session in the child is harmless.",
    ),
    Rule(
        code="LC090",
        name="unused-ignore",
        severity="warning",
        summary="An ignore comment matches no finding.",
        why="It will hide the next mistake on its line.",
        wrong="""\
total = 1 + 1  # lastcall: ignore[LC001] -- closed by the framework
""",
        right="""\
total = 1 + 1
""",
        exceptions="Only for rules that were applied in this run.",
        fix="safe",
    ),
    Rule(
        code="LC091",
        name="unknown-code",
        severity="warning",
        summary="An ignore comment names a rule that does not exist.",
        why="It ignores nothing.",
        wrong="""\
session = make_session()  # lastcall: ignore[LC0O1] -- closed by the framework
""",
        right="""\
session = make_session()  # lastcall: ignore[LC001] -- closed by the framework
""",
        fix="safe",
    ),
)
