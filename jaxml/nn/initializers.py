"""Initial weights by name, and scaled by a number that may be traced; the distributions are `jax.nn.initializers`' own.

An initialiser is a function ``(key, shape, dtype) -> array``; the last axis of `shape` is the output's, the one before
it the input's, those in front are a kernel's taps.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar
from jaxml.ops.lapack import one_by_one

Initializer = Callable[..., Array]


def _orthogonal(key: Array, shape: Sequence[int], dtype: Any = None) -> Array:
    # JAX's own, whose QR decompositions under `vmap` can wait for each other for ever.
    draw = initializers.orthogonal()
    if dtype is None:
        return one_by_one(lambda key: draw(key, shape))(key)
    wide = dtype if jnp.finfo(dtype).bits >= 32 else jnp.float32  # LAPACK has no half precision
    return one_by_one(lambda key: draw(key, shape, wide))(key).astype(dtype)


INITIALIZERS: dict[str, Initializer] = {
    "lecun_normal": initializers.lecun_normal(),  # variance 1 / fan_in: keeps the variance of linear units
    "glorot_normal": initializers.glorot_normal(),  # 2 / (fan_in + fan_out): a compromise with the gradient's
    "glorot_uniform": initializers.glorot_uniform(),
    "he_normal": initializers.he_normal(),  # 2 / fan_in: keeps the second moment of rectified units
    "he_fan_out": initializers.variance_scaling(2.0, "fan_out", "normal"),  # 2 / fan_out: of their gradient
    "orthogonal": _orthogonal,
    "zeros": initializers.zeros,
}
"""LeCun et al. (1998), Glorot and Bengio (2010), He et al. (2015), Saxe et al. (2014)."""


def scaled(initializer: Initializer, *, gain: Scalar) -> Initializer:
    """Multiply initial weights by a gain, ``W = gain W_0``.

    Args:
        initializer: what draws ``W_0``.
        gain: any number; may be traced, so that a sweep can move it.

    Returns:
        An initialiser.

    See also: `jax.nn.initializers.variance_scaling`, whose `scale` is the square of a gain.

    >>> init = scaled(INITIALIZERS["orthogonal"], gain=3.0)
    >>> jnp.linalg.svd(init(jax.random.key(0), (4, 4)), compute_uv=False).round(4)
    Array([3., 3., 3., 3.], dtype=float32)
    """

    def scaled_init(key: Array, shape: Sequence[int], dtype: Any = None) -> Array:
        drawn = initializer(key, shape) if dtype is None else initializer(key, shape, dtype)
        return drawn * jnp.asarray(gain, drawn.dtype)

    return scaled_init


def stacked(initializer: Initializer, key: Array, count: int, shape: Sequence[int]) -> Float[Array, "..."]:
    """Draw `count` arrays of one shape independently, each as if it were alone, along a new first axis.

    Args:
        initializer: what draws one.
        key: a PRNG key.
        count: how many, >= 0.
        shape: of one.

    >>> stacked(INITIALIZERS["he_normal"], jax.random.key(0), 5, (3, 2)).shape
    (5, 3, 2)
    """
    if not count:
        return jnp.zeros((0, *shape))
    return jax.vmap(lambda key: initializer(key, tuple(shape)))(jax.random.split(key, count))
