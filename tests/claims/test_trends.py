"""Proportions, trends and slopes against scipy and enumeration."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.trends import (
    clopper_pearson,
    discoveries,
    mcnemar_exact,
    page_trend,
    slope_interval,
    spearman_trend,
    theil_sen,
)


def test_clopper_pearson_is_scipys():
    k = np.arange(17)
    low, high = clopper_pearson(k, 16, level=0.1)
    for i in k:
        theirs = stats.binomtest(int(i), 16).proportion_ci(0.9, method="exact")
        assert (low[i], high[i]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_mcnemar_is_the_binomial_test():
    for gained, lost in product(range(6), range(6)):
        theirs = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        assert mcnemar_exact(gained, lost) == pytest.approx(theirs, abs=1e-12)


def test_page_is_scipys():
    values = np.random.default_rng(2).normal(size=(6, 4)) + 0.25 * np.arange(4)
    ours, theirs = page_trend(values), stats.page_trend_test(values, method="exact")
    assert ours.statistic == theirs.statistic
    error = np.sqrt(theirs.pvalue * (1 - theirs.pvalue) / 10_000)
    assert abs(ours.p_value - theirs.pvalue) < 4 * error + 1e-4
    assert page_trend(values[:, ::-1]).p_value > 0.5


def test_page_is_fair_under_ties():
    values = np.random.default_rng(3).integers(0, 2, size=(200, 5, 4)).astype(float)
    p = [page_trend(v, permutations=199).p_value for v in values]
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 3 * np.sqrt(0.09 / 200)


def test_spearman_of_one_seed_is_scipys_and_its_p_value_the_enumerated_one():
    x, y = np.array([1.0, 2, 4, 8, 16]), np.array([[0.1, 0.4, 0.3, 0.9, 0.8]])
    ours = spearman_trend(x, y)
    assert ours.statistic == pytest.approx(stats.spearmanr(x, y[0]).statistic)
    all_orders = [stats.spearmanr(x, order).statistic for order in permutations(y[0])]
    exact = np.mean(np.array(all_orders) >= ours.statistic - 1e-9)
    assert ours.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact / 10_000))


def test_a_constant_seed_has_no_trend():
    assert spearman_trend([1, 2, 3], np.ones((4, 3)), permutations=99) == (0.0, 1.0)


def test_theil_sen_is_scipys_and_vectorised():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=9), generator.normal(size=(2, 3, 9))
    slopes = theil_sen(x, y)
    for i, j in np.ndindex(2, 3):
        assert slopes[i, j] == pytest.approx(stats.theilslopes(y[i, j], x).slope, rel=1e-12)


def test_theil_sen_withstands_a_wild_point_and_least_squares_does_not():
    x = np.arange(10.0)
    y = 2 * x + np.where(x == 9, 1e3, 0)
    assert theil_sen(x, y) == pytest.approx(2)
    assert np.polyfit(x, y, 1)[0] > 10


def test_slope_interval_covers():
    x, noise = np.log([10.0, 30, 100, 300]), 0.3 * np.random.default_rng(4).normal(size=(400, 32, 4))
    slope, (low, high) = slope_interval(x, -0.5 * x + noise)
    assert slope.shape == (400,)
    assert 0.90 < np.mean((low <= -0.5) & (high >= -0.5)) < 0.98


def test_discoveries_step_up():
    p = np.array([[0.04, 0.03], [0.02, 0.01]])
    assert discoveries(p).all()  # step-up: 0.04 passes at its rank, so all smaller ones do
    assert not discoveries(p, rate=0.03).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clopper_pearson(5, 4), r"'successes' must lie in \[0, trials\], got 5 of 4. Pass counts"),
        (lambda: page_trend([1.0, 2.0]), r"page_trend: 'values' must be finite with shape .* got \(2,\)"),
        (lambda: page_trend([[1.0, np.nan]]), "Score failed trials as the worst"),
        (lambda: spearman_trend([1, 1], [[1, 2]]), "spearman_trend: 'x' must hold one setting .* and vary"),
        (lambda: theil_sen([1, 1], [1, 2]), "theil_sen: 'x' must hold at least 2 different points"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
