"""XLA's CPU fusions change no number of an op: to be run under the flags that users run, and true under the suite's.

jaxlib 0.10.2 to 0.11.2 hand matrix products and sums to a library that reads beyond a factor that repeats one number
(jax issues 39103, 39257, 40412): silently wrong from some 64 boxes on. The right answer is the same program without
those fusions, where it stands, or a number known beforehand.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops

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


@pytest.mark.parametrize("name", OPS)
def test_no_fusion_changes_values_or_derivatives(name):
    pool, channels = OPS[name]

    def everything(boxes):
        """On a map and along tangents that repeat one number, with sums behind the op: what the fusions look for."""
        ones = jnp.ones((SIDE, SIDE, channels))
        squares = lambda f, b: jnp.sum(pool(f, b) ** 2)  # noqa: E731
        return {
            "value": pool(ones, boxes),
            "along features": jax.jvp(lambda f: pool(f, boxes), (ones,), (ones,))[1],
            "along boxes": jax.jvp(lambda b: pool(ones, b), (boxes,), (jnp.ones_like(boxes),))[1],
            "gradient": jax.grad(squares, (0, 1))(ones, boxes),
        }

    boxes = draw_boxes()
    lowered = jax.jit(everything).lower(boxes)
    fused, unfused = (lowered.compile(compiler_options=options)(boxes) for options in (None, UNFUSED))
    if name != "deform_conv2d":  # whose windows reach over the border
        np.testing.assert_allclose(fused["value"], 1, rtol=1e-5)
        np.testing.assert_allclose(fused["along features"], 1, rtol=1e-5)
    for part, expected in unfused.items():
        for actual, leaf in zip(jax.tree.leaves(fused[part]), jax.tree.leaves(expected), strict=True):
            scale = 1 + float(jnp.abs(leaf).max())
            np.testing.assert_allclose(actual, leaf, rtol=1e-4, atol=1e-4 * scale, err_msg=part)


def test_the_fusions_can_be_turned_off():
    product = jax.jit(lambda a: jnp.sum((a @ jnp.ones((20, 20))) ** 2, axis=1))
    a = jnp.ones((1024, 20))
    unfused = product.lower(a).compile(compiler_options=UNFUSED)
    np.testing.assert_array_equal(unfused(a), 20 * 20.0**2)
    assert "__ynn_fusion" not in unfused.as_text()
