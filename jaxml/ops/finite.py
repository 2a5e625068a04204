"""Arithmetic that stays finite for finite numbers, in values and in derivatives: see `jaxml.ops` for the rule.

A derivative is a chain of products, and one factor too large for its dtype spoils the chain even where the product is
moderate. So each function here has a derivative whose factors are themselves such functions.
"""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.ops import primitives

__all__ = [
    "bounded",
    "divided",
    "euclidean_norm",
    "hypotenuse",
    "moderate",
    "narrowed",
    "root",
    "saturated",
    "squared",
    "total",
    "unit_of",
    "widened",
]


def saturated(y: Array, *given: Array) -> Array:
    """`y`, but the largest finite number of its sign where it overflowed although everything `given` was finite.

    The derivative is that of `y`: an optimiser is still told where to go.

    >>> x = jnp.array([3e38, jnp.inf])
    >>> saturated(2 * x, x)
    Array([3.4028235e+38,           inf], dtype=float32)
    """
    return bounded(y, float(jnp.finfo(y.dtype).max), *given)


def bounded(y: Array, most: float, *given: Array) -> Array:
    """As `saturated`, with another largest number than that of the dtype."""
    return _cut(y, functools.reduce(operator.and_, map(jnp.isfinite, given)), most)


def narrowed(y: Array, like: Any) -> Array:
    """`y` in the dtype of `like`, saturated where that holds less than the dtype of `y`."""
    if y.dtype == like.dtype:
        return y
    return _cut(y, jnp.isfinite(y), min(float(jnp.finfo(d).max) for d in (like.dtype, y.dtype))).astype(like.dtype)


def widened(x: Array, dtype: Any) -> Array:
    """`x` in a dtype that holds more; on the way back a derivative is saturated where its own dtype holds less."""
    return x if x.dtype == dtype else _widen(x, dtype=jnp.dtype(dtype))


def _astype(x: Array, dtype: Any) -> Array:
    return x.astype(dtype)


_widen = primitives.elementwise(
    "widened",
    _astype,
    lambda cotangent, x, dtype: narrowed(cotangent, x),
    dtype=lambda x, dtype: dtype,
    static=("dtype",),
)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _cut(y: Array, finite: Array, most: float) -> Array:
    largest = jnp.asarray(most, y.dtype)
    return jnp.where(finite, jnp.clip(y, -largest, largest), y)


@_cut.defjvp
def _cut_jvp(most: float, primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    return _cut(*primals, most), tangents[0]


def total(x: Array, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Array:
    """The sum of `x` over `axis`, saturated."""
    finite = jnp.all(jnp.isfinite(x), axis=axis, keepdims=keepdims)
    return _cut(jnp.sum(x, axis=axis, keepdims=keepdims), finite, float(jnp.finfo(x.dtype).max))


def unit_of(size: Array) -> Array:
    """The power of two that brings numbers up to `size` to about 1 when multiplied; 1 for 0, without derivatives."""
    limits = jnp.finfo(size.dtype)
    whole = jnp.dtype(f"uint{limits.bits}")
    bits = jax.lax.bitcast_convert_type(jax.lax.stop_gradient(size), whole)
    mantissa = jnp.asarray(limits.nmant, whole)
    power = jax.lax.bitcast_convert_type(bits >> mantissa << mantissa, size.dtype)
    edge = 2.0 ** (limits.maxexp - 4)
    return jnp.where(size > 0, 1 / jnp.clip(power, 1 / edge, edge), 1).astype(size.dtype)


def moderate(weights: Array) -> Array:
    """Weights of which only ratios matter, in units in which their sums and products neither overflow nor vanish."""
    return weights * (2.0**20 * unit_of(jnp.max(weights, initial=0)))


def root(x: Array) -> Array:
    """Square root whose derivatives at 0 are 0 instead of infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def euclidean_norm(x: Array, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Array:
    """``sqrt(sum(x^2))`` over `axis`, saturated; where all are 0 its derivatives are 0."""
    norm = _euclidean_norm(x, axis)
    return norm if keepdims else jnp.squeeze(norm, axis)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _euclidean_norm(x: Array, axis: int | tuple[int, ...] | None) -> Array:
    unit = unit_of(jnp.max(jnp.abs(x), axis=axis, keepdims=True, initial=0))
    norm = jnp.sqrt(jnp.sum(jnp.square(x * unit), axis=axis, keepdims=True))
    return saturated(norm / unit, norm)


@_euclidean_norm.defjvp
def _euclidean_norm_jvp(axis: Any, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    norm = _euclidean_norm(*primals, axis)
    return norm, jnp.sum(divided(primals[0], norm) * tangents[0], axis=axis, keepdims=True)


@jax.custom_jvp
def squared(x: Array) -> Array:
    """``x^2`` and its derivative ``2 x``, each saturated."""
    return saturated(x * x, x)


@squared.defjvp
def _squared_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (x_dot,) = primals, tangents
    return squared(x), saturated(2 * x, x) * x_dot


def divided(x: Array, y: Array) -> Array:
    """``x / y``, saturated; 0 without derivatives where `y` is 0."""
    return _over_power(x, y, 1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _over_power(x: Array, y: Array, power: int) -> Array:
    """``x / y**power``. No power of `y` is formed, which would vanish, nor a product of derivatives."""
    here = y != 0
    # XLA may multiply by 1 / y instead, which is 0 for the largest numbers.
    unit = jnp.where(jnp.abs(y) > 2.0 ** (jnp.finfo(y.dtype).maxexp - 8), 2.0**-8, 1).astype(y.dtype)
    divisor, ratio = jnp.where(here, y * unit, 1), jnp.where(here, x, 0)
    for _ in range(power):
        ratio = saturated(ratio * unit / divisor, x, y)
    return ratio


@_over_power.defjvp
def _over_power_jvp(power: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (x, y), (x_dot, y_dot) = primals, tangents
    slope = _over_power(x, y, power + 1)
    by_x = _over_power(jnp.ones_like(y), y, power) * x_dot
    return _over_power(x, y, power), by_x - saturated(power * slope, slope) * y_dot


@jax.custom_jvp
def hypotenuse(x: Array, y: Array) -> Array:
    """``sqrt(x^2 + y^2)``, saturated; at the origin its derivatives are 0."""
    unit = unit_of(jnp.maximum(jnp.abs(x), jnp.abs(y)))
    return saturated(jnp.sqrt((x * unit) ** 2 + (y * unit) ** 2) / unit, x, y)


@hypotenuse.defjvp
def _hypotenuse_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    cosine, sine = _direction(*primals)
    return hypotenuse(*primals), cosine * tangents[0] + sine * tangents[1]


@jax.custom_jvp
def _direction(x: Array, y: Array) -> tuple[Array, Array]:
    radius = hypotenuse(x, y)
    return divided(x, radius), divided(y, radius)


@_direction.defjvp
def _direction_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple:
    # Not 1 - cosine^2, which cancels far out.
    cosine, sine = _direction(*primals)
    turn = divided(jnp.ones_like(cosine), hypotenuse(*primals)) * (cosine * tangents[1] - sine * tangents[0])
    return (cosine, sine), (-sine * turn, cosine * turn)
