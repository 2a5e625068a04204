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
from jaxml.ops.norm import (
    BatchNormState,
    NormParams,
    batch_norm,
    convert_batch_norm_state,
    convert_momentum,
    frozen_batch_norm,
    group_norm,
    init_batch_norm,
    layer_norm,
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
    "BatchNormState",
    "NormParams",
    "batch_norm",
    "convert_batch_norm_state",
    "convert_momentum",
    "elastic_net",
    "frozen_batch_norm",
    "group_lasso",
    "group_norm",
    "hinge",
    "init_batch_norm",
    "l0_count",
    "l1",
    "l2_norm",
    "l2_squared",
    "layer_norm",
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
