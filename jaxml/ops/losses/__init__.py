"""Losses, one value per element or per example, never reduced."""

from jaxml.ops.losses.classification import (
    hinge,
    multiclass_hinge,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_hinge,
)
from jaxml.ops.losses.focal import sigmoid_focal_loss, softmax_focal_loss
from jaxml.ops.losses.regression import (
    absolute_error,
    barron,
    charbonnier,
    huber,
    log_cosh,
    pinball,
    smooth_l1,
    squared_error,
    tukey_biweight,
)

__all__ = [
    "absolute_error",
    "barron",
    "charbonnier",
    "hinge",
    "huber",
    "log_cosh",
    "multiclass_hinge",
    "pinball",
    "sigmoid_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_l1",
    "softmax_cross_entropy",
    "softmax_focal_loss",
    "squared_error",
    "squared_hinge",
    "tukey_biweight",
]
