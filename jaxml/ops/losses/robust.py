"""The robust losses of `regression` as functions of a residual, with derivatives that stay finite far out."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array

from jaxml.ops.finite import divided, saturated, squared

__all__ = ["biweight", "robust"]


@jax.custom_jvp
def biweight(r: Array, c: Array) -> Array:
    t, u = _bounded(r, c)
    # c^2/6 (1 - (1 - u)^3), without cancellation for small u and without the square of a large c.
    return saturated(t * t * (3 - 3 * u + u * u) / 6, r, c)


@biweight.defjvp
def _biweight_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    t, u = _bounded(*primals)
    by_residual = t * (1 - u) ** 2
    by_c = t * divided(t, primals[1]) * u * (3 - 2 * u) / 3
    return biweight(*primals), by_residual * tangents[0] + by_c * tangents[1]


def _bounded(r: Array, c: Array) -> tuple[Array, Array]:
    """The residual up to `c`, and its square in units of `c`."""
    t = jnp.clip(r, -c, c)
    return t, jnp.square(divided(t, c))


@jax.custom_jvp
def robust(r: Array, scale: Array, alpha: Array) -> Array:
    return _loss(divided(r, scale), alpha)


def _robust_jvp(primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    r, scale, alpha = primals
    ratio, share = divided(r, scale), divided(jnp.ones_like(scale), scale)
    # The weight in halves, since it may vanish where the slope does not.
    weight = jnp.exp(_log_weight(ratio, alpha) / 2)
    slope = saturated(ratio * weight * weight * share, r)
    change = jnp.zeros_like(r)
    if not isinstance(tangents[0], SymbolicZero):
        change += slope * tangents[0]
    if not isinstance(tangents[1], SymbolicZero):
        change -= saturated(slope * ratio, r) * tangents[1]
    if not isinstance(tangents[2], SymbolicZero):
        one = jnp.ones_like(alpha)
        change += jax.jvp(lambda alpha: _loss(ratio, alpha, bounded=True), (alpha,), (one,))[1] * tangents[2]
    return robust(*primals), change


robust.defjvp(_robust_jvp, symbolic_zeros=True)


def _special(alpha: Array) -> tuple[Array, Array, Array, Array]:
    """Whether `alpha` is 2, whether it is -inf, itself where it is neither, and its distance from 2."""
    quadratic, welsch = jnp.abs(alpha - 2) < 4 * jnp.finfo(alpha.dtype).eps, jnp.isneginf(alpha)
    a = jnp.where(quadratic | welsch, 1, alpha)
    return quadratic, welsch, a, jnp.abs(a - 2)


def _loss(ratio: Array, alpha: Array, *, bounded: bool = False) -> Array:
    """`bounded` where only the derivative is wanted, whose terms would overflow one by one."""
    quadratic, welsch, a, b = _special(alpha)
    log = _half_log(divided(ratio, jnp.sqrt(b)))
    y = a * log
    if bounded:
        y = jnp.minimum(y, math.log(float(jnp.finfo(y.dtype).max)) - 8)
    # b/alpha (exp(y) - 1) with y = alpha log is b log (expm1(y)/y), regular at alpha = 0. Large powers come in halves:
    # the power may overflow where the loss does not.
    large = y > 1
    power = jnp.exp(jnp.where(large, y, 0) / 2)
    factor = b / jnp.where(large, a, 1)
    general = jnp.where(large, factor * power * power - factor, b * log * _expm1_ratio(jnp.where(large, 0, y)))
    half = ratio * (ratio / 2)
    return saturated(jnp.where(quadratic, half, jnp.where(welsch, -jnp.expm1(-half), general)), ratio)


def _log_weight(ratio: Array, alpha: Array) -> Array:
    """Logarithm of the slope in units of that of a square, ``((r/scale)^2/b + 1)^(alpha/2 - 1)``."""
    quadratic, welsch, a, b = _special(alpha)
    general = (a - 2) * _half_log(divided(ratio, jnp.sqrt(b)))
    return jnp.where(quadratic, 0, jnp.where(welsch, -squared(ratio) / 2, general))


@jax.custom_jvp
def _half_log(p: Array) -> Array:
    """``log(1 + p^2) / 2``, without the square of a large `p`."""
    far = jnp.abs(p) > 1
    near, large = jnp.where(far, 0, p), jnp.where(far, jnp.abs(p), 1)
    return jnp.where(far, jnp.log(large) + jnp.log1p(jnp.square(1 / large)) / 2, jnp.log1p(near * near) / 2)


@_half_log.defjvp
def _half_log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    far = jnp.abs(primals[0]) > 1
    near, large = jnp.where(far, 0, primals[0]), jnp.where(far, primals[0], 1)
    inverse = divided(jnp.ones_like(large), large)
    slope = jnp.where(far, inverse / (1 + inverse * inverse), near / (1 + near * near))
    return _half_log(*primals), slope * tangents[0]


def _expm1_ratio(y: Array) -> Array:
    """``expm1(y) / y``, with its derivatives through 0."""
    small = jnp.abs(y) < 0.03
    series = jnp.polyval(
        jnp.asarray([1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1], y.dtype), jnp.where(small, y, 0)
    )
    away = jnp.where(small, 1, y)
    return jnp.where(small, series, jnp.expm1(away) / away)
