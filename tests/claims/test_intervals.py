"""Intervals against scipy, closed forms and the laws that they obey."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.rule.intervals import (
    hall_interval,
    median_interval,
    t_interval,
    union_bounds,
    union_interval,
    union_tails,
)

GAMMA = np.random.default_rng(3).gamma(2.0, size=(6, 48))
ALL = pytest.mark.parametrize("interval", [t_interval, hall_interval, union_interval])


def test_t_interval_is_scipys():
    low, high = t_interval(GAMMA, level=0.1)
    theirs = stats.ttest_1samp(GAMMA, 0.0, axis=-1).confidence_interval(0.9)
    np.testing.assert_allclose((low, high), (theirs.low, theirs.high), rtol=1e-12)


def test_hall_interval_inverts_the_transformed_statistic():
    n = GAMMA.shape[-1]
    a = stats.skew(GAMMA, axis=-1, bias=False) / np.sqrt(n)
    for end, quantile in zip(hall_interval(GAMMA, level=0.04), stats.t.ppf([0.98, 0.02], n - 1), strict=True):
        t = (GAMMA.mean(-1) - end) / (GAMMA.std(-1, ddof=1) / np.sqrt(n))
        np.testing.assert_allclose(t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6, quantile, rtol=1e-10)


def test_skew_costs_the_union_less_than_t():
    # The end on the side of the long tail, at the size and level of a first look.
    generator = np.random.default_rng(5)
    noise = np.exp(0.6 * generator.normal(size=(4_000, 16)))
    mean = np.exp(0.18)
    missed = {f: np.mean(f(noise, level=0.0208).high < mean) for f in (t_interval, hall_interval, union_interval)}
    assert missed[union_interval] <= missed[hall_interval] < 0.7 * missed[t_interval]


def test_the_union_holds_t_and_hall_as_far_as_the_cap():
    far = np.exp(2 * np.random.default_rng(4).normal(size=(200, 16)))
    t, hall, union = (f(far, level=0.02) for f in (t_interval, hall_interval, union_interval))
    half = (t.high - t.low) / 2
    np.testing.assert_allclose(union.low, np.minimum(t.low, np.maximum(hall.low, far.mean(-1) - 2 * half)))
    np.testing.assert_allclose(union.high, np.maximum(t.high, np.minimum(hall.high, far.mean(-1) + 2 * half)))
    assert np.mean(hall.high > far.mean(-1) + 2 * half) > 0.2  # where skew is strong it would have no limit


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_no_scale_of_theta_leaves_the_floats(scale):
    """Squares of 1e-200 and 1e200 do."""
    rows = np.array([[-1.0, -0.5, 0.25, 1.5], [0.5, 0.5, 0.5, 1.0]])
    ends, moved = union_interval(rows), union_interval(scale * rows)
    np.testing.assert_allclose(np.stack(moved) / scale, np.stack(ends), rtol=1e-9 if scale > 1e-308 else 1e-2)
    np.testing.assert_allclose(
        union_tails(scale * rows, scale * 0.4), union_tails(rows, 0.4), rtol=1e-9 if scale > 1e-308 else 0.1
    )


@ALL
def test_seed_order_does_not_matter_and_mirroring_mirrors(interval):
    low, high = interval(GAMMA)
    shuffled = np.random.default_rng(0).permuted(GAMMA, axis=-1)
    np.testing.assert_array_equal(interval(shuffled), (low, high))
    mirrored = interval(-GAMMA)
    np.testing.assert_allclose((-mirrored.high, -mirrored.low), (low, high), rtol=1e-12)


@ALL
def test_shift_and_scale_are_equivariant(interval):
    low, high = interval(GAMMA)
    moved = interval(1e3 + 1e-4 * GAMMA)
    np.testing.assert_allclose(moved, (1e3 + 1e-4 * low, 1e3 + 1e-4 * high), rtol=1e-11)


@ALL
def test_levels_nest_down_to_those_of_a_thousand_cells(interval):
    ends = [interval(GAMMA, level=level) for level in (0.5, 0.1, 0.02, 2e-3, 2e-4, 1e-5, 1e-7)]
    for inner, outer in pairwise(ends):
        assert np.all(outer.low < inner.low)
        assert np.all(outer.high > inner.high)


@ALL
def test_constant_values_are_their_own_interval(interval):
    low, high = interval(np.full((3, 17), 0.1))
    assert np.all(low == 0.1)
    assert np.all(high == 0.1)


@ALL
def test_leading_axes_are_a_loop(interval):
    low, high = interval(GAMMA.reshape(2, 3, 48))
    assert low.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            alone = interval(GAMMA.reshape(2, 3, 48)[i, j])
            np.testing.assert_allclose((low[i, j], high[i, j]), alone, rtol=1e-12)


@pytest.mark.parametrize("tail", [0.2, 0.025, 0.0104, 1e-3, 1e-5])
@pytest.mark.parametrize("values", [GAMMA, np.round(GAMMA), GAMMA[:, :9]], ids=["smooth", "ties", "few"])
def test_p_values_invert_the_bounds(values, tail):
    low, high = union_bounds(values, tail, tail)
    step = 1e-9  # to either side, for rounding
    for shift, above_tail in ((-step, np.less_equal), (step, np.greater_equal)):
        assert np.all(above_tail(union_tails(values, low + shift).above, tail))
        assert np.all(above_tail(union_tails(values, high - shift).below, tail))


def test_p_values_of_a_constant_row_leave_no_doubt():
    above, below = union_tails(np.full((3, 8), 0.3), [0.2, 0.3, 0.4])
    np.testing.assert_array_equal(above, [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(below, [1.0, 1.0, 0.0])


def test_correction_is_nadeau_and_bengios_variance():
    n, ratio = GAMMA.shape[-1], 0.25
    low, high = t_interval(GAMMA, correction=ratio)
    error = np.sqrt((1 / n + ratio) * GAMMA.var(-1, ddof=1))
    np.testing.assert_allclose((high - low) / 2, stats.t.ppf(0.975, n - 1) * error, rtol=1e-12)
    # Hall's two sides are stretched alike, so its skew survives.
    plain, wide = hall_interval(GAMMA), hall_interval(GAMMA, correction=ratio)
    np.testing.assert_allclose(wide.high - GAMMA.mean(-1), np.sqrt(1 + n * ratio) * (plain.high - GAMMA.mean(-1)))


def test_correction_covers_population_where_the_plain_interval_does_not():
    # Splits correlated r / (1 + r): the model under which Nadeau and Bengio's t interval is exact.
    ratio, generator = 0.25, np.random.default_rng(11)
    common = ratio / (1 + ratio)
    splits = np.sqrt(common) * generator.normal(size=(3_000, 1)) + np.sqrt(1 - common) * generator.normal(
        size=(3_000, 16)
    )
    low, high = t_interval(splits, correction=ratio)
    covered = np.mean((low <= 0) & (high >= 0))
    assert abs(covered - 0.95) < 3.5 * np.sqrt(0.05 * 0.95 / 3_000)
    low, high = t_interval(splits)
    assert np.mean((low <= 0) & (high >= 0)) < 0.7


def test_median_interval_is_exact_order_statistics():
    values = np.arange(1.0, 33.0)
    median, low, high = median_interval(values)
    assert (median, low, high) == (16.5, 10.0, 23.0)
    # Its coverage by the binomial: P(10 <= #below median <= 22).
    assert stats.binom(32, 0.5).cdf(22) - stats.binom(32, 0.5).cdf(9) == pytest.approx(0.98, abs=5e-4)
    for n in (6, 9, 16, 33, 64):
        values = np.arange(1.0, n + 1)
        low, high = (float(v) for v in median_interval(values, level=0.05)[1:])
        theirs = stats.quantile_test(values, q=0.0, p=0.5).confidence_interval(0.95)
        assert (low, high) == (theirs.low, theirs.high)


def test_median_interval_falls_back_to_the_range():
    assert tuple(float(v) for v in median_interval(np.array([3.0, 1.0, 2.0]))) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("value", [-2.0, 0.0, 1e-6, 2.0, 1e200])
def test_few_seeds_ties_and_values_far_away_give_probabilities_without_a_warning(n, value):
    rows = np.random.default_rng(0).integers(-2, 3, size=(40, 4)).astype(float)[:, :n]
    rows = np.concatenate([rows, 2.0 + rows - rows.mean(1, keepdims=True)])  # a mean that is the value itself
    above, below = union_tails(rows, value)
    assert np.all((above >= 0) & (above <= 1) & (below >= 0) & (below <= 1))
    constant = np.ptp(rows, 1) == 0
    assert np.all((above + below)[~constant] >= 1 - 1e-12)  # the larger of two on either side
    assert set((above + below)[constant]) <= {1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t_interval(np.ones(1)), r"t_interval: 'theta' must have shape .* got \(1,\). Run more seeds"),
        (lambda: hall_interval([1.0, np.nan]), "must be finite, got 1 values that are not. Score a failed trial"),
        (lambda: union_interval(np.ones(4), level=0.0), r"'level' must lie in \(0, 1\), got 0.0"),
        (lambda: t_interval(np.ones(4), correction=-1), "'correction' must be n_test / n_train >= 0, got -1"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
