"""Shapes made into lanes equal the smaller network itself, in values and gradients, and compile once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import Traced, sweep
from jaxml.nn.padded import first_rows, gated_scan, masked_mean, width_mask
from tests.ops.contract import assert_close

DEPTH, WIDTH, ROWS = 5, 6, 8


@pytest.fixture
def weights():
    return 0.7 * jax.random.normal(jax.random.key(0), (DEPTH, WIDTH, WIDTH))


def layer(x, w):
    return jnp.tanh(w @ x)


@pytest.mark.parametrize("depth", [0, 1, 3, DEPTH])
def test_gated_depth_is_the_shallower_network(weights, depth):
    x = jax.random.normal(jax.random.key(1), (WIDTH,))

    def gated(weights, depth):
        return jnp.sum(gated_scan(layer, x, weights, depth=depth) ** 2)

    def plain(weights):
        y = x
        for w in weights[:depth]:
            y = layer(y, w)
        return jnp.sum(y**2)

    value, gradient = jax.jit(jax.value_and_grad(gated))(weights, depth)
    assert_close(value, plain(weights))
    assert_close(gradient, jax.grad(plain)(weights), rtol=1e-4)
    assert not np.asarray(gradient[depth:]).any()


@pytest.mark.parametrize("width", [1, 4, WIDTH])
def test_masked_width_is_the_narrower_network(weights, width):
    into, out = weights[0], weights[1, 0]
    x = jax.random.normal(jax.random.key(1), (WIDTH,))

    def masked(into, width):
        return out @ (jnp.tanh(into @ x) * width_mask(WIDTH, width=width))

    def narrow(into):
        return out[:width] @ jnp.tanh(into[:width] @ x)

    value, gradient = jax.jit(jax.value_and_grad(masked))(into, width)
    assert_close(value, narrow(into))
    assert_close(gradient, jax.grad(narrow)(into))


@pytest.mark.parametrize("count", [1, 5, ROWS])
def test_masked_examples_are_the_smaller_set(weights, count):
    x = jax.random.normal(jax.random.key(2), (ROWS, WIDTH)).at[count:].set(jnp.nan)

    def loss(x, w):
        return (x @ w) ** 2

    def masked(w, count):
        return masked_mean(loss(first_rows(x, count=count), w), count=count)

    value, gradient = jax.jit(jax.value_and_grad(masked))(weights[0, 0], count)
    reference = jax.value_and_grad(lambda w: jnp.mean(loss(x[:count], w)))(weights[0, 0])
    assert_close((value, gradient), reference)


def test_rows_need_an_axis(unchecked_types):
    with pytest.raises(ValueError, match="Add an axis of rows"):
        first_rows(jnp.zeros(()), count=1)


def test_gradient_against_depth_is_one_program():
    def trial(key, *, depth: Traced[int], gain: float):
        weights = gain * jax.random.normal(key, (64, 4, 4)) / 2

        def out(x):
            return gated_scan(lambda x, w: jnp.tanh(w @ x), x, weights, depth=depth)

        return {"gradient": jnp.linalg.norm(jax.jacobian(out)(jnp.ones(4)))}

    results = sweep(trial, seeds=3, depth=list(range(1, 65)), gain=[0.5, 1.0])
    assert results.attrs["compiles"] == 1
    assert (results.gradient.mean("seed").sel(depth=64) < results.gradient.mean("seed").sel(depth=1)).all()
