"""Overlap of rotated boxes, in closed form and differentiable in all five numbers."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxml.ops.boxes.convert import restored, working
from jaxml.ops.boxes.overlap import reciprocal
from jaxml.ops.checks import check_shapes
from jaxml.ops.finite import divided


def rotated_box_iou(a: Num[Array, "n 5"], b: Num[Array, "m 5"]) -> Float[Array, "n m"]:
    """Intersection over union of every rotated box in `a` with every one in `b`.

    In the frame of b, a rectangle |x| <= W, |y| <= H, the intersection is the sum over the four edges of a, taken
    around it, of the integral of clamp(y, -H, H) dx over the part of the edge within |x| <= W (Green's theorem; what
    is cut off above or below lies on b's border). Each integrand is piecewise linear: three trapezoids.

    Args:
        a: `(n, 5)`, (centre x, centre y, width, height, degrees), counter-clockwise as seen in an image; sides >= 0.
        b: `(m, 5)`, the same.

    Returns:
        `(n, m)`, in [0, 1]; 0 where both have no area.

    Raises:
        ValueError: when an argument is not `(n, 5)`.

    This is not a clipping of polygons: nothing is sorted and no vertices are counted, so edges that coincide need no
    tolerance. Its gradient is 0 for boxes that do not meet.

    Reference: the layout is torchvision's and detectron2's; Green 1828.

    >>> rotated_box_iou(jnp.array([[0.0, 0.0, 2.0, 2.0, 0.0]]), jnp.array([[0.0, 0.0, 2.0, 2.0, 45.0]])).round(4)
    Array([[0.7071]], dtype=float32)
    """
    check_shapes("rotated_box_iou", a=(a, "n 5"), b=(b, "m 5"), hint="Rows are (cx, cy, w, h, degrees).")
    # In quarters, of which no difference overflows; a side below 0 counts as 0.
    a_x, a_y, a_w, a_h, a_angle = (number[:, None] / 4 for number in jnp.unstack(working(a), axis=-1))
    b_x, b_y, b_w, b_h, b_angle = (number[None, :] / 4 for number in jnp.unstack(working(b), axis=-1))
    a_w, a_h, b_w, b_h = (jnp.where(side > 0, side, 0) for side in (a_w, a_h, b_w, b_h))
    unit = reciprocal(jnp.maximum(jnp.maximum(a_w, a_h), jnp.maximum(b_w, b_h)))

    # The centre of a and its half sides, in b's frame and in units of the longest side.
    cos, sin = jnp.cos(4 * jnp.deg2rad(b_angle)), jnp.sin(4 * jnp.deg2rad(b_angle))
    # Centres more than two of those apart do not meet, however far.
    x, y = jnp.clip((a_x - b_x) * unit, -4, 4), jnp.clip((a_y - b_y) * unit, -4, 4)
    x, y = x * cos - y * sin, x * sin + y * cos
    turn = 4 * jnp.deg2rad(a_angle - b_angle)
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    half_w, half_h = a_w * unit / 2, a_h * unit / 2
    along_x, along_y = half_w * cos, -half_w * sin
    down_x, down_y = half_h * sin, half_h * cos

    # Side by side, not as one array of four: XLA vectorises this, and makes a slow nest of a sum over sides.
    bound_x, bound_y = b_w * unit / 2, b_h * unit / 2
    inner = jnp.zeros_like(x)
    for i, k, side_x, side_y in (
        (-1, -1, along_x, along_y),
        (1, -1, down_x, down_y),
        (1, 1, -along_x, -along_y),
        (-1, 1, -down_x, -down_y),
    ):
        corner_x, corner_y = x + i * along_x + k * down_x, y + i * along_y + k * down_y
        inner = inner - _edge(corner_x, corner_y, 2 * side_x, 2 * side_y, bound_x, bound_y)
    area_a, area_b = (a_w * unit) * (a_h * unit), (b_w * unit) * (b_h * unit)
    inner = jnp.clip(inner, 0, jnp.minimum(area_a, area_b))
    union = area_a + area_b - inner
    # The unit is that of the longest side, so that the derivatives of a sliver may be larger than its dtype holds.
    empty = union < float(jnp.finfo(union.dtype).tiny) ** 0.25
    return restored(divided(jnp.where(empty, 0, inner), jnp.where(empty, 1, union)), a, b)


def _edge(x0: Array, y0: Array, dx: Array, dy: Array, bound_x: Array, bound_y: Array) -> Array:
    """Integral of clamp(y, -bound_y, bound_y) dx along a side from (x0, y0), within |x| <= bound_x."""
    enter, leave = _crossings(x0, dx, bound_x, jnp.zeros_like(x0), jnp.ones_like(x0))
    first, second = _crossings(y0, dy, bound_y, enter, leave)
    times = [enter, first, second, leave]
    heights = [jnp.clip(y0 + dy * t, -bound_y, bound_y) for t in times]
    trapezoids = [(times[k + 1] - times[k]) * (heights[k] + heights[k + 1]) / 2 for k in range(3)]
    return dx * (trapezoids[0] + trapezoids[1] + trapezoids[2])


def _crossings(start: Array, slope: Array, bound: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """When `start + slope t` crosses -bound and bound, in order of t, clipped to [low, high].

    A slope that is as good as 0 never crosses, and any times do: the integrand is then constant in t, or multiplied by
    that slope.
    """
    flat = jnp.abs(slope) < float(jnp.finfo(slope.dtype).eps)
    inverse = jnp.where(flat, 0, 1 / jnp.where(flat, 1, slope))
    reach, middle = bound * jnp.abs(inverse), -start * inverse
    return jnp.clip(middle - reach, low, high), jnp.clip(middle + reach, low, high)
