"""Metrics of predicted probabilities: are they right on average, and as sure as they should be.

Probabilities have shape (n,), of the positive class, or (n, c), rows that sum to 1; labels are 0/1 or class indices
of shape (n,). Each returns one weighted mean over the set, NaN for zero total weight.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxml.ops.checks import check_choice, check_floating, check_shapes
from jaxml.ops.finite import divided, moderate, root, squared, total, unit_of

__all__ = ["brier_loss", "calibration_error", "log_loss"]

Probabilities = Float[Array, "n"] | Float[Array, "n c"]
Labels = Int[Array, "m"] | Bool[Array, "m"]
Weights = Float[Array, "k"] | None


def log_loss(probabilities: Probabilities, labels: Labels, *, weights: Weights = None) -> Float[Array, ""]:
    """Mean negative log-probability of what happened.

    ``-sum_i w_i log p_i[label_i] / sum_i w_i``.

    Args:
        probabilities: shape (n,) or (n, c); clipped to [eps, 1 - eps] of their dtype, so that a certain mistake is
            finite, if large.
        labels: shape (n,); an index outside ``0..c-1`` costs 0.
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        The mean; >= 0, lower is better.

    Raises:
        ValueError: for shapes that do not fit or probabilities that are not floating.

    Not for training, where probabilities near 0 and 1 have lost their digits: use `sigmoid_cross_entropy` or
    `softmax_cross_entropy` on logits.

    Reference: Good (1952), Rational Decisions, JRSS B 14.

    >>> print(f"{log_loss(jnp.array([0.5, 0.9]), jnp.array([0, 1])):.4f}")
    0.3993
    """
    table, chosen, weights = _table("log_loss", probabilities, labels, weights)
    eps = jnp.finfo(table.dtype).eps
    losses = -jnp.sum(jnp.where(chosen, jnp.log(jnp.clip(table, eps, 1 - eps)), 0), axis=1)
    return _mean(losses, weights)


def brier_loss(probabilities: Probabilities, labels: Labels, *, weights: Weights = None) -> Float[Array, ""]:
    """Mean squared error of probabilities.

    ``(p_i - label_i)^2`` for two classes given as (n,), ``sum_c (p_ic - [label_i = c])^2`` for (n, c).

    Args:
        probabilities: shape (n,) or (n, c).
        labels: shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        The mean, in [0, 1] for (n,) and [0, 2] for (n, c); lower is better.

    Raises:
        ValueError: for shapes that do not fit or probabilities that are not floating.

    Not halved for (n, 2), which so gives twice the value of its column 1 as (n,).

    Reference: Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review
    78, eq. 2.

    >>> print(brier_loss(jnp.array([0.5, 0.75]), jnp.array([0, 1])))
    0.15625
    """
    table, chosen, weights = _table("brier_loss", probabilities, labels, weights)
    squares = total(squared(table - chosen.astype(table.dtype)), 1)
    return _mean(squares if probabilities.ndim == 2 else squares / 2, weights)


def calibration_error(
    probabilities: Float[Array, "n"],
    labels: Labels,
    *,
    weights: Weights = None,
    num_bins: int = 15,
    norm: Literal["l1", "l2", "max"] = "l1",
) -> Float[Array, ""]:
    """How far predicted probabilities are from observed frequencies, over equal bins of probability.

    ``sum_b share_b |mean label in b - mean probability in b|`` for "l1"; the root of the mean square for "l2"; the
    largest gap for "max".

    Args:
        probabilities: of the positive class, shape (n,). For many classes pass the largest probability of each row, and
            as labels whether that class was right.
        labels: 0 or 1, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.
        num_bins: number of bins ``(b/num_bins, (b + 1)/num_bins]``; 0 belongs to the first.
        norm: how the gaps are summarised.

    Returns:
        In [0, 1]; lower is better.

    Raises:
        ValueError: for shapes that do not fit, no bin, or an unknown norm.

    Not a proper score, and biased upwards by small bins: constant probabilities at the base rate have none.

    Reference: Guo et al. (2017), On Calibration of Modern Neural Networks, ICML, eqs. 3 and 5.

    >>> print(calibration_error(jnp.array([0.75, 0.75, 0.25, 0.25]), jnp.array([1, 1, 0, 1]), num_bins=2))
    0.25
    """
    check_choice("calibration_error", "norm", norm, ("l1", "l2", "max"))
    check_shapes("calibration_error", probabilities=(probabilities, "n"))
    if num_bins < 1:
        raise ValueError(f"calibration_error: 'num_bins' must be at least 1, got {num_bins}.")
    table, chosen, weights = _table("calibration_error", probabilities, labels, weights)
    p, y = table[:, 1], chosen[:, 1].astype(table.dtype)
    # Compared with the edges, rounded as the probabilities are: a product with the number of bins is rounded again, and
    # puts 7/13 above the edge that it is.
    edges = jnp.asarray(np.arange(1, num_bins) / num_bins, jnp.result_type(probabilities)).astype(p.dtype)
    bins = jnp.sum(p[:, None] > edges[None], axis=1, dtype=jnp.int32)
    member = jax.nn.one_hot(bins, num_bins, dtype=p.dtype)
    shares = divided(weights, jnp.sum(weights))
    gaps = jnp.abs(jnp.matmul(shares * (y - p), member, precision="highest"))
    mass = jnp.matmul(shares, member, precision="highest")
    means = divided(gaps, mass)
    if norm == "l1":
        error = total(gaps)
    elif norm == "max":
        error = jnp.max(means)
    else:
        unit = unit_of(jnp.max(means, initial=0))
        error = root(jnp.sum(mass * jnp.square(means * unit))) / unit
    return jnp.where(jnp.sum(weights) > 0, error, jnp.nan)


def _table(where: str, probabilities: Array, labels: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Probabilities as (n, c), whether each is that of the label, and the weights."""
    check_floating(where, probabilities=probabilities)
    dtype = jnp.float64 if probabilities.dtype == jnp.float64 else jnp.float32
    weights = jnp.ones(labels.shape, dtype) if weights is None else moderate(weights.astype(dtype))
    pattern = "n" if probabilities.ndim == 1 else "n c"
    check_shapes(where, probabilities=(probabilities, pattern), labels=(labels, "n"), weights=(weights, "n"))
    p = probabilities.astype(dtype)
    table = jnp.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    return table, jax.nn.one_hot(labels.astype(jnp.int32), table.shape[1], dtype=bool), weights


def _mean(values: Array, weights: Array) -> Array:
    weight = jnp.sum(weights)
    # Shares, not weights: the sum on the way to a mean may overflow where the mean does not.
    mean = total(jnp.where(weights > 0, divided(weights, weight) * values, 0))
    return jnp.where(weight > 0, mean, jnp.nan)
