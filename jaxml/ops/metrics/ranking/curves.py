"""Curves over the thresholds of a score, and the average precision."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.finite import divided
from jaxml.ops.metrics.ranking.sums import Labels, Weights, cumulated, from_zero


class RocCurve(NamedTuple):
    """Points of the receiver operating characteristic, thresholds falling from +inf.

    See also: `roc_curve`.
    """

    false_positive_rate: Float[Array, "..."]
    true_positive_rate: Float[Array, "..."]
    thresholds: Float[Array, "..."]


class PrecisionRecallCurve(NamedTuple):
    """Points of precision over recall, thresholds falling from +inf.

    See also: `precision_recall_curve`.
    """

    precision: Float[Array, "..."]
    recall: Float[Array, "..."]
    thresholds: Float[Array, "..."]


def roc_curve(scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None) -> RocCurve:
    """True against false positive rate at every threshold.

    ``tpr(t) = weight of positives with score >= t / weight of positives``, and so for the negatives.

    Args:
        scores: higher is more likely positive, shape (n,); infinite scores are allowed, NaN is not.
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        n + 1 points from (0, 0) to (1, 1). Tied scores repeat the point that all of them reach together. The rates of
        a class without weight are NaN.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not thinned: scikit-learn's ``drop_intermediate`` would make the shape depend on the values.

    Reference: Fawcett (2006), An introduction to ROC analysis, Pattern Recognition Letters 27, algorithm 1.

    >>> curve = roc_curve(jnp.array([0.9, 0.4, 0.4, 0.1]), jnp.array([1, 1, 0, 0]))
    >>> print(curve.true_positive_rate, curve.false_positive_rate)
    [0.  0.5 1.  1.  1. ] [0.  0.  0.5 0.5 1. ]
    """
    positive, negative, ordered, tp, fp = cumulated("roc_curve", scores, labels, weights)
    return RocCurve(
        from_zero(fp) / jnp.sum(negative),
        from_zero(tp) / jnp.sum(positive),
        jnp.concatenate([jnp.full(1, jnp.inf, ordered.dtype), ordered]),
    )


def precision_recall_curve(
    scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None
) -> PrecisionRecallCurve:
    """Precision and recall at every threshold.

    ``precision(t) = TP(t) / (TP(t) + FP(t))``, ``recall(t) = TP(t) / P``, counting the weight of scores >= t.

    Args:
        scores: higher is more likely positive, shape (n,).
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        n + 1 points from (precision 1, recall 0), the threshold falling: scikit-learn's arrays in reverse. Ties repeat
        a point. Precision is 1 where nothing is predicted; recall is NaN without positives.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not to be interpolated linearly: see `average_precision` for the area.

    Reference: Davis and Goadrich (2006), The relationship between precision-recall and ROC curves, ICML.

    >>> curve = precision_recall_curve(jnp.array([0.9, 0.5, 0.4, 0.1]), jnp.array([1, 0, 0, 1]))
    >>> print(curve.precision[:3], curve.recall)
    [1.  1.  0.5] [0.  0.5 0.5 0.5 1. ]
    """
    positive, _, ordered, tp, fp = cumulated("precision_recall_curve", scores, labels, weights)
    precision = _precision(tp, fp)
    return PrecisionRecallCurve(
        jnp.concatenate([jnp.ones(1, precision.dtype), precision]),
        from_zero(tp) / jnp.sum(positive),
        jnp.concatenate([jnp.full(1, jnp.inf, ordered.dtype), ordered]),
    )


def average_precision(scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None) -> Float[Array, ""]:
    """Mean over the positives of the precision at which each is retrieved.

    ``sum_k (recall_k - recall_{k-1}) precision_k`` over the distinct thresholds.

    Args:
        scores: higher is more likely positive, shape (n,).
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        In (0, 1]; constant scores give the share of positives. NaN without positives, where scikit-learn warns and
        gives 0.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not the interpolated average precision of the PASCAL VOC or COCO detection benchmarks.

    Reference: Su, Yuan and Zhu (2015), A relationship between the average precision and the area under the ROC curve,
    ICTIR, eq. 2.

    >>> print(f"{average_precision(jnp.array([0.9, 0.5, 0.4, 0.1]), jnp.array([1, 0, 1, 0])):.4f}")
    0.8333
    """
    positive, _, _, tp, fp = cumulated("average_precision", scores, labels, weights)
    weight = jnp.sum(positive)
    return jnp.where(weight > 0, divided(jnp.sum(positive * _precision(tp, fp)), weight), jnp.nan)


def _precision(tp: Array, fp: Array) -> Array:
    predicted = tp + fp
    return jnp.where(predicted > 0, divided(tp, predicted), 1)
