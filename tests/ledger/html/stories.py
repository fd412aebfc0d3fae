"""Histories and reports of invented programs, of any size."""

import random
from typing import Any

from lastcall.ledger import Churn, Evidence, Frame, Leak, ProcessInfo, Report, Site
from lastcall.ledger.history import Recorded
from lastcall.ledger.history.rows import Outcome, Row, pack

BEGAN_AT = 1_800_000_000.0
BEGAN = 5_000.0
MARKUP = "<b>not markup</b>"


def site(number: int) -> Site:
    """Return an invented line."""
    name = ("fetch", "poll", "upload", "login", "search", "notify", "export", "report")[number % 8]
    file = f"app/{('clients', 'jobs', 'api', 'tasks')[number % 4]}/{name}_{number}.py"
    return Site(file, 10 + number, f"Client.{name}", f"session = aiohttp.ClientSession()  # {number}")


def _head(number: int, opened: int, closed: int, leaked: int) -> dict[str, Any]:
    line = site(number)
    frames = [
        Frame(line.file, line.line, line.function, None, line.source),
        Frame("app/run.py", 88, "worker", None, "await client.fetch(url)"),
        Frame("app/__main__.py", 7, "main", None, "asyncio.run(worker())"),
    ]
    return {
        "kind": "session",
        "fingerprint": f"{number:012x}",
        "site": {"file": line.file, "line": line.line, "function": line.function, "source": line.source},
        "distribution": None,
        "stack": [
            {"file": f.file, "line": f.line, "function": f.function, "distribution": None, "source": f.source}
            for f in frames
        ],
        "opened": opened,
        "closed": closed,
        "leaked": leaked,
        "requests": 2 * opened,
        "connections": opened,
    }


def recorded(
    sessions: int, *, sites: int = 8, seconds: float = 120.0, pid: int = 4711, seed: int = 1
) -> Recorded:
    """
    Return what a process has recorded that opened so many sessions.

    Of the first and third site some leak; the second opens few that live long; all others open one a call.
    """
    chance = random.Random(seed)
    rows: list[bytes] = []
    counts = [[0, 0, 0] for _ in range(sites)]
    for number in range(sessions):
        index = min(sites - 1, int(chance.expovariate(0.6))) if number >= sites else number
        opened = BEGAN + chance.random() ** 0.7 * seconds * 0.97
        lived = chance.expovariate(1 / 0.08) if index != 1 else chance.uniform(0.05, 0.4) * seconds
        leaks = index in {0, 2} and chance.random() < 0.01
        outcome = chance.choice([Outcome.COLLECTED_OPEN, Outcome.SCOPE_ENDED]) if leaks else Outcome.CLOSED
        ended = BEGAN + seconds if outcome is Outcome.SCOPE_ENDED else min(opened + lived, BEGAN + seconds)
        times = _times(chance, index, opened, ended, lived)
        rows.append(pack(Row(index, 1, opened, ended, max(1, len(times) // 2), 1, outcome, times)))
        counts[index][0] += 1
        counts[index][2 if leaks else 1] += 1
    return Recorded(
        head={
            "pid": pid,
            "is_over": True,
            "began": BEGAN,
            "began_at": BEGAN_AT,
            "until": BEGAN + seconds,
            "left_out": 0,
            "ended_bytes": sum(map(len, rows)),
            "sites": [_head(index, *counts[index]) for index in range(sites)],
            "flow": _flow(chance, seconds),
        },
        ended=b"".join(rows),
        open=b"",
    )


def _times(chance: random.Random, index: int, opened: float, ended: float, lived: float) -> list[float]:
    times: list[float] = []
    at = opened + 0.1 * min(lived, ended - opened)
    for _ in range(chance.choice([1, 1, 1, 2]) if index != 1 else 12):
        until = at + chance.uniform(0.02, 0.5 if index != 1 else 0.06) * lived
        if until >= ended:
            break
        times += (at, until)
        at = until + 0.05 * lived
    return times


def _flow(chance: random.Random, seconds: float) -> dict[str, Any]:
    width = 0.32
    steps = []
    for number in range(int(seconds / width)):
        busy = 20 + 15 * ((number // 40) % 3) + chance.randrange(12)
        steps.append([8 * busy, busy // 3, busy, busy + 8 + chance.randrange(6)])
    return {"began": BEGAN, "width": width, "steps": steps}


def report(part: Recorded) -> Report:
    """Return the report that goes with *part*."""
    heads = part.head["sites"]
    leaks = [
        _leak(number, head["leaked"], evidence)
        for number, (head, evidence) in enumerate(
            zip(heads, (Evidence.COLLECTED_OPEN, None, Evidence.SCOPE_ENDED), strict=False)
        )
        if evidence is not None and head["leaked"]
    ]
    churn = [
        _churn(number, head["opened"])
        for number, head in enumerate(heads)
        if number > 2 and head["opened"] > 20
    ]
    sums = [sum(head[name] for head in heads) for name in ("opened", "closed", "leaked")]
    process = ProcessInfo(
        4711, 4000, "app.py", "3.11.7", "3.14.5", BEGAN_AT, BEGAN_AT + 120.0, "ended", *sums
    )
    return Report(
        opened=sums[0],
        closed=sums[1],
        leaked=sums[2],
        leaks=tuple(leaks),
        churn=tuple(churn),
        processes=(process,),
    )


def _churn(number: int, sessions: int) -> Churn:
    return Churn(
        fingerprint=f"{number:012x}",
        site=site(number),
        sessions=sessions,
        requests=sessions,
        connections=sessions,
        connect_s=0.01 * sessions,
        spared=sessions - 12,
        spared_s=0.009 * sessions,
    )


def _leak(number: int, count: int, evidence: Evidence) -> Leak:
    line = site(number)
    return Leak(
        fingerprint=f"{number:012x}",
        count=count,
        evidence=evidence,
        site=line,
        stack=(
            Frame(line.file, line.line, line.function, None, line.source),
            Frame("app/run.py", 88, "worker", None, f'await client.fetch(url)  # "{MARKUP}"'),
            Frame("app/__main__.py", 7, "main", None, "asyncio.run(worker())"),
        ),
        first_opened_at=BEGAN_AT + 1,
        last_opened_at=BEGAN_AT + 90,
        oldest_age_s=119.0,
        tasks=("Task-1", MARKUP),
        tasks_more=3,
        hosts=("api.example.com",),
        requests=2 * count,
        connections=count,
    )
