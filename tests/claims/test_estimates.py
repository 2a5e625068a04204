"""Thetas from their definitions, and sign tests against scipy and by enumeration."""

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.rule.estimates import interaction, root, share_of_effect, slope, steps
from jaxml.claims.rule.signs import sign_bounds, sign_tails

GENERATOR = np.random.default_rng(0)


def test_slope_is_least_squares_of_each_seed():
    x, y = GENERATOR.normal(size=6), GENERATOR.normal(size=(3, 6, 4))
    found = slope(x, y)
    assert found.shape == (3, 4)
    for i, s in np.ndindex(3, 4):
        assert found[i, s] == pytest.approx(np.polyfit(x, y[i, :, s], 1)[0])


def test_steps_share_and_interaction():
    y = GENERATOR.normal(size=(4, 5))
    np.testing.assert_allclose(np.cumsum(steps(y), 0), y[1:] - y[0])
    a, b = y[0], y[1]
    # C brings exactly the share s of what B brings: theta is 0, whatever the sizes.
    np.testing.assert_allclose(share_of_effect(a, b, a - 0.3 * (a - b), share=0.3), 0, atol=1e-12)
    np.testing.assert_allclose(interaction(a + b, a, b, np.zeros(5)), 0, atol=1e-12)
    np.testing.assert_allclose(interaction(y[0], y[1], y[2], y[3]), interaction(y[0], y[2], y[1], y[3]), atol=1e-12)


def test_root_of_a_line_is_its_root_whatever_the_grid():
    x, at = np.array([0.0, 0.3, 1.0, 2.0]), np.array([0.1, 0.3, 0.9, 1.99, 2.0])
    line = 3.0 * (x[:, None] - at) + 0.5
    for effect, rising in ((line, True), (1.0 - line, False)):
        found = root(x, effect, margin=0.5, rising=rising)
        np.testing.assert_allclose(found.low, at, atol=1e-12)
        np.testing.assert_allclose(found.high, at, atol=1e-12)


def test_a_root_off_the_grid_is_censored_and_noise_widens_it():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    columns = {
        "before": [1, 2, 3, 4],
        "after": [-4, -3, -2, -1],
        "several": [-1, 1, -1, 1],
        "dips": [1, 1, -1, 1],
        "bump": [-1, 1, -1, -1],
        "falls": [1, 1, -1, -1],
        "failed": [-1, 1, np.nan, 1],
        "on a point": [-1, 0, 1, 2],
    }
    found = root(x, np.array(list(columns.values()), float).T)
    bounds = dict(zip(columns, np.stack(found, -1).tolist(), strict=True))
    inf = np.inf
    assert bounds.pop("failed") == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert bounds == {
        "before": [-inf, 1.0],
        "after": [4.0, inf],
        "several": [1.5, 3.5],
        "dips": [-inf, 3.5],
        "bump": [1.5, inf],
        "falls": [-inf, inf],
        "on a point": [2.0, 2.0],
    }


def test_sign_tails_are_the_binomial_tests():
    theta = GENERATOR.normal(0.3, 1, size=(20, 15))
    tails = sign_tails(theta, theta, 0.2)
    for row, above, below in zip(theta, *tails, strict=True):
        larger = int(np.sum(row > 0.2))
        assert above == pytest.approx(stats.binomtest(larger, 15, alternative="greater").pvalue)
        assert below == pytest.approx(stats.binomtest(larger, 15, alternative="less").pvalue)


def test_censored_seeds_count_for_neither_side():
    low, high = np.array([1.0, 2.0, -np.inf, 0.0]), np.array([1.0, np.inf, np.inf, 0.0])
    assert sign_tails(low, high, 0.5) == pytest.approx((11 / 16, 15 / 16))


def test_sign_bounds_are_what_the_test_does_not_reject():
    theta = np.sort(GENERATOR.normal(size=(40, 12)))
    low = np.where(GENERATOR.random(theta.shape) < 0.2, -np.inf, theta)
    high = np.where(GENERATOR.random(theta.shape) < 0.2, np.inf, theta)
    tail = np.where(np.arange(40) < 20, 0.02, 0.1)
    ends = sign_bounds(low, high, tail, tail)
    values = np.linspace(-4, 4, 401)
    for k in range(40):
        above, below = sign_tails(low[k], high[k], values)
        assert ((above <= tail[k]) == (values < ends.low[k])).all()
        assert ((below <= tail[k]) == (values > ends.high[k])).all()
    assert sign_bounds(theta[0, :3], theta[0, :3], 0.02, 0.02) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slope([1, 1], np.ones((2, 3))), "slope: 'x' must hold one number for each point, at least two"),
        (lambda: slope([1, 2], np.ones(2)), r"got \(2,\) and \(2,\)"),
        (lambda: root([2, 1], np.ones((2, 3))), r"root: 'x' must increase, got \[2.0, 1.0\]"),
        (lambda: steps(np.ones((1, 3))), r"steps: 'values' must have shape .* got \(1, 3\)"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
