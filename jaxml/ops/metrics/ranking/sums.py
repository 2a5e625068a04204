"""What the rankings share: weights of the two classes by falling score, and their sums up to each threshold."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxml.ops.checks import check_floating, check_shapes
from jaxml.ops.finite import moderate
from jaxml.ops.metrics.order import falling_order

Labels = Bool[Array, "m"] | Int[Array, "m"]
Weights = Float[Array, "k"] | None


def class_weights(where: str, scores: Array, labels: Array, weights: Array | None) -> tuple[Array, Array]:
    """Each example's weight as a positive and as a negative."""
    check_floating(where, scores=scores)
    dtype = jnp.float64 if scores.dtype == jnp.float64 else jnp.float32
    weights = jnp.ones(scores.shape, dtype) if weights is None else moderate(weights.astype(dtype))
    check_shapes(where, scores=(scores, "n"), labels=(labels, "n"), weights=(weights, "n"))
    is_positive = labels.astype(bool)
    return jnp.where(is_positive, weights, 0), jnp.where(is_positive, 0, weights)


def by_falling_score(
    where: str, scores: Array, labels: Array, weights: Array | None
) -> tuple[Array, Array, Array, Array]:
    """By falling score: weights as positive and as negative, where groups of tied scores start, and the order."""
    positive, negative = class_weights(where, scores, labels, weights)
    order, starts = falling_order(scores, labels.astype(bool))
    # One gather of the signed weight serves both classes.
    signed = (positive - negative).at[order].get(mode="promise_in_bounds")
    return jnp.maximum(signed, 0), jnp.maximum(-signed, 0), starts, order


def cumulated(
    where: str, scores: Array, labels: Array, weights: Array | None
) -> tuple[Array, Array, Array, Array, Array]:
    """``(positive, negative, scores, TP, FP)`` by falling score; the sums run to the end of each group of ties."""
    positive, negative, starts, order = by_falling_score(where, scores, labels, weights)
    ends = jnp.concatenate([starts[1:], jnp.ones(min(1, starts.size), bool)])

    def to_end(rising: Array) -> Array:
        return jax.lax.cummin(jnp.where(ends, rising, jnp.inf), reverse=True)

    return positive, negative, scores[order], to_end(jnp.cumsum(positive)), to_end(jnp.cumsum(negative))


def from_zero(x: Array) -> Array:
    return jnp.concatenate([jnp.zeros(1, x.dtype), x])
