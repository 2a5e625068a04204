"""The engine's rates in planted worlds, measured through the same code that decides real runs."""

import json

import numpy as np
import pytest

from jaxml.claims.rule.calibrate import NOISES, Rates, World, calibrate, draw_noise, worlds


@pytest.fixture(scope="module")
def rows():
    planted = worlds(("normal", "t3", "lognormal"), cells=4)
    return dict(zip(planted, calibrate(planted, replications=300, seed=7), strict=True))


def test_error_rates_are_within_the_declared(rows):
    assert len(rows) == 46
    for row in rows.values():
        assert row.holds, row


def test_an_effect_is_found_and_its_absence_too(rows):
    for noise in ("normal", "t3"):
        absent, present, reversed_ = (rows[World(noise=noise, effects=(effect,))] for effect in (0.0, 2.0, -1.0))
        # The design's reference rates at delta = 0.5 sd: 90 to 95 % refuted, 94 to 97 % supported.
        assert absent.refuted > 0.9 - 3 * np.sqrt(0.09 / 300)
        assert present.supported > 0.92 - 3 * np.sqrt(0.07 / 300)
        assert reversed_.refuted > 0.98


def test_at_the_margin_most_runs_stay_undecided(rows):
    row = rows[World(effects=(1.0,))]
    assert row.inconclusive > 0.9
    assert row.power is None


def test_power_beside_the_measured_rate_is_the_theorys(rows):
    row = rows[World(effects=(2.0,))]
    assert row.power is not None
    # The earlier looks add a little, the wider union takes a little.
    assert abs(row.supported - row.power) < 0.05


def test_equality_trends_and_rivals_are_decided(rows):
    """Two in three runs at least, where the truth lies a margin or more from the edge; by sign tests, one in two."""
    for world, row in rows.items():
        if world.kind != "contrast" and not (row.false_support is not None and row.false_refute is not None):
            assert (row.supported if row.false_support is None else row.refuted) > (
                0.5 if world.kind == "boundary" else 0.66
            ), row
    same = rows[World(kind="equality", effects=(0.0,))]
    assert same.power is not None
    assert abs(same.supported - same.power) < 0.06


def test_an_engine_that_forgets_its_looks_does_not_hold(monkeypatch):
    planted = [World(effects=(1.0,))]
    (sound,) = calibrate(planted, replications=1_000, seed=3)
    monkeypatch.setattr("jaxml.claims.rule.family.look_levels", lambda looks, alpha: np.stack([alpha] * len(looks)))
    (greedy,) = calibrate(planted, replications=1_000, seed=3)
    assert sound.holds
    assert not greedy.holds


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_standardised(noise):
    world = World(noise=noise, effects=(0.0, 0.0), correlation=0.5)
    drawn = draw_noise(np.random.default_rng(0), world, (2_000, 2, 64))
    assert abs(drawn.mean()) < 0.02
    # Heavy tails: the standard deviation itself converges slowly.
    assert drawn.std() == pytest.approx(1, abs=0.01 if noise in ("normal", "lognormal") else 0.2)


def test_correlations_are_as_planted():
    drawn = draw_noise(np.random.default_rng(0), World(correlation=0.8), (2_000, 2, 32))
    assert np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1] == pytest.approx(0.8, abs=0.01)
    splits = draw_noise(np.random.default_rng(0), World(correction=0.25), (20_000, 1, 2))[:, 0]
    assert np.corrcoef(splits.T)[0, 1] == pytest.approx(0.25 / 1.25, abs=0.03)


def test_same_seed_same_table_and_it_goes_to_json():
    first, second = (calibrate([World()], replications=50, seed=1) for _ in range(2))
    assert first == second
    assert Rates.from_json(first[0].to_json()) == first[0]
    json.dumps(first[0].to_json(), allow_nan=False)


def test_unknown_noise():
    with pytest.raises(ValueError, match=r"'noise' must be one of normal, t3, lognormal, .*, got 'pink'"):
        calibrate([World(noise="pink")], replications=10)
