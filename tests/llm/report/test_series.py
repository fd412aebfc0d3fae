"""A run in intervals: as many for an hour as for a day, and nothing of it lost."""

import pytest

from lastcall.llm.series import INTERVAL_S, INTERVALS_MAX, RECENT_S, Interval, Recent, Series


def part(start: float, seconds: float = 0.1, *, answers: int = 0, failed: int = 0) -> Interval:
    """Return what happened in a tenth of a second."""
    return Interval(start=start, seconds=seconds, answers=answers, failed=failed)


@pytest.mark.parametrize("seconds", [1, 100, 1000, 20_000])
def test_a_series_stays_short_and_whole(seconds: int) -> None:
    """However long the run, there are at most so many intervals; they follow each other and add up."""
    series = Series()
    for step in range(seconds * 10):
        series.add(part(step / 10, answers=3, failed=1))
    assert len(series.intervals) <= INTERVALS_MAX
    assert sum(one.answers for one in series.intervals) == 30 * seconds
    assert sum(one.seconds for one in series.intervals) == pytest.approx(seconds)
    for one, other in zip(series.intervals, series.intervals[1:], strict=False):
        assert one.start + one.seconds == pytest.approx(other.start)


def test_intervals_are_as_long_as_they_say() -> None:
    """An interval takes parts until it has its length."""
    series = Series()
    for step in range(100):
        series.add(part(step / 10))
    lengths = [one.seconds for one in series.intervals]
    assert all(INTERVAL_S <= length < INTERVAL_S + 0.11 for length in lengths[:-1])


def test_what_is_left_over_at_the_end_joins_the_interval_before_it() -> None:
    """A last interval of a hundredth of a second would show a rate that never was."""
    series = Series()
    for step in range(9):
        series.add(part(step / 10, answers=1))
    series.add(part(0.9, 0.01, answers=1))
    series.close()
    assert series.intervals[-1].seconds >= INTERVAL_S
    assert sum(one.answers for one in series.intervals) == 10


def test_averages_are_weighed_and_peaks_kept() -> None:
    """In flight is an average over time; the most at once and the longest lag are kept."""
    one = Interval(0.0, 1.0, in_flight=10, in_flight_max=10, lag=0.5)
    one.add(Interval(1.0, 3.0, in_flight=2, in_flight_max=4, lag=0.1, limit=7))
    assert (one.in_flight, one.in_flight_max, one.lag, one.limit) == (4.0, 10, 0.5, 7)


def test_recent_forgets_what_is_older_than_half_a_minute() -> None:
    """Rates are those of the last half minute, not of the whole run."""
    recent = Recent()
    for step in range(1000):
        recent.add(part(step / 10, answers=int(step < 500)))
    whole = recent.sum()
    assert whole.answers == 0
    assert whole.seconds == pytest.approx(RECENT_S, abs=4)


def test_recent_is_empty_at_first() -> None:
    """Before anything happened there is an interval of no length."""
    assert Recent().sum().seconds == 0
