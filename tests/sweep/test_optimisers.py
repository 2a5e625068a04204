"""Optax's optimisers as lanes of a sweep: a lane trains as it would alone. `make resilience` tries all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml import curve, sweep
from jaxml.learn import train
from jaxml.sweep.trace import master_key

OPTIMISERS = (
    *("adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan", "amsgrad"),
    *("fromage", "lamb", "lars", "lion", "nadam", "nadamw", "noisy_sgd", "novograd", "optimistic_gradient_descent"),
    *("radam", "rmsprop", "rprop", "sgd", "sign_sgd", "sm3", "yogi"),
)
X = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3) ** 3
Y = X @ np.array([1, -1, 2], np.float32)
RATES = [0.01, 0.1]


def squares(key, weights, batch):
    x, y = batch
    return jnp.mean((x @ weights - y) ** 2)


def lanes_and_alone(name):
    """The weights after five steps at the last rate and seed, as a lane and alone."""

    def trial(key, *, rate: float):
        options = {"key": jax.random.key(0)} if name == "noisy_sgd" else {}
        optimiser = getattr(optax, name)(rate, **options)
        return {"weights": curve(train(key, squares, jnp.ones(3), (X, Y), optimizer=optimiser, steps=5).params, "i")}

    lane = sweep(trial, seeds=2, rate=RATES).weights[1, 1]
    key = jax.random.fold_in(master_key("jaxml"), 1)
    return lane.values, np.asarray(jax.jit(lambda rate: trial(key, rate=rate)["weights"].values)(jnp.float32(RATES[1])))


@pytest.mark.parametrize("name", ["adam", "lamb"])
def test_a_lane_trains_as_alone(name):
    lane, alone = lanes_and_alone(name)
    assert np.abs(lane - 1).min() > 1e-4
    np.testing.assert_allclose(lane, alone, rtol=1e-5, atol=1e-6)
