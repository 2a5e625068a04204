"""Boxes: layouts, areas, overlaps, regression losses and targets. A box is (x1, y1, x2, y2) unless a name says more."""

from jaxml.ops.boxes.coding import decode_boxes, encode_boxes
from jaxml.ops.boxes.convert import (
    box_area,
    box_convert,
    clip_boxes,
    masks_to_boxes,
    small_box_mask,
)
from jaxml.ops.boxes.losses import ciou_loss, diou_loss, giou_loss
from jaxml.ops.boxes.overlap import (
    box_iou,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
)
from jaxml.ops.boxes.rotated import rotated_box_iou

__all__ = [
    "box_area",
    "box_convert",
    "box_iou",
    "ciou_loss",
    "clip_boxes",
    "complete_box_iou",
    "decode_boxes",
    "diou_loss",
    "distance_box_iou",
    "encode_boxes",
    "generalized_box_iou",
    "giou_loss",
    "masks_to_boxes",
    "rotated_box_iou",
    "small_box_mask",
]
