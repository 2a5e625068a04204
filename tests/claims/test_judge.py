"""From labelled results to effects: arms, tuning, scales, non-finite runs, controls."""

import math

import numpy as np
import pytest
import xarray

from jaxml.claims.cells import cells_of, locate
from jaxml.claims.given import Grid
from jaxml.claims.judge import judge
from jaxml.claims.kinds.contrast import Contrast
from jaxml.claims.measure import effect_in
from jaxml.claims.population import Population
from jaxml.claims.quantities import Quantities
from jaxml.errors import ConfigError
from jaxml.sweep.grid import Axis

SEEDS = list(range(-8, 0)) + list(range(32))
AXES = (
    Axis("arm", ({"arm": "a"}, {"arm": "b"})),
    Axis("lam", ({"lam": 0.1}, {"lam": 1.0}, {"lam": 10.0})),
    Axis("size", ({"n": 50, "d": 5}, {"n": 500, "d": 5})),
)


def claim(**changes):
    values = {
        "statement": "arm a has the larger score",
        "quantifier": "all",
        "metric": "score",
        "arms": {"claimed": {"arm": "a"}, "against": {"arm": "b"}},
        "tune": {"over": ["lam"], "minimise": "loss", "ends": {"lam": "smallest"}},
        "margin": {"value": 0.5, "reason": "half a point is what one would notice"},
        "controls": {
            "negative": [
                {
                    "name": "the other way",
                    "where": {"n": 50},
                    "arms": {"claimed": {"arm": "b"}, "against": {"arm": "a"}},
                }
            ],
            "positive": [
                {
                    "name": "without tuning",
                    "where": {"n": 50},
                    "tune": "none",
                    "arms": {"claimed": {"arm": "a", "lam": 10.0}, "against": {"arm": "b", "lam": 0.1}},
                }
            ],
        },
    }
    return Contrast.model_validate({**values, **changes})


def effect(results, claim, cell, where="x"):
    return effect_in(Quantities(results), claim, Grid(AXES, looks=(16, 32)), cell, where)


@pytest.fixture
def results():
    """Arm a tunes to lam = 1.0 and scores 3 there, arm b to lam = 0.1 and scores 1; reported seeds mislead on loss."""
    rng = np.random.default_rng(0)
    shape = (2, 3, 2, len(SEEDS))
    score = np.array([[2.0, 3.0, 9.0], [1.0, 7.0, 8.0]])[:, :, None, None] + 0.1 * rng.normal(size=shape)
    loss = np.broadcast_to(np.array([[2.0, 1.0, 3.0], [1.0, 2.0, 3.0]])[:, :, None, None], shape).copy()
    loss[..., 8:] = -loss[..., 8:]
    dims = ("arm", "lam", "size", "seed")
    data = {"score": (dims, score), "loss": (dims, loss), "nonfinite": (dims, np.zeros(shape, bool))}
    coords = {"arm": ["a", "b"], "lam": [0.1, 1.0, 10.0], "n": ("size", [50, 500]), "seed": SEEDS}
    return xarray.Dataset(data, coords)


def test_each_arm_is_tuned_on_the_tuning_seeds_and_paired_on_the_others(results):
    found = effect(results, claim(), {"size": 1}, "claims.x")
    assert found.tuned == {"claimed": {"lam": 1.0}, "against": {"lam": 0.1}}
    reported = results.isel(size=1).sel(seed=range(32))
    expected = reported.score.sel(arm="a", lam=1.0) - reported.score.sel(arm="b", lam=0.1)
    np.testing.assert_allclose(found.theta, expected)
    assert not found.failed.any()


@pytest.mark.parametrize(
    ("scale", "direction", "expected"),
    [
        ("difference", "larger", 2.0),
        ("difference", "smaller", -2.0),
        ("points", "larger", 200.0),
        ("log_ratio", "larger", math.log(3.0)),
    ],
)
def test_scales_and_directions(results, scale, direction, expected):
    found = effect(results, claim(scale=scale, direction=direction), {"size": 0}, "x")
    assert found.theta.mean() == pytest.approx(expected, rel=0.05)


def test_without_a_second_arm_the_effect_is_absolute(results):
    found = effect(results, claim(arms={"claimed": {"arm": "a"}}), {"size": 0}, "x")
    assert found.theta.mean() == pytest.approx(3.0, rel=0.05)


def test_a_run_that_is_not_finite_scores_as_the_worst_and_is_marked(results):
    results.nonfinite[0, 1, 0, 8 + 20] = True
    found = effect(results, claim(), {"size": 0}, "x")
    assert found.failed.sum() == 1
    assert found.failed[0, 20]
    assert found.theta[20] == found.theta[:16].min()


def test_a_point_that_diverges_on_a_tuning_seed_is_not_picked(results):
    results.nonfinite[0, 1, 0, 3] = True
    assert effect(results, claim(), {"size": 0}, "x").tuned["claimed"] == {"lam": 0.1}


def test_the_card_holds_every_cell_and_control(results):
    (card,) = judge({"x": claim()}, Grid(AXES, looks=(16, 32)), results)
    assert [cell.at for cell in card.cells] == [{"n": 50, "d": 5}, {"n": 500, "d": 5}]
    assert card.verdict.verdict == "supported"
    assert [(c.name, c.passed) for c in card.checks] == [("the other way", True), ("without tuning", True)]
    assert type(card).from_json(card.to_json()) == card


def test_a_failing_control_makes_the_claim_invalid(results):
    swapped = claim().model_dump()
    swapped["controls"]["negative"][0]["arms"] = {"claimed": {"arm": "a"}, "against": {"arm": "b"}}
    (card,) = judge({"x": Contrast.model_validate(swapped)}, Grid(AXES, looks=(16, 32)), results)
    assert card.verdict.verdict == "invalid"
    assert "the other way" in card.verdict.reason


def test_population_widen_the_interval_where_they_apply(results):
    alone = judge({"x": claim()}, Grid(AXES, looks=(32,)), results)[0]
    splits = [Population(where={"n": 500}, of="law", rows=3, drawn=3, test=1)]
    split = judge({"x": claim()}, Grid(AXES, looks=(32,), population=splits), results)[0]
    width = [[c.decision.high - c.decision.low for c in card.cells] for card in (alone, split)]
    assert width[1][0] < 1.5 * width[0][0]  # only Holm's level moves
    assert width[1][1] > 3 * width[0][1]


def test_an_unknown_metric_is_named(results):
    with pytest.raises(ConfigError, match=r"x.metric: the trial returns no 'scor'. Did you mean 'score'"):
        effect(results, claim(metric="scor"), {"size": 0}, "x")


def test_an_axis_that_is_left_open_is_named(results):
    with pytest.raises(ConfigError, match=r"x.tune: 'loss' has the axes \('lam', 'size', 'seed'\) where it is to pick"):
        effect(results, claim(), {}, "x")
    with pytest.raises(ConfigError, match=r"x.metric: 'score' still has the axes \('lam', 'seed'\) in one cell"):
        effect(results, claim(tune=None), {"size": 0}, "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": {"over": ["lamb"], "minimise": "loss"}}, "no axis is called 'lamb'. Did you mean 'lam'"),
        ({"tune": {"over": ["arm"], "minimise": "loss"}}, "is pinned by the arms"),
        ({"where": {"lam": [0.1]}}, "pinned or tuned"),
        ({"where": {"n": [60]}}, "60 is not on the grid. The nearest value on it is 50"),
        ({"quantifier": "reference"}, "say which 'size' is meant"),
        ({"quantifier": "reference", "reference": {"lam": 0.1}}, "pinned or tuned"),
        ({"arms": {"claimed": {"arm": "a"}, "against": {"arm": "a"}}}, "both arms are the same"),
    ],
)
def test_a_claim_that_does_not_fit_the_grid(changes, message):
    with pytest.raises(ConfigError, match=message):
        cells_of(AXES, claim(**changes), "x")


def test_cells_are_those_declared():
    assert cells_of(AXES, claim(where={"n": [500]}), "x") == [{"size": 1}]
    assert cells_of(AXES, claim(quantifier="reference", reference={"n": 500}), "x") == [{"size": 1}]
    assert len(cells_of(AXES, claim(tune=None), "x")) == 6


ZIPPED = (Axis("net", tuple({"block": b, "depth": d} for b, d in ((0, 2), (0, 64), (1, 64), (2, 64)))),)


def test_several_values_on_a_zipped_axis_pin_a_point_together():
    assert (
        locate(ZIPPED, {"depth": 64, "block": 0}, "x") == locate(ZIPPED, {"block": 0, "depth": 64}, "x") == {"net": 1}
    )
    assert locate(ZIPPED, {"block": 1}, "x") == {"net": 2}
    with pytest.raises(ConfigError, match=r"x: 3 points of 'net' are meant. Pin 'block' too, for example .*'block': 0"):
        locate(ZIPPED, {"depth": 64}, "x")
    with pytest.raises(ConfigError, match=r"no point of 'net' has block 1, depth 2. Pin values of one point"):
        locate(ZIPPED, {"block": 1, "depth": 2}, "x")


def test_where_on_a_zipped_axis_takes_every_point_that_has_the_value():
    absolute = claim(arms={"claimed": {"arm": "a"}}, tune=None)
    axes = (AXES[0], *ZIPPED)
    here = absolute.model_copy(update={"where": {"depth": (64,)}})
    assert cells_of(axes, here, "x") == [{"net": 1}, {"net": 2}, {"net": 3}]
    both = absolute.model_copy(update={"where": {"depth": (64,), "block": (0, 1)}})
    assert cells_of(axes, both, "x") == [{"net": 1}, {"net": 2}]
    with pytest.raises(ConfigError, match=r"where.block: no point of 'net' has these values together"):
        cells_of(axes, absolute.model_copy(update={"where": {"depth": (2,), "block": (1,)}}), "x")


def test_splits_are_dependent_wherever_the_pinned_value_stands(results):
    axes = (AXES[0], AXES[1], Axis("size", ({"n": 50, "d": 5}, {"n": 500, "d": 5})))
    splits = [Population(where={"d": 5}, of="law", rows=3, drawn=3, test=1)]
    card = judge({"x": claim()}, Grid(axes, looks=(32,), population=splits), results.assign_coords(d=("size", [5, 5])))
    alone = judge({"x": claim()}, Grid(axes, looks=(32,)), results)
    for wide, narrow in zip(card[0].cells, alone[0].cells, strict=True):
        assert wide.decision.high - wide.decision.low > 2 * (narrow.decision.high - narrow.decision.low)


def test_a_card_leaves_out_what_is_pinned_on_an_axis_that_the_metric_has_used_up(results):
    best = results.assign(best=results.score.max("lam"))
    control = {"name": "the other arm", "where": {"n": 50}, "arms": {"claimed": {"arm": "b", "lam": 1.0}}}
    pinned = claim(
        metric="best",
        tune=None,
        arms={"claimed": {"arm": "a", "lam": 1.0}},
        controls={"negative": [control], "positive": [control]},
    )
    (card,) = judge({"x": pinned}, Grid(AXES, looks=(16,)), best)
    assert card.detail["arms"] == {"claimed": {"arm": "a"}, "against": None}
    assert card.checks[0].cell.at == {"n": 50, "d": 5}
    assert card.checks[0].detail["arms"] == {"claimed": {"arm": "b"}, "against": None}
