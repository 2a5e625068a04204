"""Pooling of regions of interest: boxes of any size into a fixed grid of bins, differentiable in features and boxes."""

from jaxml.ops.roi.align import roi_align

__all__ = ["roi_align"]
