"""Stochastic depth and DropBlock: rates, means, shapes of the holes, laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxml import ops
from tests.ops import contract

KEY = jax.random.key(0)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_stochastic_depth_drops_whole_examples_at_its_rate(rate):
    keys, x = jax.random.split(KEY, 2000), jnp.arange(1.0, 4.0)
    out = np.asarray(jax.jit(jax.vmap(lambda key: ops.stochastic_depth(key, x, rate=rate)))(keys))
    dropped = (out == 0).all(axis=1)
    assert stats.binomtest(int(dropped.sum()), 2000, rate).pvalue > 1e-6
    contract.assert_close(out[~dropped], np.broadcast_to(x / max(1 - rate, 1e-9), out[~dropped].shape))


def scalar_drop_block(seeds, block_size, h, w):
    dropped = np.zeros((h, w), bool)
    for i, j in np.argwhere(seeds):
        dropped[i : i + block_size, j : j + block_size] = True
    return dropped


def test_drop_block_drops_the_squares_that_its_key_draws():
    x = 1 + jax.random.uniform(KEY, (9, 7, 4))
    out = np.asarray(ops.drop_block(KEY, x, rate=0.3, block_size=3))
    seeds = np.asarray(jax.random.uniform(KEY, (7, 5, 4)) < 0.3 * 63 / (9 * 35))
    for channel in range(4):
        dropped = scalar_drop_block(seeds[..., channel], 3, 9, 7)
        assert ((out[..., channel] == 0) == dropped).all()
        assert (ndimage.binary_opening(dropped, np.ones((3, 3))) == dropped).all()
    kept = out != 0
    contract.assert_close(out[kept], np.asarray(x)[kept] * out.size / kept.sum())


def test_drop_block_keeps_the_mean_and_drops_about_its_rate():
    keys = jax.random.split(KEY, 500)
    out = jax.jit(jax.vmap(lambda key: ops.drop_block(key, jnp.ones((16, 16, 2)), rate=0.1, block_size=3)))(keys)
    contract.assert_close(out.mean(axis=(1, 2, 3)), np.ones(500), rtol=1e-4)
    # Overlaps only take away from the rate; at 10 % they take less than a tenth of it.
    assert 0.09 < float((out == 0).mean()) < 0.1
    dropout = ops.drop_block(KEY, jnp.ones((64, 64, 4)), rate=0.25, block_size=1)
    assert stats.binomtest(int((dropout == 0).sum()), dropout.size, 0.25).pvalue > 1e-6


def test_everything_or_nothing_dropped():
    x = jnp.ones((4, 4, 1))
    contract.assert_close(ops.drop_block(KEY, x, rate=0.0, block_size=2), x)
    contract.assert_close(ops.drop_block(KEY, x, rate=1e3, block_size=2), 0 * x)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, rate: ops.stochastic_depth(KEY, x, rate=rate),
        lambda x, rate: ops.drop_block(KEY, x, rate=rate, block_size=2),
    ],
)
def test_laws(fn):
    x, rates = jax.random.normal(KEY, (2, 5, 4, 2)), jnp.array([0.2, 0.6])
    contract.jit_equals_eager(fn, x[0], rates[0])
    contract.vmap_equals_loop(fn, x, rates)
    contract.lowers_everywhere(fn, x[0], rates[0])
    contract.finite_everywhere(fn, x[0], jnp.array(1.0), argnums=(0, 1))
    assert fn(x[0].astype(jnp.bfloat16), 0.5).dtype == jnp.bfloat16


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.stochastic_depth(KEY, jnp.ones(3, int), rate=0.5), "'x' must be floating"),
        (lambda: ops.drop_block(KEY, jnp.ones((2, 8, 8, 1)), rate=0.5), r"'x' must have shape \(h, w, c\)"),
        (lambda: ops.drop_block(KEY, jnp.ones((4, 8, 1)), rate=0.5), r"'block_size' must lie in 1\.\.4"),
    ],
)
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call()
