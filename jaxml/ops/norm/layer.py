"""Normalisation of one example over its own axes: layer norm and group norm."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, accumulator_dtype, check_floating
from jaxml.ops.finite import narrowed, saturated, unit_of
from jaxml.ops.norm.state import NormParams, affine, axes_of, check_kept

__all__ = ["group_norm", "layer_norm"]


def layer_norm(
    x: Float[Array, "..."], params: NormParams | None, *, axis: int | Sequence[int] = -1, eps: Scalar = 1e-5
) -> Float[Array, "..."]:
    """Normalise over the given axes of each example.

    ``y = scale (x - mean) / sqrt(var + eps) + bias``, mean and biased variance over `axis`.

    Args:
        x: any shape; the axes not named are batch axes.
        params: scale and shift of the shape of `x` with 1 on every axis not normalised; None for neither.
        axis: the axis or axes to normalise over.
        eps: added to the variance, > 0. Torch and this function default to 1e-5, Flax to 1e-6.

    Returns:
        The shape and dtype of `x`; a constant example gives `bias`.

    Raises:
        ValueError: for a wrong shape, dtype or axis.

    See also: `group_norm`, which normalises over pixels and some of the channels.

    Reference: Ba, Kiros and Hinton (2016), Layer Normalization, arXiv:1607.06450, eq. 3.

    >>> layer_norm(jnp.array([[1.0, 2.0, 3.0], [100.0, 200.0, 300.0]]), None).round(3)
    Array([[-1.225,  0.   ,  1.225],
           [-1.225,  0.   ,  1.225]], dtype=float32)
    """
    check_floating("layer_norm", x=x)
    axes = axes_of("layer_norm", x.ndim, axis)
    check_kept("layer_norm", x, axes, params)
    wide = accumulator_dtype(x.dtype)
    scale, bias = affine(params, wide, x.ndim)
    y = _standardize(x.astype(wide), axes, jnp.asarray(eps, wide))
    return narrowed(saturated(y * scale + bias, y, scale, bias), x)


def group_norm(
    x: Float[Array, "..."], params: NormParams | None, *, num_groups: int, axis: int = -1, eps: Scalar = 1e-5
) -> Float[Array, "..."]:
    """Normalise one example over all its pixels and each group of neighbouring channels.

    ``y = scale (x - mean_g) / sqrt(var_g + eps) + bias``, with `scale` and `bias` per channel.

    Args:
        x: one example, such as an (h, w, c) image; every axis but the channels' is normalised over.
        params: scale and shift of the shape of `x` with 1 on every axis but `axis`; None for neither.
        num_groups: how many groups the channels form; must divide their number. 1 group is a layer norm of the whole
            example, one group per channel an instance norm.
        axis: the channel axis.
        eps: added to the variance, > 0.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: for a wrong shape, dtype or axis, or groups that do not divide the channels.

    Not for a batch: a batch axis would be normalised over. Use `jax.vmap` over examples.

    Reference: Wu and He (2018), Group Normalization, ECCV, eq. 7.

    >>> group_norm(jnp.array([[1.0, 3.0, 10.0, 30.0]]), None, num_groups=2).round(3)
    Array([[-1.,  1., -1.,  1.]], dtype=float32)
    """
    check_floating("group_norm", x=x)
    (channel,) = axes_of("group_norm", x.ndim, axis)
    check_kept("group_norm", x, (channel,), params)
    channels = x.shape[channel]
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"group_norm: 'num_groups' must divide the {channels} channels of axis {channel}, got {num_groups}."
        )
    wide = accumulator_dtype(x.dtype)
    scale, bias = affine(params, wide, x.ndim)
    grouped = x.astype(wide).reshape(*x.shape[:channel], num_groups, channels // num_groups, *x.shape[channel + 1 :])
    axes = tuple(a for a in range(grouped.ndim) if a != channel)
    y = _standardize(grouped, axes, jnp.asarray(eps, wide)).reshape(x.shape)
    return narrowed(saturated(y * scale + bias, y, scale, bias), x)


def _standardize(x: Array, axes: tuple[int, ...], eps: Array) -> Array:
    share = 1 / max(math.prod(x.shape[a] for a in axes), 1)
    quarter = x / 4  # of which every difference is finite
    first = quarter[tuple(slice(0, 1) if a in axes else slice(None) for a in range(x.ndim))]
    # From the first number on, so that the mean of a constant is that constant.
    d = quarter - (first + jnp.sum((quarter - first) * share, axis=axes, keepdims=True))
    unit = jnp.minimum(unit_of(jnp.max(jnp.abs(d), axis=axes, keepdims=True, initial=0)), 1)
    d = d * unit
    # Subtracting the mean twice removes the rounding of the first: a mean of 1e4 is known to 1e-3 in float32.
    d = d - jnp.sum(d * share, axis=axes, keepdims=True)
    return d * jax.lax.rsqrt(jnp.sum(d * d, axis=axes, keepdims=True) * share + eps * (unit / 4) * (unit / 4))
