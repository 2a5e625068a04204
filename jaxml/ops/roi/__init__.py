"""Pooling of regions of interest: boxes of any size into a fixed grid of bins, differentiable in features and boxes."""

from jaxml.ops.roi.align import roi_align
from jaxml.ops.roi.levels import box_levels, multiscale_roi_align
from jaxml.ops.roi.pool import ps_roi_pool, roi_pool
from jaxml.ops.roi.position import ps_roi_align
from jaxml.ops.roi.precise import prroi_pool

__all__ = [
    "box_levels",
    "multiscale_roi_align",
    "prroi_pool",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_pool",
]
