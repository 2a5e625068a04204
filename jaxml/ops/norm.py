"""Normalisation layers as pure functions: state goes in and comes out, nothing is hidden.

Parameters and statistics keep the rank of `x`, with 1 on every axis they do not vary along: (1, C, 1, 1) for a
(B, C, H, W) batch with ``axis=1``, (1, 1, 1, C) with channels last. Statistics are computed in at least float32
and about a pivot, so that a mean far larger than the standard deviation costs no accuracy. `batch_norm` takes a
whole batch, since that is what it normalises over; the other functions may be vmapped over examples.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxml.ops.checks import Scalar, accumulator_dtype, check_choice, check_floating

__all__ = [
    "BatchNormState",
    "NormParams",
    "batch_norm",
    "convert_batch_norm_state",
    "convert_momentum",
    "frozen_batch_norm",
    "group_norm",
    "init_batch_norm",
    "layer_norm",
]

Convention = Literal["flax", "torch", "onnx"]


class NormParams(NamedTuple):
    """Scale and shift after normalisation, of the rank of `x`.

    See also: `init_batch_norm`, which makes them.
    """

    scale: Float[Array, "..."]
    bias: Float[Array, "..."]


class BatchNormState(NamedTuple):
    """Running mean and variance, of the rank of `x`, under the caller's convention.

    See also: `convert_batch_norm_state`.
    """

    mean: Float[Array, "..."]
    var: Float[Array, "..."]


class _Rule(NamedTuple):
    momentum: float
    momentum_weighs_new: bool
    unbiased: bool


_RULES = {
    "flax": _Rule(momentum=0.99, momentum_weighs_new=False, unbiased=False),
    "torch": _Rule(momentum=0.1, momentum_weighs_new=True, unbiased=True),
    "onnx": _Rule(momentum=0.9, momentum_weighs_new=False, unbiased=False),
}


def init_batch_norm(shape: Sequence[int], *, axis: int = -1) -> tuple[NormParams, BatchNormState]:
    """Parameters and state that leave a standard normal batch as it is.

    ``scale = 1, bias = 0, mean = 0, var = 1``.

    Args:
        shape: the shape of the batches to come; sizes other than the channels' do not matter.
        axis: the channel axis.

    Returns:
        ``(params, state)``, float32, with 1 on every axis but `axis`.

    Raises:
        ValueError: when `shape` has no such axis.

    Reference: Ioffe and Szegedy (2015), Batch Normalization, ICML.

    >>> params, state = init_batch_norm((8, 3, 32, 32), axis=1)
    >>> state.mean.shape
    (1, 3, 1, 1)
    """
    (channel,) = _axes("init_batch_norm", len(shape), axis)
    kept = tuple(size if a == channel else 1 for a, size in enumerate(shape))
    return NormParams(jnp.ones(kept), jnp.zeros(kept)), BatchNormState(jnp.zeros(kept), jnp.ones(kept))


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

    >>> x = jnp.array([[1.0], [3.0]])
    >>> y, state = batch_norm(x, *init_batch_norm(x.shape), training=True, convention="torch")
    >>> y.ravel().round(3), state.mean.item(), round(state.var.item(), 3)
    (Array([-1.,  1.], dtype=float32), 0.20000000298023224, 1.1)
    """
    check_choice("batch_norm", "convention", convention, tuple(_RULES))
    check_floating("batch_norm", x=x)
    (channel,) = _axes("batch_norm", x.ndim, axis)
    _check_kept("batch_norm", x, (channel,), params, state)
    reduced = tuple(a for a in range(x.ndim) if a != channel)
    wide = accumulator_dtype(x.dtype)
    scale, bias = _affine(params, wide, x.ndim)
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
        y = (clean - state.mean.astype(wide)) * jax.lax.rsqrt(state.var.astype(wide) + eps) * scale + bias
    else:
        names = axis_name if axis_name is None or isinstance(axis_name, str) else tuple(axis_name)
        y, mean, var, count = _normalize(reduced, names, clean, scale, bias, eps, mask)
        rule = _RULES[convention]
        weight = jnp.asarray(rule.momentum if momentum is None else momentum, wide)
        weight = jnp.where(count > 0, weight if rule.momentum_weighs_new else 1 - weight, 0)
        if rule.unbiased:
            var = var * (count / jnp.maximum(count - 1, 1))
        state = BatchNormState(*(_moved(old, new, weight) for old, new in zip(state, (mean, var), strict=True)))
    return (y if mask is None else jnp.where(mask, y, 0)).astype(x.dtype), state


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

    >>> params, state = init_batch_norm((1, 2))
    >>> state = state._replace(mean=jnp.array([[1.0, 0.0]]), var=jnp.array([[4.0, 1.0]]))
    >>> frozen_batch_norm(jnp.array([[3.0, 5.0]]), params, state).round(3)
    Array([[1., 5.]], dtype=float32)
    """
    check_floating("frozen_batch_norm", x=x)
    _check_kept("frozen_batch_norm", x, _axes("frozen_batch_norm", x.ndim, axis), params, state)
    wide = accumulator_dtype(x.dtype)
    scale, bias = jax.lax.stop_gradient(_affine(params, wide, x.ndim))
    mean, var = (jax.lax.stop_gradient(s.astype(wide)) for s in state)
    inverse = jax.lax.rsqrt(var + jnp.asarray(eps, wide))
    return ((x.astype(wide) - mean) * inverse * scale + bias).astype(x.dtype)


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
    axes = _axes("layer_norm", x.ndim, axis)
    _check_kept("layer_norm", x, axes, params)
    wide = accumulator_dtype(x.dtype)
    scale, bias = _affine(params, wide, x.ndim)
    return (_standardize(x.astype(wide), axes, jnp.asarray(eps, wide)) * scale + bias).astype(x.dtype)


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
    (channel,) = _axes("group_norm", x.ndim, axis)
    _check_kept("group_norm", x, (channel,), params)
    channels = x.shape[channel]
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"group_norm: 'num_groups' must divide the {channels} channels of axis {channel}, got {num_groups}."
        )
    wide = accumulator_dtype(x.dtype)
    scale, bias = _affine(params, wide, x.ndim)
    grouped = x.astype(wide).reshape(*x.shape[:channel], num_groups, channels // num_groups, *x.shape[channel + 1 :])
    axes = tuple(a for a in range(grouped.ndim) if a != channel)
    y = _standardize(grouped, axes, jnp.asarray(eps, wide)).reshape(x.shape)
    return (y * scale + bias).astype(x.dtype)


def convert_batch_norm_state(
    state: BatchNormState, *, source: Convention, target: Convention, count: Scalar
) -> BatchNormState:
    """Running statistics of one convention as another convention would have tracked them.

    Torch tracks ``n/(n - 1)`` times the biased variance that Flax and ONNX track; the means agree.

    Args:
        state: running mean and variance under `source`.
        source: the convention the state comes from.
        target: the convention the state is for.
        count: values per channel in each training batch, ``B * H * W`` for images; > 1.

    Returns:
        The state under `target`. Exact once the initial variance has been forgotten.

    Raises:
        ValueError: for an unknown convention.

    See also: `convert_momentum`.

    >>> _, state = init_batch_norm((4, 3))
    >>> convert_batch_norm_state(state, source="torch", target="flax", count=4).var
    Array([[0.75, 0.75, 0.75]], dtype=float32)
    """
    for name, convention in {"source": source, "target": target}.items():
        check_choice("convert_batch_norm_state", name, convention, tuple(_RULES))
    n = jnp.asarray(count, accumulator_dtype(state.var.dtype))
    inflation = n / jnp.maximum(n - 1, 1)
    var = state.var.astype(inflation.dtype)
    if _RULES[source].unbiased:
        var = var / inflation
    if _RULES[target].unbiased:
        var = var * inflation
    return state._replace(var=var.astype(state.var.dtype))


def convert_momentum(momentum: Scalar, *, source: Convention, target: Convention) -> Scalar:
    """The momentum under which two conventions track alike.

    ``1 - momentum`` when one convention weighs the old statistic by it and the other the new; else the same.

    Args:
        momentum: under `source`, in [0, 1].
        source: the convention it comes from.
        target: the convention it is for.

    Returns:
        The momentum under `target`.

    Raises:
        ValueError: for an unknown convention.

    See also: `convert_batch_norm_state`.

    >>> convert_momentum(0.25, source="torch", target="flax")
    0.75
    """
    for name, convention in {"source": source, "target": target}.items():
        check_choice("convert_momentum", name, convention, tuple(_RULES))
    same = _RULES[source].momentum_weighs_new == _RULES[target].momentum_weighs_new
    return momentum if same else 1 - momentum


def _total(axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array) -> Array:
    total = jnp.sum(x, axis=axes, keepdims=True)
    return total if names is None else jax.lax.psum(total, names)


def _moments(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array, mask: Array | None
) -> tuple[Array, Array, Array, Array, Array]:
    """``(d, pivot, mean of d, variance, count)`` with ``d = x - pivot``, 0 where masked out.

    Moments about a pivot, in one pass, are as good as those of two passes while the pivot lies within a few
    standard deviations of the mean. The mean of the first of B examples lies within ``sqrt(B)`` of them, so the
    variance loses a factor B in rounding at the very worst.
    """
    count = jnp.asarray(math.prod(x.shape[a] for a in axes), x.dtype)
    count = count if mask is None else jnp.sum(mask, dtype=x.dtype)
    count = count if names is None else jax.lax.psum(count, names)
    n = jnp.maximum(count, 1)
    if mask is not None:
        pivot = _total(axes, names, x) / n
    else:
        first = jax.lax.slice_in_dim(x, 0, min(1, x.shape[axes[0]]), axis=axes[0]) if axes else x
        pivot = jnp.sum(first, axis=axes, keepdims=True) / max(math.prod(first.shape[a] for a in axes), 1)
        pivot = pivot if names is None else jax.lax.pmean(pivot, names)
    # The moments do not depend on the pivot, so neither do their derivatives.
    pivot = jax.lax.stop_gradient(pivot)
    d = x - pivot if mask is None else jnp.where(mask, x - pivot, 0)
    mean = _total(axes, names, d) / n
    var = jnp.maximum(_total(axes, names, d * d) / n - mean * mean, 0)
    return d, pivot, mean, var, count


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _normalize(
    axes: tuple[int, ...],
    names: str | tuple[str, ...] | None,
    x: Array,
    scale: Array,
    bias: Array,
    eps: Array,
    mask: Array | None,
) -> tuple[Array, Array, Array, Array]:
    """``(y, mean, variance, count)`` of a batch that is 0 where masked out."""
    d, pivot, mean, var, count = _moments(axes, names, x, mask)
    slope = jax.lax.rsqrt(var + eps) * scale
    return d * slope + (bias - mean * slope), pivot + mean, var, count


@_normalize.defjvp
def _normalize_jvp(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    # Autodiff alone would reduce over the batch once per moment and path. Collected as y' = slope x' + a + b d,
    # with a and b per channel, the transpose needs just two reductions: of the cotangent, and of it times d.
    x, scale, bias, eps, mask = primals
    x_dot, scale_dot, bias_dot, eps_dot, _ = tangents
    d, pivot, mean, var, count = _moments(axes, names, x, mask)
    n = jnp.maximum(count, 1)
    inverse = jax.lax.rsqrt(var + eps)
    slope = inverse * scale
    x_dot = x_dot if mask is None else jnp.where(mask, x_dot, 0)
    mean_dot = _total(axes, names, x_dot) / n
    half_var_dot = _total(axes, names, d * x_dot) / n - mean * mean_dot
    b = inverse * scale_dot - slope * inverse * inverse * (half_var_dot + eps_dot / 2)
    a = bias_dot - slope * mean_dot - mean * b
    primal = d * slope + (bias - mean * slope), pivot + mean, var, count
    return primal, (slope * x_dot + a + b * d, mean_dot, 2 * half_var_dot, jnp.zeros_like(count))


def _standardize(x: Array, axes: tuple[int, ...], eps: Array) -> Array:
    # Subtracting the mean twice removes the rounding of the first: a mean of 1e4 is known to 1e-3 in float32.
    d = x - jnp.mean(x, axis=axes, keepdims=True)
    d = d - jnp.mean(d, axis=axes, keepdims=True)
    return d * jax.lax.rsqrt(jnp.mean(d * d, axis=axes, keepdims=True) + eps)


def _moved(old: Array, new: Array, weight: Array) -> Array:
    """The running statistic, `weight` of the way to the new one; computed wide, stored as it was."""
    wide = accumulator_dtype(old.dtype, new.dtype)
    old_wide = old.astype(wide)
    return (old_wide + weight.astype(wide) * (new.astype(wide) - old_wide)).astype(old.dtype)


def _affine(params: NormParams | None, dtype: jnp.dtype, rank: int) -> tuple[Array, Array]:
    if params is None:
        return jnp.ones((1,) * rank, dtype), jnp.zeros((1,) * rank, dtype)
    return params.scale.astype(dtype), params.bias.astype(dtype)


def _axes(where: str, rank: int, axis: int | Sequence[int]) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if not -rank <= a < rank:
            raise ValueError(f"{where}: 'axis' must lie in {-rank}..{rank - 1} for {rank} axes, got {a}.")
    return tuple(sorted(a % rank for a in axes))


def _check_kept(where: str, x: Array, axes: tuple[int, ...], *groups: NormParams | BatchNormState | None) -> None:
    expected = tuple(size if a in axes else 1 for a, size in enumerate(x.shape))
    for group in groups:
        for name, array in () if group is None else group._asdict().items():
            if array.shape != expected:
                raise ValueError(
                    f"{where}: '{name}' must have shape {expected} for 'x' of shape {x.shape}, got {array.shape}. "
                    f"Use {name}.reshape{expected}, or name the right axis."
                )
