"""A loss over pairs of examples, by which scores are trained to rank."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, check_choice
from jaxml.ops.finite import divided, saturated, squared
from jaxml.ops.metrics.ranking.sums import Labels, Weights, class_weights


def pairwise_auc_loss(
    scores: Float[Array, "n"],
    labels: Labels,
    *,
    weights: Weights = None,
    surrogate: Literal["logistic", "hinge", "squared_hinge"] = "logistic",
    margin: Scalar = 1.0,
) -> Float[Array, ""]:
    """Differentiable surrogate of ``1 - roc_auc``: each positive should outscore each negative.

    ``sum_{i pos, j neg} w_i w_j phi(s_i - s_j) / sum_{i pos, j neg} w_i w_j`` with ``phi(d) = log(1 + exp(-d))``,
    ``max(0, margin - d)`` or its square.

    Args:
        scores: higher is more likely positive, shape (n,).
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.
        surrogate: phi; "logistic" is smooth, the hinges stop pulling at the margin.
        margin: of the hinges, > 0; 1 bounds ``1 - roc_auc`` from above.

    Returns:
        One value for the set, since pairs are what it adds up; 0 without a pair.

    Raises:
        ValueError: for shapes that differ, scores that are not floating, or an unknown surrogate.

    Not for large n in one call: time and memory grow as n^2.

    Reference: Gao and Zhou (2015), On the consistency of AUC pairwise optimization, IJCAI, eq. 3.

    >>> loss = lambda s: pairwise_auc_loss(s, jnp.array([1, 1, 0]), surrogate="hinge")
    >>> print(loss(jnp.array([2.0, 0.5, 0.0])), jax.grad(loss)(jnp.array([2.0, 0.5, 0.0])))
    0.25 [ 0.  -0.5  0.5]
    """
    check_choice("pairwise_auc_loss", "surrogate", surrogate, ("logistic", "hinge", "squared_hinge"))
    positive, negative = class_weights("pairwise_auc_loss", scores, labels, weights)
    lead = saturated(scores[:, None] - scores[None, :], scores[:, None], scores[None, :])
    if surrogate == "logistic":
        losses = jax.nn.softplus(-lead)
    else:
        losses = jnp.maximum(0, jnp.asarray(margin, scores.dtype) - lead)
        losses = losses if surrogate == "hinge" else squared(losses)
    # Rows and columns that are no pair are selected away before they can spoil the sums with an infinity.
    paired = (positive > 0)[:, None] & (negative > 0)[None, :]
    losses = jnp.where(paired, losses, 0).astype(positive.dtype)
    # Shares, not weights: the sums on the way to a mean may overflow where the mean does not.
    mean = divided(positive, jnp.sum(positive)) @ losses @ divided(negative, jnp.sum(negative))
    return saturated(mean, losses.max(initial=0))
