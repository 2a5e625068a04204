"""Two sums over a batch in one pass, and the straight lines that are their transposes.

XLA's CPU compiler gives every sum over rows a pass of its own, and writes to memory what two of them share. Here both
are the parts of one complex number, which it adds up in a single loop. Other platforms, small batches, masks and lanes
of `vmap` take the sums as they are written.

The primitives have one another as derivatives, so what differentiates a normalisation takes single passes too.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from jaxml.ops.once import once

__all__ = ["kept", "moment_sums", "straight_line", "weighted_sums"]

# Numbers in a batch from which on a single pass gains more than it takes to get ready.
_MANY = 1 << 16
# Rows added up together: more take longer to compile, fewer leave more for the sum over what the loop writes.
_TOGETHER = 32


def moment_sums(x: Array, pivot: Array, axes: tuple[int, ...], mask: Array | None) -> tuple[Array, Array]:
    """``sum(x - pivot)`` and ``sum((x - pivot)**2)`` over `axes`, which stay with size 1, where `mask` holds."""
    if _in_one_pass(x, axes, mask):
        return _pair(_moments.bind(x, pivot))
    # A sum that has its deviations for itself subtracts on the fly: x - pivot here, x + (-pivot) there.
    d, again = kept(x - pivot, mask), kept(x + (-pivot), mask)
    return _sum(d, axes), _sum(again * again, axes)


def weighted_sums(
    weight: Array, x: Array, pivot: Array, axes: tuple[int, ...], mask: Array | None
) -> tuple[Array, Array]:
    """``sum(weight)`` and ``sum(weight * (x - pivot))``; `weight` is 0 where `mask` does not hold."""
    if _in_one_pass(x, axes, mask):
        return _pair(_weighted.bind(weight, x, pivot))
    return _sum(weight, axes), _sum(kept(x - pivot, mask) * weight, axes)


def straight_line(
    x: Array, pivot: Array, level: Array, slope: Array, axes: tuple[int, ...], mask: Array | None
) -> Array:
    """``level + slope * (x - pivot)``, the transpose of `weighted_sums` in `level` and `slope`."""
    if _in_one_pass(x, axes, mask):
        return _line.bind(jnp.concatenate(jnp.broadcast_arrays(level, slope)), x, pivot)
    return level + slope * kept(x + (-pivot), mask)


def kept(x: Array, mask: Array | None) -> Array:
    """`x` where `mask` holds, 0 elsewhere."""
    return x if mask is None else jnp.where(mask, x, 0)


def _in_one_pass(x: Array, axes: tuple[int, ...], mask: Array | None) -> bool:
    return mask is None and axes == (0,) and x.ndim == 2 and x.size >= _MANY


def _sum(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.sum(x, axis=axes, keepdims=True)


def _pair(both: Array) -> tuple[Array, Array]:
    return both[:1], both[1:]


def _total(parts: Sequence[Any]) -> Any:
    return functools.reduce(operator.add, parts)


def _plain_moments(x: Any, pivot: Any) -> Any:
    return _plain_weighted(x - pivot, x, pivot)


def _plain_weighted(weight: Any, x: Any, pivot: Any) -> Any:
    return jnp.concatenate([_sum(weight, (0,)), _sum(weight * (x - pivot), (0,))])


def _plain_line(line: Any, x: Any, pivot: Any) -> Any:
    return line[:1] + line[1:] * (x - pivot)


def _moments_on_cpu(x: Any, pivot: Any) -> Any:
    pivot = once(pivot)
    d = [slab - pivot for slab in _slabs(x)]
    return _added_up(d, d) + _plain_moments(_rest(x), pivot)


def _weighted_on_cpu(weight: Any, x: Any, pivot: Any) -> Any:
    pivot = once(pivot)
    return _added_up(_slabs(weight), [slab - pivot for slab in _slabs(x)]) + _plain_weighted(
        _rest(weight), _rest(x), pivot
    )


def _line_on_cpu(line: Any, x: Any, pivot: Any) -> Any:
    return _plain_line(once(line), x, once(pivot))


def _slabs(x: Any) -> list[Any]:
    """Equal pieces of the rows, as far as these can be divided."""
    size = len(x) // _TOGETHER
    return [x[i * size : (i + 1) * size] for i in range(_TOGETHER)]


def _rest(x: Any) -> Any:
    return x[len(x) // _TOGETHER * _TOGETHER :]


def _added_up(weights: Sequence[Any], d: Sequence[Any]) -> Any:
    both = _sum(lax.complex(_total(weights), _total([w * e for w, e in zip(weights, d, strict=True)])), (0,))
    return jnp.concatenate([both.real, both.imag])


def _primitive(name: str, plain: Callable[..., Any], on_cpu: Callable[..., Any], shape: Callable) -> Primitive:
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind))
    primitive.def_abstract_eval(lambda *args: ShapedArray(shape(*args), args[0].dtype))
    mlir.register_lowering(primitive, mlir.lower_fun(plain, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    batching.primitive_batchers[primitive] = lambda args, dims: (jax.vmap(plain, dims)(*args), 0)
    return primitive


_moments = _primitive("moment_sums", _plain_moments, _moments_on_cpu, lambda x, pivot: (2, x.shape[1]))
_weighted = _primitive("weighted_sums", _plain_weighted, _weighted_on_cpu, lambda weight, x, pivot: (2, x.shape[1]))
_line = _primitive("straight_line", _plain_line, _line_on_cpu, lambda line, x, pivot: x.shape)


def _deviation_dot(x: Any, x_dot: Any, pivot_dot: Any) -> Any:
    """The tangent of ``x - pivot``; None where it is zero."""
    parts = [] if type(x_dot) is ad.Zero else [x_dot]
    parts += [] if type(pivot_dot) is ad.Zero else [jnp.broadcast_to(-pivot_dot, x.shape)]
    return _total(parts) if parts else None


def _moments_jvp(primals: Any, tangents: Any) -> Any:
    x, pivot = primals
    both = _weighted.bind(_deviation_dot(x, *tangents), x, pivot)
    return _moments.bind(x, pivot), both * jnp.asarray([[1.0], [2.0]], both.dtype)


def _linear_jvp(primitive: Primitive, by_deviation: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """Of ``primitive(linear, x, pivot)``, linear in its first argument and affine in ``x - pivot``."""
    linear, x, pivot = primals
    terms = [] if type(tangents[0]) is ad.Zero else [primitive.bind(tangents[0], x, pivot)]
    d_dot = _deviation_dot(x, *tangents[1:])
    terms += [] if d_dot is None else [by_deviation(linear, d_dot)]
    return primitive.bind(*primals), _total(terms)


def _weighted_by_deviation(weight: Any, d_dot: Any) -> Any:
    second = _sum(weight * d_dot, (0,))
    return jnp.concatenate([jnp.zeros_like(second), second])


ad.primitive_jvps[_moments] = _moments_jvp
ad.primitive_jvps[_weighted] = functools.partial(_linear_jvp, _weighted, _weighted_by_deviation)
ad.primitive_jvps[_line] = functools.partial(_linear_jvp, _line, lambda line, d_dot: line[1:] * d_dot)
ad.primitive_transposes[_weighted] = lambda ct, weight, x, pivot: (_line.bind(ct, x, pivot), None, None)
ad.primitive_transposes[_line] = lambda ct, line, x, pivot: (_weighted.bind(ct, x, pivot), None, None)
