"""Arithmetic whose result a compiler may not round differently from call to call.

XLA's CPU compiler turns a division by a number that a whole array shares into a product with its reciprocal, which is
off by one rounding, and leaves a division of single elements alone: one box would then be pooled unlike two. What a
floor or a comparison hangs on is computed by these instead, or by whole numbers.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxml.ops.once import once

__all__ = ["ceil_quotient", "midpoint", "power_of_two", "quotient", "round_half_away", "share_edges"]


def quotient(numerator: Any, denominator: Any) -> Any:
    """The quotient by a whole number of up to 12 bits; exact where it is a float, and its numerator was not rounded.

    One step of Newton's method mends what a rounded reciprocal leaves. The first quotient goes in two halves, of which
    each has an exact product with the denominator (Dekker 1971). The compiler must not know the denominator, or it
    would work out that dividing by it and multiplying again does nothing.
    """
    denominator = once(jnp.asarray(denominator, numerator.dtype))
    first = numerator / denominator
    fixed = lax.stop_gradient(first)
    long = fixed * (1 + 2.0 ** (jnp.finfo(fixed.dtype).nmant // 2 + 1))
    high = long - (long - fixed)
    rest = (lax.stop_gradient(numerator) - high * denominator) - (fixed - high) * denominator
    return first + jnp.where(jnp.isfinite(rest), rest, 0) / denominator


def ceil_quotient(numerator: Any, denominator: int) -> Any:
    """The smallest whole number c with `c * denominator >= numerator`, as a float without a derivative."""
    numerator = lax.stop_gradient(numerator)
    near = jnp.ceil(numerator / denominator)
    near = jnp.where((near - 1) * denominator >= numerator, near - 1, near)
    return jnp.where(near * denominator < numerator, near + 1, near)


def share_edges(side: Any, parts: int) -> tuple[Any, Any]:
    """Start `floor(p side / parts)` and end `ceil((p + 1) side / parts)` of each part, by whole numbers: [..., parts].

    The side, at least 0, may be any integer: no product exceeds it, or the square of `parts`.
    """
    whole, rest = (side // parts)[..., None], (side % parts)[..., None]
    p = jnp.arange(parts, dtype=side.dtype).reshape(*(1,) * side.ndim, parts)
    return p * whole + p * rest // parts, (p + 1) * whole - -(p + 1) * rest // parts


def round_half_away(x: Any) -> Any:
    """The nearest whole number, halves away from zero, as C's `round`.

    Not `floor(|x| + 0.5)`: that sum is rounded itself, for the float below 0.5 and for those above 2^23.
    """
    size = jnp.abs(x)
    below = jnp.floor(size)
    return jnp.sign(x) * jnp.where(size - below >= 0.5, below + 1, below)


def midpoint(low: Any, high: Any) -> Any:
    """The number halfway, without overflow; a compiler may turn `a / 2 + b / 2` into `(a + b) / 2`, which overflows."""
    total = low + high
    overflows = jnp.isfinite(low) & jnp.isfinite(high) & ~jnp.isfinite(total)
    return jnp.where(overflows, low + (high - low) / 2, total / 2)


def power_of_two(length: Any) -> Any:
    """The reciprocal of the largest power of two up to a positive length: a unit that scales without rounding."""
    info = jnp.finfo(length.dtype)
    whole = jnp.dtype(f"uint{info.bits}")
    field = lax.bitcast_convert_type(length, whole) >> info.nmant
    bias = (1 << (info.nexp - 1)) - 1
    # The exponent field of the reciprocal; from 2^127 on (in float32) the smallest normal number will do.
    inverse = jnp.maximum(2 * bias - jnp.minimum(field.astype(jnp.int32), 2 * bias), 1).astype(whole)
    return lax.bitcast_convert_type(inverse << info.nmant, length.dtype)
