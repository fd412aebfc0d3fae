"""Counts of durations: true to one per cent, and no larger for a million of them."""

import random

import pytest

from lastcall.llm.histogram import Histogram, bounds, coarse, coarse_bounds, quantile

SHARES = (0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0)


def filled(values: list[float]) -> Histogram:
    """Return a histogram of *values*."""
    histogram = Histogram()
    histogram.pending.extend(values)
    return histogram


@pytest.mark.parametrize("middle", [1e-5, 0.02, 1.0, 300.0])
@pytest.mark.parametrize("share", SHARES)
def test_a_quantile_is_true_to_one_per_cent(middle: float, share: float) -> None:
    """From microseconds to minutes, each quantile is within one per cent of that of the values themselves."""
    chance = random.Random(3)
    values = sorted(middle * chance.lognormvariate(0, 0.8) for _ in range(20_000))
    exact = values[max(1, round(share * len(values))) - 1]
    assert quantile(filled(values).counts(), share) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("share", SHARES)
def test_a_coarse_quantile_is_true_to_four_per_cent(share: float) -> None:
    """What is kept for each interval is eight times coarser."""
    chance = random.Random(4)
    values = sorted(chance.lognormvariate(0, 0.8) for _ in range(20_000))
    exact = values[max(1, round(share * len(values))) - 1]
    assert quantile(coarse(filled(values).counts()), share, wide=True) == pytest.approx(exact, rel=0.04)


def test_a_value_lies_within_its_bucket() -> None:
    """The bounds of a bucket hold what was counted in it, and follow each other without a gap."""
    chance = random.Random(5)
    for value in (chance.lognormvariate(-3, 3) for _ in range(2000)):
        (bucket,) = filled([value]).counts()
        low, high = bounds(bucket)
        assert low <= value * (1 + 1e-6)
        assert value * (1 - 1e-6) <= high
        assert bounds(bucket + 1)[0] == high
        (wide,) = coarse({bucket: 1})
        assert coarse_bounds(wide)[0] <= low < high <= coarse_bounds(wide)[1]


def test_zero_has_a_bucket_of_its_own() -> None:
    """Requests that did not wait are told apart from those that waited for a moment."""
    counts = filled([0.0, 0.0, 1e-9]).counts()
    assert counts[0] == 2
    assert quantile(counts, 0.5) == 0.0


def test_nothing_has_no_quantile() -> None:
    """Without a value there is no median."""
    assert quantile(Histogram().counts(), 0.5) is None


def test_settling_returns_what_is_new_and_keeps_all() -> None:
    """Each call returns the counts since the last; the whole stays."""
    histogram = filled([1.0, 2.0])
    assert histogram.settle().total() == 2
    histogram.pending.append(4.0)
    assert histogram.settle().total() == 1
    assert sum(histogram.counts().values()) == 3
    assert not histogram.pending


def test_buckets_do_not_grow_with_the_values() -> None:
    """A hundred thousand values over five powers of ten take some thousand buckets."""
    chance = random.Random(6)
    histogram = filled([10 ** chance.uniform(-4, 1) for _ in range(100_000)])
    assert len(histogram.counts()) < 5 * 3.4 * 128
