"""Overlap of axis-aligned boxes: IoU and its generalised, distance and complete forms, for all pairs.

The same arithmetic serves the element-wise losses. Every ratio is taken in units of the smallest box that encloses
the pair, so that values and derivatives neither overflow nor turn into 0 / 0, however large, small or flat the boxes;
no epsilon is added, so the IoU of a box with itself is exactly 1. Where x2 < x1 the box ends at x1, and alike for y.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num

from jaxml.ops.boxes.convert import BOX_HINT, PixelOffset, restored, working
from jaxml.ops.checks import check_choice, check_shapes
from jaxml.ops.exact import power_of_two
from jaxml.ops.once import apart


class Corners(NamedTuple):
    """Coordinates of boxes, one array each, so that pairs come from plain broadcasting."""

    x1: Array
    y1: Array
    x2: Array
    y2: Array


class Overlap(NamedTuple):
    """What all members of the IoU family share, for one pair or for arrays of pairs."""

    iou: Array
    gap: Array
    """Share of the enclosing box that neither covers; 0 where the enclosing box has no area."""


def box_iou(a: Num[Array, "n 4"], b: Num[Array, "m 4"], *, pixel_offset: PixelOffset = 0) -> Float[Array, "n m"]:
    """Intersection over union of every box in `a` with every box in `b`.

    IoU = |A and B| / |A or B|, and 0 where both have no area.

    Args:
        a: `(n, 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2; integers cannot overflow.
        b: `(m, 4)`, the same.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices.

    Returns:
        `(n, m)`, in [0, 1].

    Raises:
        ValueError: when an argument is not `(n, 4)`, or for another pixel offset.

    This is not a loss to train on alone: its gradient is 0 for boxes that do not meet. See `giou_loss`.

    Reference: Jaccard 1912; Everingham et al. 2010, section 4.2. torchvision gives NaN for two boxes without area.

    >>> box_iou(jnp.array([[0, 0, 10, 10]]), jnp.array([[0, 0, 5, 5], [5, 0, 15, 10], [7, 7, 7, 7]]))
    Array([[0.25      , 0.33333334, 0.        ]], dtype=float32)
    """
    check_choice("box_iou", "pixel_offset", pixel_offset, (0, 1))
    return restored(overlap(*_pairs("box_iou", a, b, pixel_offset), pixel_offset / 4).iou, a, b)


def generalized_box_iou(a: Num[Array, "n 4"], b: Num[Array, "m 4"]) -> Float[Array, "n m"]:
    """Generalised IoU of every box in `a` with every box in `b`.

    GIoU = IoU - (|C| - |A or B|) / |C|, with C the smallest box that encloses both.

    Args:
        a: `(n, 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2.
        b: `(m, 4)`, the same.

    Returns:
        `(n, m)`, in [-1, 1]; the last term counts as 0 where C has no area.

    Raises:
        ValueError: when an argument is not `(n, 4)`.

    This is not an overlap: it is negative for boxes far apart, and falls with their distance.

    Reference: Rezatofighi et al. 2019, algorithm 1, doi:10.1109/CVPR.2019.00075.

    >>> generalized_box_iou(jnp.array([[0.0, 0.0, 1.0, 1.0]]), jnp.array([[0.0, 0.0, 1.0, 1.0], [3.0, 0.0, 4.0, 1.0]]))
    Array([[ 1. , -0.5]], dtype=float32)
    """
    iou, gap = overlap(*_pairs("generalized_box_iou", a, b))
    return restored(iou - gap, a, b)


def distance_box_iou(a: Num[Array, "n 4"], b: Num[Array, "m 4"]) -> Float[Array, "n m"]:
    """Distance IoU of every box in `a` with every box in `b`.

    DIoU = IoU - d^2 / c^2, with d the distance of the centres and c the diagonal of the smallest enclosing box.

    Args:
        a: `(n, 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2.
        b: `(m, 4)`, the same.

    Returns:
        `(n, m)`, in (-1, 1].

    Raises:
        ValueError: when an argument is not `(n, 4)`.

    This is not sensitive to shape: two boxes of one area around one centre differ by their IoU only. See
    `complete_box_iou`.

    Reference: Zheng et al. 2020, equation 7, doi:10.1609/aaai.v34i07.6999.

    >>> distance_box_iou(jnp.array([[0.0, 0.0, 1.0, 1.0]]), jnp.array([[0.0, 0.0, 1.0, 1.0], [3.0, 0.0, 4.0, 1.0]]))
    Array([[ 1.       , -0.5294118]], dtype=float32)
    """
    a_corners, b_corners = _pairs("distance_box_iou", a, b)
    return restored(overlap(a_corners, b_corners).iou - centre_distance(a_corners, b_corners), a, b)


def complete_box_iou(a: Num[Array, "n 4"], b: Num[Array, "m 4"]) -> Float[Array, "n m"]:
    """Complete IoU of every box in `a` with every box in `b`.

    CIoU = DIoU - alpha v,  v = (4 / pi^2) (atan(w_a / h_a) - atan(w_b / h_b))^2,  alpha = v / (1 - IoU + v), where
    alpha is a constant for differentiation.

    Args:
        a: `(n, 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2.
        b: `(m, 4)`, the same.

    Returns:
        `(n, m)`; alpha v is 0 for equal boxes.

    Raises:
        ValueError: when an argument is not `(n, 4)`.

    This is not the same as autodiff of the formula: the authors stop the gradient of alpha, and so does this.

    Reference: Zheng et al. 2020, equations 8 to 12, doi:10.1609/aaai.v34i07.6999.

    >>> complete_box_iou(jnp.array([[0.0, 0.0, 2.0, 2.0]]), jnp.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.5, 2.0, 1.5]]))
    Array([[1.        , 0.49675187]], dtype=float32)
    """
    a_corners, b_corners = _pairs("complete_box_iou", a, b)
    iou = overlap(a_corners, b_corners).iou
    distance = centre_distance(a_corners, b_corners)
    return restored(iou - distance - aspect_penalty(a_corners, b_corners, iou), a, b)


def corners(boxes: Num[Array, "... 4"], pixel_offset: PixelOffset = 0) -> Corners:
    """Split boxes into a quarter of their coordinates, whose differences do not overflow; no side is below 0."""
    x1, y1, x2, y2 = jnp.unstack(working(boxes) / 4, axis=-1)
    x2, y2 = (jnp.where(a - b > pixel_offset / 4, a - pixel_offset / 4, b) for a, b in ((x1, x2), (y1, y2)))
    return Corners(x1, y1, x2, y2)


def _pairs(
    where: str, a: Num[Array, "n 4"], b: Num[Array, "m 4"], pixel_offset: PixelOffset = 0
) -> tuple[Corners, Corners]:
    check_shapes(where, a=(a, "n 4"), b=(b, "m 4"), hint=BOX_HINT)
    return (
        Corners(*(apart(side)[:, None] for side in corners(a, pixel_offset))),
        Corners(*(apart(side)[None, :] for side in corners(b, pixel_offset))),
    )


def overlap(a: Corners, b: Corners, pixel_offset: float = 0.0) -> Overlap:
    """IoU and uncovered share of the enclosing box, in units of the enclosing box."""
    width, height = hull(a, b, pixel_offset)
    x_unit, y_unit = reciprocal(width), reciprocal(height)

    def shares(low: Array, high: Array, unit: Array) -> Array:
        return (high - low + pixel_offset) * unit

    inner_x = jnp.maximum(shares(jnp.maximum(a.x1, b.x1), jnp.minimum(a.x2, b.x2), x_unit), 0)
    inner_y = jnp.maximum(shares(jnp.maximum(a.y1, b.y1), jnp.minimum(a.y2, b.y2), y_unit), 0)
    area_a = shares(a.x1, a.x2, x_unit) * shares(a.y1, a.y2, y_unit)
    area_b = shares(b.x1, b.x2, x_unit) * shares(b.y1, b.y2, y_unit)
    inner = inner_x * inner_y
    union = area_a + area_b - inner
    enclosing = (width * x_unit) * (height * y_unit)
    return Overlap(ratio(inner, union), ratio(enclosing - union, enclosing))


def hull(a: Corners, b: Corners, pixel_offset: float = 0.0) -> tuple[Array, Array]:
    """Width and height of the smallest box that encloses both."""
    width = jnp.maximum(a.x2, b.x2) - jnp.minimum(a.x1, b.x1)
    height = jnp.maximum(a.y2, b.y2) - jnp.minimum(a.y1, b.y1)
    return width + pixel_offset, height + pixel_offset


def centre_distance(a: Corners, b: Corners) -> Array:
    """Squared distance of the centres over the squared diagonal of the enclosing box; 0 / 0 is 0."""
    width, height = hull(a, b)
    unit = reciprocal(jnp.maximum(width, height))
    x = ((a.x1 - b.x1) + (a.x2 - b.x2)) / 2 * unit
    y = ((a.y1 - b.y1) + (a.y2 - b.y2)) / 2 * unit
    return ratio(x * x + y * y, (width * unit) ** 2 + (height * unit) ** 2)


def aspect_penalty(a: Corners, b: Corners, iou: Array) -> Array:
    """The term alpha v of the complete IoU, with alpha constant under differentiation."""
    v = (2 / np.pi * (_diagonal_angle(a) - _diagonal_angle(b))) ** 2
    return lax.stop_gradient(ratio(v, 1 - iou + v)) * v


def _diagonal_angle(box: Corners) -> Array:
    """atan(w / h), from the sides in units of the longer one; 0, with zero gradient, for a point."""
    width, height = box.x2 - box.x1, box.y2 - box.y1
    unit = reciprocal(jnp.maximum(jnp.abs(width), jnp.abs(height)))
    return jnp.arctan2(width * unit, jnp.where(unit > 0, height * unit, 1))


def ratio(numerator: Array, denominator: Array) -> Array:
    """`numerator / denominator`, and 0 with zero gradient where the denominator is as good as 0.

    The denominator comes in units of the enclosing box. A union of share s there belongs to boxes that are apart,
    or to two slivers that cross, with an IoU below 8 s: calling it 0 costs nothing, and the cube of s in the second
    derivative stays representable.
    """
    empty = denominator < float(jnp.finfo(denominator.dtype).tiny) ** 0.25
    return jnp.where(empty, 0, numerator / jnp.where(empty, 1, denominator))


def reciprocal(length: Array) -> Array:
    """About 1 / length as a constant under differentiation; 0 for a length whose square would vanish.

    A power of two, from 1 to 2 lengths: the unit itself rounds nothing.
    """
    length = jnp.abs(lax.stop_gradient(length))
    return jnp.where(length > float(jnp.finfo(length.dtype).tiny) ** 0.45, power_of_two(length), 0)
