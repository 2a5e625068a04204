"""Trainability and sigmoid outputs: what is trained, against definitions written out."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.experiment import load_experiment
from jaxml.sweep.choice import Choice


def module(name):
    load_experiment(name, Path(__file__).parents[2])
    return sys.modules[f"experiments.{name}"]


@pytest.fixture
def plain():
    """The promotion rules that a run has."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def test_the_slopes_are_the_derivatives_of_their_losses(x64, plain):
    sigmoid, logits, y = jax.nn.sigmoid, jnp.asarray([-8.0, -0.5, 0.0, 3.0, 9.0]), jnp.asarray([1.0, 0, 1, 0, 1])
    losses = (
        lambda z, t: -t * jnp.log(sigmoid(z)) - (1 - t) * jnp.log(sigmoid(-z)),
        lambda z, t: (sigmoid(z) - t) ** 2,
        lambda z, t: (z - (2 * t - 1)) ** 2,
    )
    entropy, squared, direct = (jax.vmap(jax.grad(loss))(logits, y) for loss in losses)
    p = sigmoid(logits)
    exact = jnp.stack([entropy, squared, entropy * (2 * p * (1 - p)) ** 0.1, direct])
    names = ("cross-entropy", "squared error", "squared error, nearly divided", "squared error of the logit")
    found = [module("sigmoid_output").slope(logits, y, name) for name in names]
    np.testing.assert_allclose(found, exact, rtol=1e-9)


def test_steps_are_counted_to_the_first_one_at_which_enough_rows_are_right(plain):
    trial = jax.jit(partial(module("sigmoid_output").trial, steps=40))
    key = jax.random.key(0)
    assert float(trial(key, rate=0.0, offset=5.0)["steps_needed"]) == 40  # half of the rows stay wrong
    assert float(trial(key, rate=0.0, offset=5.0, goal=0.5)["steps_needed"]) == 1
    few, many = (float(trial(key, rate=rate, goal=0.8)["steps_needed"]) for rate in (1.0, 0.01))
    assert 1 < few <= many


def test_a_deep_sigmoid_network_guesses_where_a_shallow_one_learns(plain):
    given = {"activation": "sigmoid", "sigma_w": 0.577, "rate": 0.03, "deepest": 8, "steps": 120, "width": 12}
    trial = jax.jit(partial(module("trainability").trial, **given))
    plain, residual = (
        Choice(jnp.asarray(i), ("plain", "residual", "batch norm", "batch norm and residual")) for i in (0, 1)
    )
    key = jax.random.key(0)
    shallow, deep, mended = (
        float(trial(key, depth=d, block=b)["accuracy"]) for d, b in ((1, plain), (8, plain), (8, residual))
    )
    assert deep < 0.25 < 0.5 < min(shallow, mended)
