"""When to ask again: every form of header, the arithmetic of waiting, and making things once."""

import asyncio

import pytest

from lastcall.pacing import SingleFlight, Spacing, TokenBucket, backoff, date_epoch, reset_epoch, retry_after

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:50 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": DATE}, 30.0),
        ({"retry-after": DATE, "date": "Tue, 14 Nov 2023 22:13:45 GMT"}, 5.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Tue, 99 Nov 2023 22:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, dates and milliseconds are understood; nonsense is as if nothing were said."""
    assert retry_after(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("1700000060", 1_700_000_060.0),
        ("1700000060000", 1_700_000_060.0),
        ("0", 0.0),
        ("-5", None),
        ("17000000600000000000", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_reset_times_are_read_in_seconds_and_milliseconds(text: str | None, epoch: float | None) -> None:
    """A reset in milliseconds means the same; one in another age means nothing."""
    assert reset_epoch(text, now=NOW) == epoch


def test_a_date_is_read_and_nonsense_is_none() -> None:
    """HTTP dates become seconds since the epoch."""
    assert date_epoch(DATE) == NOW + 30
    assert date_epoch("never") is None


def test_backoff_doubles_up_to_its_longest_and_is_never_negative() -> None:
    """The limit of the wait doubles, chance takes a part of it, and a huge attempt is no error."""
    assert [backoff(n, base=1, longest=5, chance=lambda: 1.0) for n in (1, 2, 3, 4)] == [1, 2, 4, 5]
    assert backoff(5000, chance=lambda: 1.0) == 30
    assert backoff(3, chance=lambda: 0.0) == 0


def test_spacing_gives_each_its_own_moment() -> None:
    """Reservations at one time are an interval apart; after a pause none has to wait."""
    now = [10.0]
    spacing = Spacing(1.0, clock=lambda: now[0])
    assert [spacing.reserve() for _ in range(3)] == [0.0, 1.0, 2.0]
    now[0] = 20.0
    assert spacing.reserve() == 0.0


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """After the burst each waits for its token; a pause fills the bucket and no more than that."""
    now = [0.0]
    bucket = TokenBucket(2.0, 2, clock=lambda: now[0])
    assert [bucket.reserve() for _ in range(4)] == [0.0, 0.0, 0.5, 1.0]
    now[0] = 100.0
    assert [bucket.reserve() for _ in range(3)] == [0.0, 0.0, 0.5]


def test_a_bucket_that_could_never_fill_is_refused() -> None:
    """A rate of nothing and a bucket below one token are mistakes."""
    with pytest.raises(ValueError, match="rate"):
        TokenBucket(0)
    with pytest.raises(ValueError, match="size"):
        TokenBucket(1, 0)


async def test_many_who_want_the_same_have_it_made_once() -> None:
    """All who ask at one time get what one task made; who asks later has it made again."""
    flights: SingleFlight[int] = SingleFlight()
    made = 0

    async def make() -> int:
        nonlocal made
        await asyncio.sleep(0)
        made += 1
        return made

    assert await asyncio.gather(*(flights.run("key", make) for _ in range(50))) == [1] * 50
    assert await flights.run("key", make) == 2


async def test_one_who_gives_up_does_not_take_it_from_the_others() -> None:
    """Cancelling the first caller leaves what it started to those who wait too."""
    flights: SingleFlight[str] = SingleFlight()
    go = asyncio.Event()

    async def make() -> str:
        await go.wait()
        return "made"

    first = asyncio.create_task(flights.run("key", make))
    second = asyncio.create_task(flights.run("key", make))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second == "made"
    assert first.cancelled()


async def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    """Each waiter gets the failure; the next call tries again."""
    flights: SingleFlight[str] = SingleFlight()

    async def fail() -> str:
        await asyncio.sleep(0)
        raise OSError("no")

    async def make() -> str:
        return "made"

    failed = await asyncio.gather(*(flights.run("key", fail) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in failed] == [OSError] * 3
    assert await flights.run("key", make) == "made"
