"""The moments of a batch and the normalisation by them, with a derivative of its own that reads the batch twice."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.ops.finite import saturated, unit_of
from jaxml.ops.once import once

_SHARE = 32
"""The pivot is the mean of one part in so many of the batch."""
_TILE, _UNROLL = 1 << 12, 4
"""Numbers in a tile, 16 KiB in float32, and tiles added in one turn of a loop."""
_MANY = 1 << 16
"""Numbers in a batch from which on tiles gain more than the loop over them costs."""


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
    return _line(m, x, scale, bias, eps, mask), *_statistics(m)


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
    y = _line(m, x, scale, bias, eps, mask)
    # In the units of x from the start: the way back from the smaller ones would overflow before it arrives.
    var_dot = 2 * _total(axes, names, _kept(x_dot, mask) * saturated((d - m.rest) / m.unit, d) / n)
    return (y, mean, var, count), (
        slope * u_dot + a + b * _deviation_again(m, x, mask),
        mean_dot / m.unit,
        var_dot,
        jnp.zeros_like(count),
    )


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
    unit, offset, second = _about(axes, names, x, pivot, mask, share)
    unit = jax.lax.stop_gradient(unit)  # a derivative of 0 would still be divided by the square of the unit
    pivot = pivot * unit
    mean = pivot + offset
    return _Moments(unit / 4, mean, offset - (mean - pivot), jnp.maximum(second - offset * offset, 0), count)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _about(
    axes: tuple[int, ...],
    names: str | tuple[str, ...] | None,
    x: Array,
    pivot: Array,
    mask: Array | None,
    share: Array,
) -> tuple[Array, Array, Array]:
    """A unit, and in it the means of ``x / 4 - pivot`` and of its square."""

    def careful(_: Any) -> tuple[Array, Array, Array, Array]:
        d = _kept(x / 4 - pivot, mask)
        size = jnp.max(jnp.abs(d), axis=axes, keepdims=True, initial=0)
        unit = jnp.minimum(unit_of(size if names is None else jax.lax.pmax(size, names)), 1)
        d = d * unit
        return jnp.asarray(False), unit, _total(axes, names, d * share), _total(axes, names, d * d) * share

    if names is not None:
        return careful(None)[1:]
    offset, second = (total * share for total in _two_sums(axes, x, pivot, mask))
    # Squares rarely overflow, so the largest difference is looked for only once they did. A loop of at most one turn:
    # under `vmap` a condition would compute both of its sides for every lane.
    overflow = ~(jnp.all(jnp.isfinite(second)) & jnp.all(jnp.isfinite(offset)))
    return jax.lax.while_loop(lambda state: state[0], careful, (overflow, jnp.ones_like(pivot), offset, second))[1:]


@_about.defjvp
def _about_jvp(
    axes: tuple[int, ...], names: str | tuple[str, ...] | None, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    x, pivot, mask, share = primals
    unit, offset, second = _about(axes, names, *primals)
    d, x_dot = _kept(x / 4 - pivot, mask) * unit, _kept(tangents[0] / 4, mask) * unit
    moved = _total(axes, names, x_dot * share), 2 * _total(axes, names, x_dot * d * share)
    return (unit, offset, second), (jnp.zeros_like(unit), *moved)


def _two_sums(axes: tuple[int, ...], x: Array, pivot: Array, mask: Array | None) -> tuple[Array, Array]:
    """``sum(d)`` and ``sum(d * d)`` of ``d = x / 4 - pivot``."""

    def plain(x: Array, pivot: Array) -> tuple[Array, Array]:
        d = _kept(x / 4 - pivot, mask)
        return _total(axes, None, d), _total(axes, None, d * d)

    def by_tiles(x: Array, pivot: Array) -> tuple[Array, Array]:
        # XLA's CPU compiler gives each sum a pass of its own and first writes to memory what both of them read. Here
        # tiles of rows are added up number by number, in a cache.
        rows = max(1, _TILE // x.shape[1])
        level, flat = jnp.tile(pivot, (rows, 1)).ravel(), x.ravel()
        turns = x.shape[0] // (rows * _UNROLL)

        def add(i: Any, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            first, second = sums
            for j in range(_UNROLL):
                start = (i * _UNROLL + j) * level.size
                d = jax.lax.dynamic_slice_in_dim(flat, start, level.size) / 4 - level
                first, second = first + d, second + d * d
            return first, second

        sums = jax.lax.fori_loop(0, turns, add, (jnp.zeros_like(level), jnp.zeros_like(level)))
        tiles = (jnp.sum(s.reshape(rows, x.shape[1]), axis=0, keepdims=True) for s in sums)
        left = plain(x[turns * rows * _UNROLL :], pivot)
        return next(tiles) + left[0], next(tiles) + left[1]

    if mask is None and axes == (0,) and x.ndim == 2 and x.size >= _MANY:
        return jax.lax.platform_dependent(x, pivot, cpu=by_tiles, default=plain)
    return plain(x, pivot)


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


def _line(m: _Moments, x: Array, scale: Array, bias: Array, eps: Array, mask: Array | None) -> Array:
    """``scale (x - mean) / sqrt(var + eps) + bias``."""
    slope = _inverse(m, eps) * scale
    level, slope = once(jnp.stack(jnp.broadcast_arrays(bias - m.rest * slope, slope)))
    return saturated(level + slope * _deviation(m, x, mask), scale, bias)


def _deviation(m: _Moments, x: Array, mask: Array | None) -> Array:
    unit, mean = once(jnp.stack([m.unit, m.mean]))
    return _kept(x * unit - mean, mask)


def _deviation_again(m: _Moments, x: Array, mask: Array | None) -> Array:
    """The same, which XLA cannot know: what a sum and a product share it would first write to memory."""
    unit, mean = once(jnp.stack([m.unit, -m.mean]))
    return _kept(x * unit + mean, mask)


def _inverse(m: _Moments, eps: Array) -> Array:
    return jax.lax.rsqrt(m.var + eps * m.unit * m.unit)


def _statistics(m: _Moments) -> tuple[Array, Array, Array]:
    """``(mean, variance, count)`` in the units of the batch; a variance too large to hold is the largest number."""
    return m.mean / m.unit, saturated(m.var / m.unit / m.unit, m.var), m.number


def _kept(x: Array, mask: Array | None) -> Array:
    """`x` where `mask` holds, 0 elsewhere."""
    return x if mask is None else jnp.where(mask, x, 0)
