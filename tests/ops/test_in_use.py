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


def test_a_focal_loss_of_many_classes_holds_a_block_of_them():
    logits = jnp.array(rng.normal(size=(301, 2000)), jnp.float32)
    labels = jnp.array(rng.integers(-1, 2000, 301), jnp.int32)
    assert temporaries(ops.softmax_focal_loss, logits, labels) < logits.nbytes / 2
    whole = jax.jit(ops.softmax_focal_loss)(logits, labels)
    ends = jax.jit(ops.softmax_focal_loss)(logits[-100:], labels[-100:])
    np.testing.assert_allclose(whole[-100:], ends, rtol=1e-6)
    first = jax.jit(lambda z, y: jax.jvp(lambda z: ops.softmax_focal_loss(z, y), (z,), (z,))[0])(logits, labels)
    np.testing.assert_allclose(whole, first, rtol=1e-6)
