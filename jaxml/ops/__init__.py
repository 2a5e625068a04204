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
from jaxml.ops.roi import roi_align
from jaxml.ops.sampling import bilinear_sample, crop_and_resize, deform_conv2d, grid_sample

__all__ = [
    "BatchNormState",
    "NormParams",
    "batch_norm",
    "bilinear_sample",
    "convert_batch_norm_state",
    "convert_momentum",
    "crop_and_resize",
    "deform_conv2d",
    "elastic_net",
    "frozen_batch_norm",
    "grid_sample",
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
    "roi_align",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_hinge",
    "total_variation",
]
