"""Bagging, boosting and wrong labels: what the experiments compute, by definition."""

import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray
from sklearn.linear_model import LinearRegression

from jaxml.data import friedman1
from jaxml.experiment import load_experiment
from jaxml.learn import bootstrap_weights


def module(name):
    load_experiment(name, Path(__file__).parents[2])
    return sys.modules[f"experiments.{name}"]


@pytest.fixture
def plain():
    """The promotion rules that a run has."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def test_bias_variance_and_correlation_are_those_of_the_definition(plain):
    given = {"n": 40, "test_rows": 6, "datasets": 3, "members": 2}
    key = jax.random.key(1)
    out = jax.jit(partial(module("bagging").trial, learner="least_squares", **given))(key)
    point_key, *data_keys = jax.random.split(key, 4)
    fresh, truth = jax.jit(lambda key: friedman1(key, n=6, noise=0.0))(point_key)

    @jax.jit
    def draw(own):
        data_key, bag_key, _ = jax.random.split(own, 3)
        weights = jax.vmap(lambda key: bootstrap_weights(key, 40))(jax.random.split(bag_key, 2))
        return *friedman1(data_key, n=40, noise=2.0), weights

    single, members = [], []
    for own in data_keys:
        X, y, drawn = (np.asarray(each) for each in draw(own))
        fits = [LinearRegression().fit(X, y, sample_weight=w).predict(fresh) for w in (np.ones(40), *drawn)]
        single.append(fits[0])
        members.append(fits[1:])
    single, members = np.asarray(single), np.asarray(members)
    for name, values in {"single": single, "bag": members.mean(1)}.items():
        variance = values.var(0, ddof=1).mean()
        bias = ((values.mean(0) - np.asarray(truth)) ** 2).mean() - variance / 3
        assert float(out[f"variance_{name}"]) == pytest.approx(variance, rel=0.02)  # a trace of ridge
        assert float(out[f"bias_{name}"]) == pytest.approx(bias, rel=0.02)
    total = members.var(0, ddof=1).mean()
    rho = (members.mean(1).var(0, ddof=1).mean() / total - 0.5) / 0.5
    assert float(out["correlation"]) == pytest.approx(rho, rel=0.05)


def test_no_stump_beats_a_coin_on_a_level_parity_and_boosting_then_ends(plain):
    boosting = module("boosting")
    X, y = boosting.draw(jax.random.key(0), "parity", "planted", 4000)
    assert abs(float(((X[:, 0] > 0) == (y == 1)).mean()) - 0.5) < 0.03
    assert float(((X[:, 0] * X[:, 1] > 0) == (y == 1)).mean()) == 1
    trial = jax.jit(partial(boosting.trial, n=60, test_rows=30, rounds=8, problem="sum of features"))
    out = trial(jax.random.key(0))
    assert 0 < float(out["bound_room"]) < 1
    assert float(out["gain"]) == pytest.approx(100 * float(out["first_error"] - out["last_error"]), abs=1e-3)


def test_damage_is_counted_from_clean_labels():
    error = xarray.DataArray([[0.1, 0.2], [0.3, 0.25]], coords={"wrong": [0.0, 0.3], "model": [0, 1]})
    found = module("label_noise").experiment.metrics["damage"](xarray.Dataset({"error": error}))
    np.testing.assert_allclose(found, [[0, 0], [0.2, 0.05]])
