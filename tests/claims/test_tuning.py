"""What arms pick, the ends of their grids, and tuning for each seed on draws of its own."""

import numpy as np
import pytest
import xarray

from jaxml.claims.given import Grid
from jaxml.claims.measure import effect_in
from jaxml.claims.quantities import Quantities
from jaxml.claims.tuning import own_draws
from jaxml.errors import ConfigError
from jaxml.sweep.grid import Axis
from tests.claims.seeded import decided, told

RATES = (0.1, 1.0, 10.0, 100.0)
AXES = (Axis("arm", ({"arm": "a"}, {"arm": "b"})), Axis("rate", tuple({"rate": rate} for rate in RATES)))
CLAIM = """
statement: arm a scores more than arm b
quantifier: reference
metric: score
arms: {claimed: {arm: a}, against: {arm: b}}
tune: {over: [rate], minimise: loss%s}
margin: {value: 0.5, reason: half a point is what one would notice}
controls:
  negative: [{name: the other way, arms: {claimed: {arm: b}, against: {arm: a}}}]
  positive: [{name: a small margin, margin: {value: 0.4, reason: less than half a point}}]
"""


def world(best, sd=0.1, tuning=8, seeds=16):
    """Losses with their minimum at one position of each arm's rates; a scores 1, b 0, and no rate matters."""
    rng = np.random.default_rng(0)
    places, index = np.arange(len(RATES)), np.asarray(best)
    loss = np.abs(places - index[:, None])[..., None] + sd * rng.normal(size=(2, len(RATES), tuning + seeds))
    score = np.asarray([1.0, 0.0])[:, None, None] + 0.1 * rng.normal(size=loss.shape)
    dims, seed = ("arm", "rate", "seed"), [*range(-tuning, 0), *range(seeds)]
    data = {"loss": (dims, loss), "score": (dims, score), "nonfinite": (dims, np.zeros(loss.shape, bool))}
    return xarray.Dataset(data, {"arm": ["a", "b"], "rate": list(RATES), "seed": seed})


def found(results, more="", tuning=8):
    return decided(CLAIM % more, results, Grid(AXES, tuning_seeds=tuning, looks=(16,)))


def test_a_pick_inside_the_grid_says_nothing():
    finding = found(world([1, 2]))
    assert finding.verdict.verdict == "supported"
    assert finding.cells[0].noted == {}
    assert finding.cells[0].tuned == {"claimed": {"rate": 1.0}, "against": {"rate": 10.0}}
    assert "at the picked settings" in dict(told(finding).facts)["Tuned"]


@pytest.mark.parametrize(("place", "end", "beside"), [(3, "largest", "10"), (0, "smallest", "1")])
def test_an_end_that_surely_beats_its_neighbour_makes_the_cell_invalid(place, end, beside):
    finding = found(world([1, place]))
    assert finding.verdict.verdict == "invalid"
    reason = finding.cells[0].decision.reason
    assert f"rate {RATES[place]:g}, the {end} of its grid, does better than {beside} on the tuning seeds" in reason
    assert finding.cells[0].noted["edge"] == [f"the against arm picked rate {RATES[place]:g}, the {end} of its grid"]
    assert "extend the grid" in told(finding).answer


def test_an_end_that_may_be_no_better_is_only_told():
    results = world([1, 2], sd=0.0)
    noise = np.random.default_rng(1).normal(size=8)
    results.loss[1, 2:, :8] = np.stack([noise - noise.mean(), noise[::-1] - noise.mean() - 1e-3])
    finding = found(results)
    assert finding.verdict.verdict == "supported"
    assert finding.cells[0].noted["edge"] == ["the against arm picked rate 100, the largest of its grid"]
    assert any("the largest of its grid" in note for note in told(finding).rows[0].notes)


def test_an_end_beyond_which_there_is_nothing_is_no_sign_of_a_narrow_grid():
    assert found(world([1, 3]), ", ends: {rate: largest}").verdict.verdict == "supported"
    assert found(world([1, 0]), ", ends: {rate: largest}").verdict.verdict == "invalid"
    with pytest.raises(ValueError, match="'ends' names 'size', which is not tuned"):
        found(world([1, 3]), ", ends: {size: largest}")


def test_each_seed_tunes_on_draws_of_its_own():
    results = world([1, 2], sd=2.0, tuning=32)
    from tests.claims.seeded import read

    grid = Grid(AXES, tuning_seeds=32, looks=(16,))
    effects = effect_in(Quantities(results), read(CLAIM % ", per: seed"), grid, {}, "x")
    expected = []
    for seed in range(16):
        own = results.sel(seed=[-1 - 2 * seed, -2 - 2 * seed]).loss.mean("seed")
        rates = [results.rate.values[int(own.sel(arm=arm).values.argmin())] for arm in "ab"]
        scores = [
            float(results.score.sel(arm=arm, rate=rate, seed=seed)) for arm, rate in zip("ab", rates, strict=True)
        ]
        expected.append(scores[0] - scores[1])
    np.testing.assert_allclose(effects.theta, expected)
    finding = found(results, ", per: seed", tuning=32)
    assert finding.verdict.verdict == "supported"
    assert "so that the interval covers tuning" in dict(told(finding).facts)["Tuned"]


def test_draws_of_a_seed_stay_its_own_when_seeds_are_added():
    losses = np.arange(-12, 0)[None]  # the number of each tuning seed
    assert own_draws(losses, 4, "x")[0].tolist() == [[-1, -2, -3], [-4, -5, -6], [-7, -8, -9], [-10, -11, -12]]
    assert own_draws(losses[:, 3:], 3, "x")[0].tolist() == own_draws(losses, 4, "x")[0, :3].tolist()
    with pytest.raises(ConfigError, match=r"tuning_seeds is 12\. Make it a multiple of seeds, for example 5"):
        own_draws(losses, 5, "x")
