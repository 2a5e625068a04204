"""Metrics with static shapes: each is one value (or curve) of one data set, and vmaps over thousands of them."""

from jaxml.ops.metrics.classes import accuracy, confusion_counts, f1_score
from jaxml.ops.metrics.probability import brier_loss, calibration_error, log_loss
from jaxml.ops.metrics.ranking import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision,
    multiclass_roc_auc,
    pairwise_auc_loss,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)

__all__ = [
    "PrecisionRecallCurve",
    "RocCurve",
    "accuracy",
    "average_precision",
    "brier_loss",
    "calibration_error",
    "confusion_counts",
    "f1_score",
    "log_loss",
    "multiclass_roc_auc",
    "pairwise_auc_loss",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
]
