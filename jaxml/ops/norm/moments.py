"""The moments of a batch and the normalisation by them, with a derivative of its own that reads the batch twice."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.ops.norm.sums import kept, moment_sums, straight_line, weighted_sums

_SHARE = 32
"""The pivot is the mean of one part in so many of the batch."""


def _total(axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array) -> Array:
    return _shared(names, jnp.sum(x, axis=axes, keepdims=True))


def _shared(names: str | tuple[str, ...] | None, total: Array) -> Array:
    return total if names is None else jax.lax.psum(total, names)


def _moments(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array, mask: Array | None
) -> tuple[Array, Array, Array, Array]:
    """``(mean, rest, variance, count)``: the mean is known better than a number can hold, as ``mean + rest``.

    Moments about a pivot, in one pass, are as good as those of two passes while the pivot lies within a few
    standard deviations of the mean. The mean of one 32nd of the batch lies within ``sqrt(32)`` of them, so the
    variance loses a factor 32 in rounding at the very worst.
    """
    count = jnp.asarray(math.prod(x.shape[a] for a in axes), x.dtype)
    count = count if mask is None else jnp.sum(mask, dtype=x.dtype)
    count = count if names is None else jax.lax.psum(count, names)
    n = jnp.maximum(count, 1)
    if mask is not None:
        pivot = _total(axes, names, x) / n
    else:
        first = jax.lax.slice_in_dim(x, 0, -(-x.shape[axes[0]] // _SHARE), axis=axes[0]) if axes else x
        pivot = jnp.sum(first, axis=axes, keepdims=True) / max(math.prod(first.shape[a] for a in axes), 1)
        pivot = pivot if names is None else jax.lax.pmean(pivot, names)
    # The moments do not depend on the pivot, so neither do their derivatives.
    pivot = jax.lax.stop_gradient(pivot)
    first, second = (_shared(names, total) for total in moment_sums(x, pivot, axes, mask))
    offset = first / n
    mean = pivot + offset
    return mean, offset - (mean - pivot), jnp.maximum(second / n - offset * offset, 0), count


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def normalize(
    axes: tuple[int, ...],
    names: str | tuple[str, ...] | None,
    x: Array,
    scale: Array,
    bias: Array,
    eps: Array,
    mask: Array | None,
) -> tuple[Array, Array, Array, Array]:
    """``(y, mean, variance, count)`` of a batch that is 0 where masked out."""
    mean, rest, var, count = _moments(axes, names, x, mask)
    slope = jax.lax.rsqrt(var + eps) * scale
    return straight_line(x, mean, bias - rest * slope, slope, axes, mask), mean, var, count


@normalize.defjvp
def _normalize_jvp(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    # Autodiff alone would reduce over the batch once per moment and path. Collected as y' = slope x' + a + b d,
    # with a and b per channel, the transpose needs just two reductions: of the cotangent, and of it times d.
    x, scale, bias, eps, mask = primals
    x_dot, scale_dot, bias_dot, eps_dot, _ = tangents
    mean, rest, var, count = _moments(axes, names, x, mask)
    n = jnp.maximum(count, 1)
    inverse = jax.lax.rsqrt(var + eps)
    slope = inverse * scale
    x_dot = kept(x_dot, mask)
    first, second = (_shared(names, total) for total in weighted_sums(x_dot, x, mean, axes, mask))
    mean_dot = first / n
    half_var_dot = second / n - rest * mean_dot
    b = inverse * scale_dot - slope * inverse * inverse * (half_var_dot + eps_dot / 2)
    a = bias_dot - slope * mean_dot - rest * b
    primal = straight_line(x, mean, bias - rest * slope, slope, axes, mask), mean, var, count
    y_dot = slope * x_dot + straight_line(x, mean, a, b, axes, mask)
    return primal, (y_dot, mean_dot, 2 * half_var_dot, jnp.zeros_like(count))
