"""Losses, one value per element or per example, never reduced."""

from jaxml.ops.losses.classification import (
    hinge,
    multiclass_hinge,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_hinge,
)

__all__ = ["hinge", "multiclass_hinge", "sigmoid_cross_entropy", "softmax_cross_entropy", "squared_hinge"]
