"""Random omission that regularises: each function takes its key first and one example; `vmap` over keys for a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt32

from jaxml.ops.checks import Scalar, check_floating, check_shapes
from jaxml.ops.finite import saturated

__all__ = ["drop_block", "stochastic_depth"]

PRNGKey = Key[Array, ""] | UInt32[Array, "2"]


def stochastic_depth(key: PRNGKey, x: Float[Array, "..."], *, rate: Scalar) -> Float[Array, "..."]:
    """Drop a whole residual branch, or keep it and scale it up so that its mean is unchanged.

    ``x b / (1 - rate)`` with ``b`` 1 with probability ``1 - rate``, else 0.

    Args:
        key: randomness; one per example gives torchvision's mode "row", one for the batch its mode "batch".
        x: the branch's output for one example, any shape.
        rate: probability to drop, in [0, 1]; 1 gives 0.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: when `x` is not floating.

    Not for inference, where the branch is used as it is: skip the call.

    Reference: Huang et al. (2016), Deep Networks with Stochastic Depth, ECCV, eq. 2, rescaled in training.

    >>> keys = jax.random.split(jax.random.key(0), 6)
    >>> jax.vmap(lambda key: stochastic_depth(key, jnp.array(1.0), rate=0.5))(keys)
    Array([...], dtype=float32)
    """
    check_floating("stochastic_depth", x=x)
    survival = 1 - jnp.asarray(rate, x.dtype)
    kept = jax.random.uniform(key, dtype=jnp.float32) < survival.astype(jnp.float32)
    return saturated(x * jnp.where(kept, 1 / jnp.where(survival > 0, survival, 1), 0), x)


def drop_block(key: PRNGKey, x: Float[Array, "h w c"], *, rate: Scalar, block_size: int = 7) -> Float[Array, "h w c"]:
    """Drop square blocks of each channel, and scale what is left so that its mean is unchanged.

    Block corners are drawn with probability ``rate h w / (block_size^2 (h - block_size + 1)(w - block_size + 1))``,
    so that about a share `rate` of the entries is dropped; blocks lie inside the map.

    Args:
        key: randomness.
        x: one feature map, channels last.
        rate: share of entries to drop, in [0, 1); overlapping blocks drop somewhat less.
        block_size: side of a block in pixels, >= 1, at most the smaller side of the map; 1 is dropout.

    Returns:
        The shape and dtype of `x`; all 0 if every entry is dropped.

    Raises:
        ValueError: when `x` is not floating or has not three axes, or no block fits.

    Not for inference: skip the call. Torchvision rescales by the whole batch, this by the example, so that
    examples do not depend on each other.

    Reference: Ghiasi, Lin and Le (2018), DropBlock, NeurIPS, algorithm 1 and eq. 1.

    >>> dropped = drop_block(jax.random.key(0), jnp.ones((8, 8, 1)), rate=0.2, block_size=3)
    >>> int((dropped == 0).sum()), float(dropped.mean().round(4))
    (..., 1.0)
    """
    check_floating("drop_block", x=x)
    check_shapes("drop_block", x=(x, "h w c"), hint="Use jax.vmap over a batch.")
    h, w, c = x.shape
    if not 1 <= block_size <= min(h, w):
        raise ValueError(
            f"drop_block: 'block_size' must lie in 1..{min(h, w)} for a map of {h} x {w} pixels, got {block_size}."
        )
    corners = (h - block_size + 1, w - block_size + 1, c)
    probability = jnp.asarray(rate, jnp.float32) * (h * w / (block_size**2 * corners[0] * corners[1]))
    seeds = (jax.random.uniform(key, corners, jnp.float32) < probability).astype(jnp.float32)
    margin = block_size - 1
    dropped = jax.lax.reduce_window(
        seeds,
        jnp.zeros((), jnp.float32),
        jax.lax.max,
        window_dimensions=(block_size, block_size, 1),
        window_strides=(1, 1, 1),
        padding=((margin, margin), (margin, margin), (0, 0)),
    )
    kept = 1 - dropped
    return saturated(x * (kept * (kept.size / jnp.maximum(jnp.sum(kept), 1))).astype(x.dtype), x)
