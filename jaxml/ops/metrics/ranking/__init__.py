"""Metrics of a ranking by scores: how far positives stand above negatives.

Scores and labels are vectors of one data set; many score vectors are compared by `jax.vmap`. Shapes are static: a
curve has one point per example and one more, ties repeat a point. Weights may be zero, which is how an example is
masked out, and all metrics are differentiable in them. In the scores every ranking metric is piecewise constant,
with derivative 0: train on `pairwise_auc_loss`. Labels are true or non-zero for a positive.
"""

from jaxml.ops.metrics.ranking.area import multiclass_roc_auc, roc_auc
from jaxml.ops.metrics.ranking.curves import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision,
    precision_recall_curve,
    roc_curve,
)
from jaxml.ops.metrics.ranking.pairs import pairwise_auc_loss

__all__ = [
    "PrecisionRecallCurve",
    "RocCurve",
    "average_precision",
    "multiclass_roc_auc",
    "pairwise_auc_loss",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
]
