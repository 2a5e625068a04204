"""Sampling of images between pixels: at points, on grids, in boxes, and under a deformable kernel."""

from jaxml.ops.sampling.deform import deform_conv2d
from jaxml.ops.sampling.points import bilinear_sample, grid_sample
from jaxml.ops.sampling.regions import crop_and_resize

__all__ = ["bilinear_sample", "crop_and_resize", "deform_conv2d", "grid_sample"]
