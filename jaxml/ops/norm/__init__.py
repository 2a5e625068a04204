"""Normalisation layers as pure functions: state goes in and comes out, nothing is hidden.

Parameters and statistics keep the rank of `x`, with 1 on every axis they do not vary along: (1, C, 1, 1) for a
(B, C, H, W) batch with ``axis=1``, (1, 1, 1, C) with channels last. Statistics are computed in at least float32
and about a pivot, so that a mean far larger than the standard deviation costs no accuracy. `batch_norm` takes a
whole batch, since that is what it normalises over; the other functions may be vmapped over examples.
"""

from jaxml.ops.norm.batch import batch_norm, frozen_batch_norm
from jaxml.ops.norm.layer import group_norm, layer_norm
from jaxml.ops.norm.state import (
    BatchNormState,
    NormParams,
    convert_batch_norm_state,
    convert_momentum,
    init_batch_norm,
)

__all__ = [
    "BatchNormState",
    "NormParams",
    "batch_norm",
    "convert_batch_norm_state",
    "convert_momentum",
    "frozen_batch_norm",
    "group_norm",
    "init_batch_norm",
    "layer_norm",
]
