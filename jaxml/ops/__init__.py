"""Pure, differentiable functions of arrays: one example per call, batching by `jax.vmap`.

Losses and penalties never reduce, boxes are (x1, y1, x2, y2), images are channels last, hyperparameters are
keyword-only and may be traced, random functions take their key first.
"""

from jaxml.ops.losses import (
    hinge,
    multiclass_hinge,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_hinge,
)
from jaxml.ops.regularizers import (
    elastic_net,
    group_lasso,
    l0_count,
    l1,
    l2_norm,
    l2_squared,
    project_l1_ball,
    project_simplex,
    prox_elastic_net,
    prox_group_lasso,
    prox_l0,
    prox_l1,
    prox_l2_norm,
    prox_l2_squared,
    total_variation,
)

__all__ = [
    "elastic_net",
    "group_lasso",
    "hinge",
    "l0_count",
    "l1",
    "l2_norm",
    "l2_squared",
    "multiclass_hinge",
    "project_l1_ball",
    "project_simplex",
    "prox_elastic_net",
    "prox_group_lasso",
    "prox_l0",
    "prox_l1",
    "prox_l2_norm",
    "prox_l2_squared",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_hinge",
    "total_variation",
]
