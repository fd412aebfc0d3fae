"""A run of two minutes, told to `Statistics` by a clock that stands still unless it is moved."""

import random

from lastcall.llm.errors import RateLimitedError, StatusError, TimedOutError
from lastcall.llm.outcome import Outcome
from lastcall.llm.report import Report, Verdict, make_report
from lastcall.llm.statistics import Statistics

MARKUP = "<img src=x onerror=\"document.title='hacked'\"></script>"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def outcome(seconds: float, *, waited: float = 0.0, chunks: int = 0) -> Outcome:
    """Return an answer that took so long, a stream if it came in chunks."""
    gaps = tuple(seconds / (chunks + 1) for _ in range(chunks - 1))
    return Outcome(
        200, b"{}", {}, waited=waited, seconds=seconds, first_chunk=seconds / 3 if chunks else None, gaps=gaps
    )


def fed(*, seconds: int = 120, stream: bool = True) -> Statistics:
    """Return the statistics of a run of many requests, with one of each misfortune."""
    clock, chance = Clock(), random.Random(7)
    stats = Statistics(total=seconds * 40 + 100, limit=64, clock=clock)
    with stats:
        stats.resumed(100)
        stats.refused("line is not JSON")
        for _ in range(64):
            stats.started()
        for step in range(seconds * 4):
            for _ in range(9 if 200 < step < 280 else 10):
                took = chance.lognormvariate(-0.7, 0.5)
                answer = outcome(took, waited=chance.choice([0, 0, 0, took / 9]), chunks=20 if stream else 0)
                stats.finished(answer, prompt_tokens=40, completion_tokens=80, finish_reason="stop")
                stats.started()
            clock.now += 0.25
            stats.snapshot()
        stats.retried("429", 1.5)
        stats.retried("connection", 0.0)
        stats.failed(StatusError("no", status=500))
        stats.failed(RateLimitedError("no", status=429))
        late = TimedOutError("late")
        late.limit = "first_byte"
        stats.failed(late)
        stats.failed(MARKUP)
        for _ in range(60):
            stats.cancelled()
    return stats


def report(*, seconds: int = 120, stream: bool = True) -> Report:
    """Return the report of such a run."""
    return make_report(
        fed(seconds=seconds, stream=stream),
        settings={"input": MARKUP, "model": "tiny", "concurrency": 64, "stream": stream, "rpm": None},
        sessions=Verdict(opened=1, closed=1, leaked=0),
    )
