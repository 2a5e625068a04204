"""The moments of a batch and the normalisation by them, with a derivative of its own that reduces only twice."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def _total(axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array) -> Array:
    total = jnp.sum(x, axis=axes, keepdims=True)
    return total if names is None else jax.lax.psum(total, names)


def _moments(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array, mask: Array | None
) -> tuple[Array, Array, Array, Array]:
    """``(mean, rest, variance, count)``: the mean is known better than a number can hold, as ``mean + rest``.

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
    # XLA writes deviations to memory, as much traffic as the result, when several sums read them, and subtracts on the
    # fly when one does. So each sum over the batch has deviations of its own: x - pivot, x + (-pivot) and, for the
    # derivative, x + (-mean).
    offset = _total(axes, names, _kept(x - pivot, mask)) / n
    var = jnp.maximum(_total(axes, names, jnp.square(_kept(x + (-pivot), mask))) / n - offset * offset, 0)
    mean = pivot + offset
    return mean, offset - (mean - pivot), var, count


def _kept(x: Array, mask: Array | None) -> Array:
    return x if mask is None else jnp.where(mask, x, 0)


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
    return _kept(x - mean, mask) * slope + (bias - rest * slope), mean, var, count


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
    d = _kept(x - mean, mask)
    x_dot = _kept(x_dot, mask)
    mean_dot = _total(axes, names, x_dot) / n
    half_var_dot = _total(axes, names, d * x_dot) / n - rest * mean_dot
    b = inverse * scale_dot - slope * inverse * inverse * (half_var_dot + eps_dot / 2)
    a = bias_dot - slope * mean_dot - rest * b
    primal = d * slope + (bias - rest * slope), mean, var, count
    return primal, (
        slope * x_dot + a + b * _kept(x + (-mean), mask),
        mean_dot,
        2 * half_var_dot,
        jnp.zeros_like(count),
    )
