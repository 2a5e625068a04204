"""Shapes made into lanes: depth, width and number of examples as traced numbers, computed at their largest.

A network of 3 layers and one of 64 are different programs; a network of 64 layers that skips the last 61 is one
program whose depth is a number, so ``depth: Traced[int]`` sweeps over it without compiling again. The price is the
work of the largest; each function equals its unpadded form, gradients included.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num, Shaped

from jaxml.ops.checks import Scalar, check_shapes

Carry = TypeVar("Carry")


def gated_scan(layer: Callable[[Carry, Any], Carry], carry: Carry, layers: Any, *, depth: Scalar) -> Carry:
    """Apply the first `depth` of a stack of layers, ``layer(... layer(carry, layers[0]) ..., layers[depth - 1])``.

    Args:
        layer: one layer, ``(carry, parameters) -> carry`` of the same shapes and dtypes.
        carry: what flows through.
        layers: pytree of parameters, each leaf with a leading axis of the largest depth.
        depth: how many to apply, 0 to the largest; may be traced.

    Returns:
        The carry after `depth` layers. Parameters of layers beyond it get a gradient of zero.

    Note: not faster for shallow lanes: all layers are computed and the last ones thrown away.

    >>> weights = jnp.asarray([2.0, 3.0, 5.0])
    >>> [float(gated_scan(lambda x, w: x * w, jnp.asarray(1.0), weights, depth=d)) for d in range(4)]
    [1.0, 2.0, 6.0, 30.0]
    """

    def step(state: Carry, numbered: tuple[Array, Any]) -> tuple[Carry, None]:
        number, parameters = numbered
        after = layer(state, parameters)
        return jax.tree.map(lambda new, old: jnp.where(number < depth, new, old), after, state), None

    largest = jax.tree.leaves(layers)[0].shape[0]
    return jax.lax.scan(step, carry, (jnp.arange(largest), layers))[0]


def width_mask(largest: int, *, width: Scalar) -> Float[Array, " largest"]:
    """Ones for the first `width` units, zeros after: multiply it into the output of a hidden layer.

    A masked unit sends nothing on and gets no gradient, so its weights stay as they were initialised and the network
    equals one of `width` units. Scale initial weights by ``width``, not by `largest`.

    Args:
        largest: units computed.
        width: units that count, 0 to `largest`; may be traced.

    >>> width_mask(4, width=2)
    Array([1., 1., 0., 0.], dtype=float32)
    """
    return (jnp.arange(largest) < width).astype(jnp.result_type(float))


def masked_mean(values: Num[Array, " n *rest"], *, count: Scalar) -> Num[Array, " *rest"]:
    """The mean of the first `count` rows, ``sum(values[:count]) / count``: a loss over a training set of `count`.

    Args:
        values: per-example values, shape (n, ...).
        count: examples that count, 1 to n; may be traced. Rows beyond it may hold anything, NaN included.

    >>> masked_mean(jnp.asarray([1.0, 3.0, jnp.nan]), count=2)
    Array(2., dtype=float32)
    """
    kept = first_rows(values, count=count)
    return kept.sum(axis=0) / jnp.asarray(count).astype(kept.dtype)


def first_rows(values: Shaped[Array, " n *rest"], *, count: Scalar) -> Shaped[Array, " n *rest"]:
    """Zero in place of every row after the first `count`; no gradient and no NaN comes from those.

    Args:
        values: rows, shape (n, ...).
        count: rows that count, 0 to n; may be traced.

    Raises:
        ValueError: when `values` has no rows' axis.

    >>> first_rows(jnp.asarray([5.0, 6.0, 7.0]), count=1)
    Array([5., 0., 0.], dtype=float32)
    """
    check_shapes("first_rows", hint="Add an axis of rows.", values=(values, "... n"))
    inside = (jnp.arange(values.shape[0]) < count).reshape(-1, *[1] * (values.ndim - 1))
    return jnp.where(inside, values, jnp.zeros_like(values))
