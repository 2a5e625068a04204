"""RoIAlign, RoIPool and the +1: what the experiments draw, pool and compare, by hand and against other computations."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from jaxml.experiment import load_experiment


def module(name):
    load_experiment(name, Path(__file__).parents[2])
    return sys.modules[f"experiments.{name}"]


@pytest.fixture
def plain():
    """The promotion rules that a run has."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def test_an_object_is_drawn_where_its_box_lies_to_a_fraction_of_a_pixel(plain):
    weights = module("roi").interpolation
    for start, side in ((10.0, 16.0), (10.25, 16.5), (7.9, 31.3)):
        drawn = np.asarray(weights(start, side, 8, 64).sum(1))  # an object of ones
        places = np.arange(64) + 0.5
        assert drawn.sum() == pytest.approx(side, rel=1e-5)  # edge pixels are covered by the part inside
        assert (drawn * places).sum() / drawn.sum() == pytest.approx(start + side / 2, abs=0.01)
    ramp = np.asarray(weights(8.0, 32.0, 4, 64) @ jnp.arange(4.0))[8:40]
    np.testing.assert_allclose(ramp, np.clip((np.arange(32) + 0.5) / 8 - 0.5, 0, 3), atol=1e-5)


def test_pooling_rounded_down_reads_the_cells_that_the_story_tells(plain):
    roi = module("roi")
    cells = jnp.arange(400.0).reshape(20, 20, 1)
    found = jax.jit(roi.pooled)(cells, jnp.asarray([2.6, 3.9, 13.8, 14.0]), jnp.zeros(2))
    ways = {name: values.reshape(4, 4) for name, values in found.items()}
    # From cell 2 (3 downwards) on; floor(11.2) = 11 and floor(10.1) = 10 cells wide and high: bins of floor(10 / 4) = 2
    # and of floor(11 / 4) = 2, whose largest cell is the last.
    rows, columns = 3 + 2 * np.arange(4) + 1, 2 + 2 * np.arange(4) + 1
    np.testing.assert_array_equal(ways["RoIPool, rounded down"], 20.0 * rows[:, None] + columns[None])
    assert float(ways["displaced"][0, 0]) == pytest.approx(float(ways["RoIAlign"][0, 0]))  # no drift


def test_the_head_is_ridge_on_standardised_features(plain):
    rng = np.random.default_rng(0)
    X, fresh, targets = rng.normal(2, 3, (30, 5)), rng.normal(2, 3, (4, 5)), rng.normal(size=(30, 2))
    scaler = StandardScaler().fit(X)
    theirs = Ridge(alpha=0.1 * 30).fit(scaler.transform(X), targets).predict(scaler.transform(fresh))
    ours = module("roi").ridge_predictions(*(jnp.asarray(a, jnp.float32) for a in (X, targets, fresh)), 0.1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_whole_pixels_mean_the_same_box_in_both_conventions(plain):
    trial = jax.jit(partial(module("nms_offset").trial, objects=6, each=4))
    out = trial(jax.random.key(0), scale=100.0, snapped=1.0, threshold=0.5)
    assert float(out["distance"]) == 0
    assert float(out["kept_ratio"]) == 1
    assert float(out["pairs_decided_otherwise"]) == 0
    one = trial(jax.random.key(0), scale=1e-3, snapped=0.0, threshold=0.5)  # with the +1 all boxes are one
    assert float(one["kept_ratio"]) <= 1 / 6 + 1e-6
