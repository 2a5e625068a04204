"""XLA's CPU fusions change no number of an op: to be run under the flags that users run, and true under the suite's.

jaxlib 0.10.2 hands matrix products and sums to a library that reads beyond a factor that repeats one number
(jax issues 39103, 39257, 40412): silently wrong from some 64 boxes on. The right answer is the same program without
those fusions, where it stands, or a number known beforehand.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops
from jaxml.ops.once import apart

UNFUSED = {"xla_cpu_experimental_ynn_fusion_type": ""}
BOXES, SIDE = 200, 20
OPS = {
    "roi_align": (lambda f, b: ops.roi_align(f, b, output_size=7, implementation="dense"), 3),
    "roi_align_adaptive": (lambda f, b: ops.roi_align(f, b, output_size=7, sampling_ratio=0), 1),
    "prroi_pool": (lambda f, b: ops.prroi_pool(f, b, output_size=7), 3),
    "ps_roi_align": (lambda f, b: ops.ps_roi_align(f, b, output_size=2, implementation="dense"), 8),
    "ps_roi_pool": (lambda f, b: ops.ps_roi_pool(f, b, output_size=2), 8),
    "deform_conv2d": (lambda f, b: ops.deform_conv2d(f, offsets(b), jnp.ones((3, 3, 8, 8)), padding=1), 8),
}


def offsets(boxes: jax.Array) -> jax.Array:
    return jnp.resize(boxes, (SIDE, SIDE, 1, 3, 3, 2)) / SIDE


def draw_boxes() -> jax.Array:
    rng = np.random.default_rng(0)
    low, high = rng.uniform(1, 9, (BOXES, 2)), rng.uniform(11, 19, (BOXES, 2))
    return jnp.array(np.concatenate([low, high], 1), jnp.float32)


# On a map and along tangents that repeat one number: what the fusions look for. One program each, since a product that
# two results share is not fused.
PROGRAMS = {
    "value": lambda pool, ones: lambda boxes: pool(ones, boxes),
    "along features": lambda pool, ones: lambda boxes: jax.jvp(lambda f: pool(f, boxes), (ones,), (ones,))[1],
    "gradient": lambda pool, ones: jax.grad(lambda boxes: jnp.sum(pool(ones, boxes) ** 2)),
    "feature gradient": lambda pool, ones: lambda boxes: jax.grad(lambda f: jnp.sum(pool(f, boxes) ** 2))(ones),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", OPS)
def test_no_fusion_changes_values_or_derivatives(name, program):
    pool, channels = OPS[name]
    boxes = draw_boxes()
    lowered = jax.jit(PROGRAMS[program](pool, jnp.ones((SIDE, SIDE, channels)))).lower(boxes)
    fused, unfused = (lowered.compile(compiler_options=options)(boxes) for options in (None, UNFUSED))
    if name != "deform_conv2d" and program in ("value", "along features"):  # its windows reach over the border
        np.testing.assert_allclose(fused, 1, rtol=1e-5)
    np.testing.assert_allclose(fused, unfused, rtol=1e-4, atol=1e-4 * (1 + float(jnp.abs(unfused).max())))


def test_the_fusions_can_be_turned_off():
    product = jax.jit(lambda a: jnp.sum((a @ jnp.ones((20, 20))) ** 2, axis=1))
    a = jnp.ones((1024, 20))
    unfused = product.lower(a).compile(compiler_options=UNFUSED)
    np.testing.assert_array_equal(unfused(a), 20 * 20.0**2)
    assert "__ynn_fusion" not in unfused.as_text()


def test_what_is_kept_apart_is_the_identity_with_all_its_derivatives():
    x = jnp.arange(3.0)
    cubes = lambda x: jnp.sum(apart(apart(x) ** 3))  # noqa: E731
    np.testing.assert_array_equal(jax.grad(cubes)(x), 3 * x**2)
    np.testing.assert_array_equal(jax.jacfwd(jax.grad(cubes))(x), jnp.diag(6 * x))
    np.testing.assert_array_equal(jax.vmap(jax.grad(cubes))(x[None]), 3 * x[None] ** 2)
