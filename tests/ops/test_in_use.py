"""Inside a loss an op takes no more memory than a few copies of its result: to be run under the flags that users run.

Called alone an op may be one loop over its result; what follows in a program must not make XLA tear that loop apart and
write its parts to memory.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops

SIDE, CHANNELS = 20, 128
COPIES = 4 if "optimization_level=0" in os.environ.get("XLA_FLAGS", "") else 3  # the suite's code fuses less
rng = np.random.default_rng(0)
low = rng.uniform(0, 10, (64, 2))
boxes = jnp.array(np.concatenate([low, low + rng.uniform(1, 10, (64, 2))], 1), jnp.float32)
points = jnp.array(rng.uniform(-1, 1, (40, 40, 2)), jnp.float32)
maps = jnp.array(rng.normal(size=(SIDE, SIDE, CHANNELS)), jnp.float32)

OPS = {
    "roi_align": (lambda f, b: ops.roi_align(f, b, output_size=7), boxes),
    "grid_sample": (lambda f, p: ops.grid_sample(f, p, mode="bicubic"), points),
}


def temporaries(program, *args):
    """Bytes that a program takes beside what it is given and what it returns."""
    analysis = jax.jit(program).lower(*args).compile().memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes


def of_a_mean(op):
    """A head: the mean of each box's bins, and a loss of that."""
    return lambda features, where: jnp.sum(jnp.mean(op(features, where), (0, 1)) ** 2)


def of_squares(op):
    return lambda features, where: jnp.sum(op(features, where) ** 2)


@pytest.mark.parametrize("name", OPS)
def test_a_loss_and_its_gradient_hold_few_copies_of_the_result(name):
    op, where = OPS[name]
    arrays = sum(x.size * x.dtype.itemsize for x in (maps, where, jax.eval_shape(op, maps, where)))
    assert temporaries(of_a_mean(op), maps, where) < 2 * arrays
    assert temporaries(jax.value_and_grad(of_squares(op), (0, 1)), maps, where) < COPIES * arrays
