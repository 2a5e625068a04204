"""What class losses read of a row of scores, without a one-hot array: one pass each, and one for its derivative.

A derivative made by JAX would scatter into zeros, or keep what the pass made of every score. These compare each class
with the label where it is read instead.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.ops.finite import saturated

__all__ = ["best_of_others", "class_indices", "cross_entropy", "is_class", "log_odds_of_others", "own_score"]

# Scores in a block: 1 MiB in float32.
_BLOCK = 1 << 18


def class_indices(labels: Array) -> Array:
    """Labels in a dtype that holds every class."""
    return labels if labels.dtype.itemsize >= 4 else labels.astype(jnp.int32)


def is_class(labels: Array, classes: int) -> Array:
    """Whether each label is one of the classes."""
    return (labels >= 0) & (labels < classes)


@jax.custom_jvp
def own_score(scores: Array, labels: Array) -> Array:
    """The score of each row's label; any score where that is no class."""
    return jnp.squeeze(jnp.take_along_axis(scores, labels[..., None], axis=-1, mode="clip"), -1)


@own_score.defjvp
def _own_score_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    scores, labels = primals
    return own_score(scores, labels), jnp.sum(jnp.where(_is_own(scores, labels), tangents[0], 0), axis=-1)


def best_of_others(scores: Array, labels: Array) -> Array:
    """The largest score of another class than the label; -inf where there is none."""
    return jnp.max(jnp.where(_is_own(scores, labels), -jnp.inf, scores), axis=-1, initial=-jnp.inf)


@jax.custom_jvp
def cross_entropy(scores: Array, labels: Array) -> Array:
    """``log sum_k exp(score_k) - score_label``, in two passes that leave nothing in memory."""
    largest, powers = _powers(scores)
    own = own_score(scores, labels)
    return jnp.log(jnp.sum(powers, axis=-1)) - saturated(own - largest, own, largest)


@cross_entropy.defjvp
def _cross_entropy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    scores, labels = primals
    powers = _powers(scores)[1]
    shares = powers / jnp.sum(powers, axis=-1, keepdims=True)
    slope = shares - _is_own(scores, labels).astype(shares.dtype)
    return cross_entropy(scores, labels), jnp.sum(slope * tangents[0], axis=-1)


@jax.custom_jvp
def log_odds_of_others(scores: Array, labels: Array) -> Array:
    """``log sum_{k != label} exp(score_k) - score_label``; where no other class has any weight, so low that exp is 0.

    A sum over all classes would be rounded to the label's own power where that has all the weight.
    """
    return _by_blocks(_log_odds_of_others, scores, labels)


@log_odds_of_others.defjvp
def _log_odds_of_others_moved(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    # All at once, since the powers are there for the slope.
    scores, labels = primals
    return jax.jvp(lambda scores: _log_odds_of_others(scores, labels), (scores,), tangents[:1])


@jax.custom_jvp
def _log_odds_of_others(scores: Array, labels: Array) -> Array:
    largest, powers = _powers(scores)
    own = own_score(scores, labels)
    others = jnp.sum(jnp.where(_is_own(scores, labels), 0, powers), axis=-1)
    none = -2 * math.log(float(jnp.finfo(others.dtype).max))
    log = jnp.where(others == 0, none, jnp.log(others))
    return log - saturated(own - largest, own, largest)


def _by_blocks(of_rows: Callable[[Array, Array], Array], scores: Array, labels: Array) -> Array:
    """One number for each row, on a CPU a block of rows at a time.

    XLA hands the sum over a row to a library there, and first writes to memory what that cannot compute itself: a
    comparison with the label, for every score. A block of that stays in a cache.
    """
    rows, classes = math.prod(labels.shape), scores.shape[-1]
    block = max(1, _BLOCK // max(1, classes))
    if rows <= block:
        return of_rows(scores, labels)

    def in_turn(scores: Array, labels: Array) -> Array:
        flat, own = scores.reshape(rows, classes), labels.reshape(rows)

        def add(i: Any, found: Array) -> Array:
            first = i * block  # the last block begins earlier, where it ends with the rows: slices are kept inside
            cut = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=first, slice_size=block)
            return jax.lax.dynamic_update_slice_in_dim(found, of_rows(cut(flat), cut(own)), first, 0)

        turns = -(-rows // block)
        return jax.lax.fori_loop(0, turns, add, jnp.zeros(rows, scores.dtype)).reshape(labels.shape)

    return jax.lax.platform_dependent(scores, labels, cpu=in_turn, default=of_rows)


@_log_odds_of_others.defjvp
def _log_odds_of_others_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    scores, labels = primals
    own = _is_own(scores, labels)
    powers = jnp.where(own, 0, _powers(scores)[1])
    others = jnp.sum(powers, axis=-1, keepdims=True)
    slope = jnp.where(own, -1, powers / jnp.where(others > 0, others, 1))
    return _log_odds_of_others(scores, labels), jnp.sum(slope * tangents[0], axis=-1)


def _powers(scores: Array) -> tuple[Array, Array]:
    """The largest score, a constant under differentiation, and e to all scores less that."""
    largest = jax.lax.stop_gradient(jnp.max(scores, axis=-1, initial=-jnp.inf))
    largest = jnp.where(jnp.isneginf(largest), 0, largest)
    return largest, jnp.exp(scores - largest[..., None])


def _is_own(scores: Array, labels: Array) -> Array:
    return jax.lax.broadcasted_iota(labels.dtype, scores.shape, scores.ndim - 1) == labels[..., None]
