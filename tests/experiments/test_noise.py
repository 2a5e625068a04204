"""Noise as a regulariser: what the experiment computes, against scikit-learn and by hand."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from jaxml.experiment import load_experiment


@pytest.fixture(scope="module")
def noise():
    load_experiment("noise", Path(__file__).parents[2])
    return sys.modules["experiments.noise"]


def test_the_penalised_descent_ends_at_scikit_learns_ridge(noise):
    key, n = jax.random.key(3), 30
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        trial = jax.jit(partial(noise.trial, penalty=1.0, unevenness=1.0, n=n, d=4, steps=3000))
        out = trial(key, sigma=0.6)
        draw = jax.jit(lambda key: noise.draw_linear(jax.random.split(key, 3)[0], 1.0, n, 4, 200))
        X, y, X_test, y_test = (np.asarray(each) for each in draw(key))
    scales = np.exp(np.linspace(-1, 1, 4))
    X, X_test = X * scales, X_test * scales
    ridge = Ridge(alpha=n * 0.6**2, fit_intercept=False).fit(X, y)  # the sum of squares, not half its mean
    error = float(((ridge.predict(X_test) - y_test) ** 2).mean())
    assert float(out["test_error"]) == pytest.approx(error, rel=1e-4)
    assert float(out["like_ridge"]) == pytest.approx(1, abs=1e-3)
    assert float(out["like_own_penalties"]) < 0.9


def test_likeness_counts_from_least_squares_to_the_other(noise):
    likeness = noise.likeness
    ols, other = jnp.zeros(3), jnp.full(3, 2.0)
    found = [float(likeness(share * other, ols, other)) for share in (0.0, 0.25, 1.0, 2.0)]
    assert found == pytest.approx([0, 0.25, 1, 0])


def test_dependence_of_a_linear_map_is_the_squared_norm_of_its_inputs(noise):
    X = jax.random.normal(jax.random.key(0), (6, 3))
    linear = [jnp.ones((3, 2))]
    assert float(noise.dependence(linear, X)) == pytest.approx(float((X**2).sum(1).mean()), rel=1e-5)
    # One hidden layer, by hand: d out_c / d V_jc = tanh(h_j), d out_c / d W_ij = x_i (1 - tanh(h_j)^2) V_jc.
    W, V = jax.random.normal(jax.random.key(1), (3, 2)), jax.random.normal(jax.random.key(2), (2, 2))
    hidden = np.tanh(np.asarray(X) @ np.asarray(W))
    slopes = (1 - hidden**2)[:, :, None] * np.asarray(V)[None]  # rows, hidden, outputs
    by_hand = (hidden**2).sum(1) + (np.asarray(X) ** 2).sum(1) * (slopes**2).sum(1).mean(1)
    assert float(noise.dependence([W, V], X)) == pytest.approx(by_hand.mean(), rel=1e-4)


def test_the_share_of_wrong_labels_is_what_it_says(noise):
    with jax.numpy_dtype_promotion("standard"):
        y, clean = jax.jit(lambda: [noise.draw_digits(jax.random.key(5), wrong, 100, 10)[1] for wrong in (0.3, 0.0)])()
    assert (np.asarray(y) != np.asarray(clean)).sum() == 30


def test_a_share_of_wrong_labels_is_a_whole_number_of_rows(noise):
    """Traced, 0.3 of 100 is a little more than 30."""
    labels = jax.jit(lambda wrong: noise.draw_digits(jax.random.key(0), wrong, 100, 10)[1])
    for wrong in (0.1, 0.3, 0.7):
        assert (labels(wrong) != labels(0.0)).sum() == round(100 * wrong)
