"""Batch normalisation, by the statistics of the batch, by tracked ones, or by constants."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.ops.checks import Scalar, accumulator_dtype, check_choice, check_floating
from jaxml.ops.finite import narrowed, saturated
from jaxml.ops.norm.moments import normalize
from jaxml.ops.norm.state import RULES, BatchNormState, Convention, NormParams, affine, axes_of, check_kept

__all__ = ["batch_norm", "frozen_batch_norm"]


def batch_norm(
    x: Float[Array, "..."],
    params: NormParams | None,
    state: BatchNormState,
    *,
    training: bool,
    axis: int = -1,
    momentum: Scalar | None = None,
    eps: Scalar = 1e-5,
    mask: Bool[Array, "..."] | None = None,
    axis_name: str | Sequence[str] | None = None,
    convention: Convention = "flax",
) -> tuple[Float[Array, "..."], BatchNormState]:
    """Normalise each channel over the batch, and track its statistics.

    ``y = scale (x - mean) / sqrt(var + eps) + bias``, with the biased variance of the batch in training and the
    running statistics otherwise. Training moves the running statistics towards those of the batch:

    ============  ==================  =======  ===================================
    convention    momentum weighs     default  running variance gets
    ============  ==================  =======  ===================================
    ``"flax"``    the old statistic   0.99     the biased variance
    ``"torch"``   the new statistic   0.1      the unbiased variance, ``n/(n - 1)``
    ``"onnx"``    the old statistic   0.9      the biased variance
    ============  ==================  =======  ===================================

    Args:
        x: a batch, any shape.
        params: scale and shift of the shape of `x` with 1 on every axis but `axis`; None for neither.
        state: running mean and variance, of the same shape.
        training: whether to use, and learn from, the statistics of this batch.
        axis: the channel axis.
        momentum: as the table says, in [0, 1]; None takes the convention's default.
        eps: added to the variance, > 0.
        mask: which entries count, of the shape of `x` without `axis`. The others come out as 0, and neither their
            values (not even NaN) nor their gradients matter.
        axis_name: mapped axis or axes (of `vmap`, `shard_map`) over which statistics are shared: exact for shards
            of unequal masked size, since sums and counts are shared, not means.
        convention: row of the table.

    Returns:
        ``(y, state)``: `y` in the shape and dtype of `x`, and the state, unchanged if not training or if nothing
        counts. A channel of one value has variance 0 in every convention.

    Raises:
        ValueError: for a wrong shape, dtype, axis or convention.

    Not to be vmapped over examples without `axis_name`: each would be a batch of its own.

    Reference: Ioffe and Szegedy (2015), Batch Normalization, ICML, algorithm 1.

    >>> from jaxml.ops import init_batch_norm
    >>> x = jnp.array([[1.0], [3.0]])
    >>> y, state = batch_norm(x, *init_batch_norm(x.shape), training=True, convention="torch")
    >>> y.ravel().round(3), state.mean.item(), round(state.var.item(), 3)
    (Array([-1.,  1.], dtype=float32), 0.20000000298023224, 1.1)
    """
    check_choice("batch_norm", "convention", convention, tuple(RULES))
    check_floating("batch_norm", x=x)
    (channel,) = axes_of("batch_norm", x.ndim, axis)
    check_kept("batch_norm", x, (channel,), params, state)
    reduced = tuple(a for a in range(x.ndim) if a != channel)
    wide = accumulator_dtype(x.dtype)
    scale, bias = affine(params, wide, x.ndim)
    eps = jnp.asarray(eps, wide)
    if mask is not None:
        expected = tuple(x.shape[a] for a in reduced)
        if mask.shape != expected:
            raise ValueError(
                f"batch_norm: 'mask' must have shape {expected}, that of 'x' without axis {channel}, got "
                f"{mask.shape}. Broadcast it over the axes it lacks: jnp.broadcast_to."
            )
        mask = jnp.expand_dims(mask, channel)
    clean = (x if mask is None else jnp.where(mask, x, 0)).astype(wide)
    if not training:
        y = _line(clean, state.mean.astype(wide), state.var.astype(wide), scale, bias, eps)
    else:
        names = axis_name if axis_name is None or isinstance(axis_name, str) else tuple(axis_name)
        whole = clean, scale, bias, mask
        if channel == x.ndim - 1:  # rows of channels, whatever the axes before them
            reduced, whole = (0,), tuple(_rows(a) for a in whole)
        clean, scale, bias, counted = whole
        y, mean, var, count = normalize(reduced, names, clean, scale, bias, eps, counted)
        y, mean, var = y.reshape(x.shape), mean.reshape(state.mean.shape), var.reshape(state.var.shape)
        rule = RULES[convention]
        weight = jnp.asarray(rule.momentum if momentum is None else momentum, wide)
        weight = jnp.where(count > 0, weight if rule.momentum_weighs_new else 1 - weight, 0)
        if rule.unbiased:
            var = saturated(var * (count / jnp.maximum(count - 1, 1)), var)
        state = BatchNormState(*(_moved(old, new, weight) for old, new in zip(state, (mean, var), strict=True)))
    return narrowed(y if mask is None else jnp.where(mask, y, 0), x), state


def frozen_batch_norm(
    x: Float[Array, "..."], params: NormParams | None, state: BatchNormState, *, axis: int = -1, eps: Scalar = 1e-5
) -> Float[Array, "..."]:
    """Normalise by statistics that are constants, as fine-tuned detectors do with a pretrained backbone.

    ``y = scale (x - mean) / sqrt(var + eps) + bias``, with no derivative for anything but `x`.

    Args:
        x: any shape that has the channel axis; a batch or one example.
        params: scale and shift of the shape of `x` with 1 on every axis but `axis`; None for neither.
        state: running mean and variance, of the same shape.
        axis: the channel axis.
        eps: added to the variance, > 0.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: for a wrong shape, dtype or axis.

    Not ``batch_norm(training=False)``, whose parameters have derivatives.

    Reference: He et al. (2017), Mask R-CNN, ICCV, section 3.1 (backbone); torchvision's ``FrozenBatchNorm2d``.

    >>> from jaxml.ops import init_batch_norm
    >>> params, state = init_batch_norm((1, 2))
    >>> state = state._replace(mean=jnp.array([[1.0, 0.0]]), var=jnp.array([[4.0, 1.0]]))
    >>> frozen_batch_norm(jnp.array([[3.0, 5.0]]), params, state).round(3)
    Array([[1., 5.]], dtype=float32)
    """
    check_floating("frozen_batch_norm", x=x)
    check_kept("frozen_batch_norm", x, axes_of("frozen_batch_norm", x.ndim, axis), params, state)
    wide = accumulator_dtype(x.dtype)
    scale, bias = jax.lax.stop_gradient(affine(params, wide, x.ndim))
    mean, var = (jax.lax.stop_gradient(s.astype(wide)) for s in state)
    return narrowed(_line(x.astype(wide), mean, var, scale, bias, jnp.asarray(eps, wide)), x)


def _line(x: Array, mean: Array, var: Array, scale: Array, bias: Array, eps: Array) -> Array:
    # By halves: a difference of large numbers of opposite signs must not overflow before it is divided.
    half = x / 2 - mean / 2
    return saturated(half * (2 * jax.lax.rsqrt(var + eps) * scale) + bias, half, scale, bias)


def _rows(a: Array | None) -> Any:
    return a if a is None else a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def _moved(old: Array, new: Array, weight: Array) -> Array:
    """The running statistic, `weight` of the way to the new one; computed wide, stored as it was."""
    wide = accumulator_dtype(old.dtype, new.dtype)
    weight = weight.astype(wide)
    return narrowed((1 - weight) * old.astype(wide) + weight * new.astype(wide), old)
