"""The moments of a batch and the normalisation by them, with a derivative of its own that reads the batch twice."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.ops.finite import saturated, unit_of

_SHARE = 32
"""The pivot is the mean of one part in so many of the batch."""


class _Moments(NamedTuple):
    """In units in which no square overflows: the moments of ``x * unit``, the mean as ``mean + rest``."""

    unit: Array
    mean: Array
    rest: Array
    var: Array
    number: Array


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
    m = _moments(axes, names, x, mask)
    slope = _inverse(m, eps) * scale
    y = bias - m.rest * slope + slope * _deviation(m, x, mask)
    return saturated(y, scale, bias), *_statistics(m)


@normalize.defjvp
def _normalize_jvp(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    # Autodiff alone would reduce over the batch once per moment and path. Collected as y' = slope u' + a + b d,
    # with a and b per channel, the transpose needs just two reductions: of the cotangent, and of it times d.
    x, scale, bias, eps, mask = primals
    x_dot, scale_dot, bias_dot, eps_dot, _ = tangents
    m = _moments(axes, names, x, mask)
    n, inverse, d = jnp.maximum(m.number, 1), _inverse(m, eps), _deviation(m, x, mask)
    slope = inverse * scale
    u_dot = _kept(x_dot, mask) * m.unit
    mean_dot = _total(axes, names, u_dot) / n
    half_var_dot = _total(axes, names, u_dot * d) / n - m.rest * mean_dot
    b = inverse * scale_dot - slope * inverse * inverse * (half_var_dot + eps_dot * m.unit * m.unit / 2)
    a = bias_dot - slope * mean_dot - m.rest * b
    mean, var, count = _statistics(m)
    y = saturated(bias - m.rest * slope + slope * d, scale, bias)
    # In the units of x from the start: the way back from the smaller ones would overflow before it arrives.
    var_dot = 2 * _total(axes, names, _kept(x_dot, mask) * saturated((d - m.rest) / m.unit, d) / n)
    return (y, mean, var, count), (slope * u_dot + a + b * d, mean_dot / m.unit, var_dot, jnp.zeros_like(count))


def _moments(axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array, mask: Array | None) -> _Moments:
    """Moments about a pivot, in one pass, are as good as those of two while it is within a few deviations of the mean.

    The mean of one 32nd of the batch is within ``sqrt(32)`` of them, so the variance loses a factor 32 in rounding at
    the very worst. A quarter of x is taken, so that no difference overflows; where squares do, a unit in which the
    largest difference is about 1.
    """
    count = jnp.asarray(math.prod(x.shape[a] for a in axes), x.dtype)
    count = count if mask is None else jnp.sum(mask, dtype=x.dtype)
    count = count if names is None else jax.lax.psum(count, names)
    share = 1 / jnp.maximum(count, 1)
    # The moments do not depend on the pivot, so neither do their derivatives.
    pivot = _pivot(axes, names, jax.lax.stop_gradient(x), mask, share) / 4

    def careful(x: Array) -> tuple[Array, Array, Array]:
        d = _kept(x / 4 - pivot, mask)
        size = jnp.max(jnp.abs(d), axis=axes, keepdims=True, initial=0)
        unit = jnp.minimum(unit_of(size if names is None else jax.lax.pmax(size, names)), 1)
        d = d * unit
        return unit, _total(axes, names, d * share), _total(axes, names, d * d) * share

    if names is None:
        # Squares rarely overflow, so the largest difference is looked for only once they did.
        d = _kept(x / 4 - pivot, mask)
        unit, offset, second = jnp.ones_like(pivot), _total(axes, None, d) * share, _total(axes, None, d * d) * share
        fits = jnp.all(jnp.isfinite(second)) & jnp.all(jnp.isfinite(offset))
        unit, offset, second = jax.lax.cond(fits, lambda _: (unit, offset, second), careful, x)
    else:
        unit, offset, second = careful(x)
    pivot = pivot * unit
    mean = pivot + offset
    return _Moments(unit / 4, mean, offset - (mean - pivot), jnp.maximum(second - offset * offset, 0), count)


def _pivot(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array, mask: Array | None, share: Array
) -> Array:
    # From one of the numbers on, so that the pivot of a constant is that constant; by halves, which do not overflow.
    if mask is not None:
        base = jnp.max(jnp.where(mask, x, -jnp.inf), axis=axes, keepdims=True, initial=-jnp.inf)
        base = base if names is None else jax.lax.pmax(base, names)
        base = jnp.where(base == -jnp.inf, 0, base)
        return 2 * (base / 2 + _total(axes, names, _kept(x / 2 - base / 2, mask) * share))
    if not axes or 0 in (x.shape[a] for a in axes):
        return jnp.sum(x, axis=axes, keepdims=True)
    part = jax.lax.slice_in_dim(x, 0, -(-x.shape[axes[0]] // _SHARE), axis=axes[0])
    first = part[tuple(slice(0, 1) if a in axes else slice(None) for a in range(x.ndim))]
    size = math.prod(part.shape[a] for a in axes)
    pivot = 2 * (first / 2 + jnp.sum((part / 2 - first / 2) / size, axis=axes, keepdims=True))
    return pivot if names is None else jax.lax.psum(pivot / jax.lax.psum(1, names), names)


def _total(axes: tuple[int, ...], names: str | tuple[str, ...] | None, x: Array) -> Array:
    total = jnp.sum(x, axis=axes, keepdims=True)
    return total if names is None else jax.lax.psum(total, names)


def _deviation(m: _Moments, x: Array, mask: Array | None) -> Array:
    return _kept(x * m.unit - m.mean, mask)


def _inverse(m: _Moments, eps: Array) -> Array:
    return jax.lax.rsqrt(m.var + eps * m.unit * m.unit)


def _statistics(m: _Moments) -> tuple[Array, Array, Array]:
    """``(mean, variance, count)`` in the units of the batch; a variance too large to hold is the largest number."""
    return m.mean / m.unit, saturated(m.var / m.unit / m.unit, m.var), m.number


def _kept(x: Array, mask: Array | None) -> Array:
    """`x` where `mask` holds, 0 elsewhere."""
    return x if mask is None else jnp.where(mask, x, 0)
