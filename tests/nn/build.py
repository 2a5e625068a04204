"""Modules for tests, without compiling what initialises them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml.nn import MODELS


@functools.cache
def published(name):
    """A published network, abstract."""
    return nnx.eval_shape(lambda: MODELS[name](rngs=nnx.Rngs(0)))


def build(make, seed=0):
    """A module of ``make(rngs)`` with normal numbers for its parameters and positive ones for its statistics."""
    rng = np.random.default_rng(seed)
    model = nnx.eval_shape(lambda: make(nnx.Rngs(0)))

    def fill(kind, draw):
        state = nnx.state(model, kind)
        nnx.update(model, jax.tree.map(lambda leaf: jnp.asarray(draw(rng, leaf.shape), leaf.dtype), state))

    fill(nnx.Param, lambda rng, shape: rng.normal(size=shape) / 2)
    fill(nnx.BatchStat, lambda rng, shape: rng.uniform(0.5, 1.5, size=shape))
    return model
