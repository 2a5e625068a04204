"""Bounds of the looks and power against published tables, scipy and simulation."""

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.rule.power import power_at, resolvable, seeds_needed
from jaxml.claims.rule.spending import crossing_probability, look_levels, spent


@pytest.mark.parametrize(
    ("number", "bounds"),
    [(3, (2.279, 2.295, 2.296)), (5, (2.438, 2.427, 2.410, 2.397, 2.386))],
)
def test_bounds_of_equally_spaced_looks_are_the_tabled_ones(number, bounds):
    # The spending function like Pocock's, as tabled in textbooks and computed by rpact (asP, one-sided 0.025).
    levels = look_levels([10 * k for k in range(1, number + 1)])
    np.testing.assert_allclose(stats.norm.isf(levels / 2), bounds, atol=1.5e-3)


def test_any_schedule_spends_the_whole():
    for looks in ([16, 32, 64], [10, 12, 60], [5, 10, 20, 40, 80], [30]):
        bounds = stats.norm.isf(look_levels(looks) / 2)
        assert 2 * crossing_probability(bounds.tolist(), looks) == pytest.approx(0.05, rel=1e-4)
        first = 2 * crossing_probability(bounds[:1].tolist(), looks[:1])
        assert first == pytest.approx(2 * float(spent(looks[0] / looks[-1], 0.05)), rel=1e-4)


@pytest.mark.parametrize("looks", [[16, 32, 64], [16, 32, 64, 128], [10, 90]])
def test_crossing_probability_is_the_multivariate_normals(looks):
    n = np.asarray(looks, float)
    covariance = np.sqrt(np.minimum.outer(n, n) / np.maximum.outer(n, n))
    for bound in (1.0, 2.3, 3.5):
        stays = stats.multivariate_normal(cov=covariance, abseps=1e-7, releps=1e-7, maxpts=10**6, seed=1).cdf(
            np.full(len(looks), bound)
        )
        assert crossing_probability(bound, looks) == pytest.approx(1 - stays, abs=2e-6)


def test_levels_of_many_cells_are_vectorised_and_spend_what_they_should():
    alphas = 0.05 / np.array([1, 7, 100, 10_000])
    levels = look_levels([16, 32, 64], alphas)
    assert levels.shape == (3, 4)
    found = [2 * crossing_probability(stats.norm.isf(level / 2).tolist(), [16, 32, 64]) for level in levels.T]
    np.testing.assert_allclose(found, alphas, rtol=2e-4)
    assert np.all(np.diff(levels) < 0)
    assert look_levels([64], 0.03).tolist() == [0.03]


def test_power_table_of_the_design():
    effects = (0.3, 0.5, 0.8, 1.0, 1.5)
    assert [seeds_needed(effect, level=0.05) for effect in effects] == [119, 44, 19, 13, 7]
    assert [seeds_needed(effect, level=0.01) for effect in effects] == [169, 63, 27, 19, 11]


def test_power_is_the_noncentral_t_and_the_simulated_one():
    theirs = stats.nct.sf(stats.t.isf(0.025, 19), 19, 0.6 * np.sqrt(20))
    assert power_at(0.6, 20) == pytest.approx(theirs, rel=1e-9)
    samples = np.random.default_rng(0).normal(0.6, 1.0, size=(20_000, 20))
    t = samples.mean(-1) / samples.std(-1, ddof=1) * np.sqrt(20)
    assert np.mean(t > stats.t.isf(0.025, 19)) == pytest.approx(theirs, abs=0.01)


def test_seeds_needed_is_the_smallest_number():
    for effect in (0.2, 0.7, 3.0):
        n = seeds_needed(effect, 0.8, 0.02)
        assert n is not None
        assert power_at(effect, n, level=0.02) >= 0.8
        assert n == 2 or power_at(effect, n - 1, level=0.02) < 0.8


def test_no_number_of_seeds_resolves_an_effect_at_the_margin_or_under_population():
    assert seeds_needed(0.0) is None
    assert seeds_needed(1e-4) is None
    # The mean's standard error never falls below sqrt(0.25) = 0.5 sd; two standard errors give 52 % power.
    assert power_at(1.0, 10**6, correction=0.25) == pytest.approx(stats.norm.sf(1.96 - 2), abs=1e-3)
    assert seeds_needed(1.0, correction=0.25) is None
    theirs = lambda n: stats.nct.sf(stats.t.isf(0.025, n - 1), n - 1, 2 / np.sqrt(1 / n + 0.25))  # noqa: E731
    assert theirs(13) < 0.9 < theirs(14)
    assert seeds_needed(2.0, correction=0.25) == 14
    assert seeds_needed(100.0) == 2


def test_resolvable_effects_are_those_with_the_wanted_power():
    for cells, correction in ((1, None), (20, None), (1, 0.1)):
        for look in resolvable([16, 32, 64], cells=cells, correction=correction):
            power = power_at(look.effect_sd, look.seeds, level=look.level, correction=correction)
            assert power == pytest.approx(0.9, abs=1e-6)
    one, many = resolvable([32, 64]), resolvable([16, 32, 64], cells=10)
    assert all(b.effect_sd > a.effect_sd for a, b in zip(one, many, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: look_levels([]), r"look_levels: 'looks' must be seed counts .* got \[\]. The usual ones"),
        (lambda: look_levels([1, 2]), "at least 2"),
        (lambda: resolvable([32, 16]), r"resolvable: 'looks' .* got \[32, 16\]"),
        (lambda: look_levels([100, 105]), "at least 10 % above the one before"),
        (lambda: look_levels([16], 0.9), r"'alpha' must lie in \[1e-15, 0.5\], got 0.9"),
        (lambda: seeds_needed(1.0, power=1.0), r"'power' must lie in \(0, 1\), got 1.0"),
        (lambda: seeds_needed(1.0, level=0.0), r"'level' must lie in \(0, 1\), got 0.0"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
