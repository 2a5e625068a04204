"""Box regression targets: a box as four deltas against an anchor, and back; `(..., 4)` against the same shape."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxml.ops.boxes.convert import PixelOffset, restored, working
from jaxml.ops.checks import Scalar, check_choice, check_shapes
from jaxml.ops.finite import divided, saturated

MAX_LOG_SCALE = math.log(1000 / 16)
"""The usual bound: a box may grow from the 16 pixels of the finest stride to a side of 1000."""

Weights = tuple[Scalar, Scalar, Scalar, Scalar]


def encode_boxes(
    boxes: Num[Array, "... 4"],
    anchors: Num[Array, "... 4"],
    *,
    weights: Weights = (1, 1, 1, 1),
    pixel_offset: PixelOffset = 0,
    min_side: Scalar = 1e-6,
) -> Float[Array, "... 4"]:
    """Express each box as deltas from its anchor.

    dx = s_x (x - x_a) / w_a,  dy = s_y (y - y_a) / h_a,  dw = s_w log(w / w_a),  dh = s_h log(h / h_a), where (x, y)
    is a centre, (w, h) are sides and s are the weights.

    Args:
        boxes: `(..., 4)`, (x1, y1, x2, y2), the boxes to reach.
        anchors: the same shape and layout, the boxes to start from.
        weights: s_x, s_y, s_w, s_h, > 0; Fast R-CNN's second stage uses (10, 10, 5, 5).
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices (the first Detectron).
        min_side: shorter sides count as this long, > 0, so that a box without area has finite deltas.

    Returns:
        `(..., 4)`, (dx, dy, dw, dh).

    Raises:
        ValueError: when the shapes differ or do not end in 4, or for another pixel offset. Nothing is broadcast.

    This is not bounded: unlike `decode_boxes` it does not clip dw and dh.

    Reference: Girshick et al. 2014, R-CNN, appendix C, equations 6 to 9, doi:10.1109/CVPR.2014.81.

    >>> encode_boxes(jnp.array([2.0, 0.0, 6.0, 8.0]), jnp.array([0.0, 0.0, 4.0, 4.0]))
    Array([0.5      , 0.5      , 0.       , 0.6931472], dtype=float32)
    """
    _check("encode_boxes", boxes, anchors, pixel_offset, "boxes")
    # Deltas are ratios: in quarters no difference overflows.
    x, y, w, h = _centres(working(boxes) / 4, pixel_offset / 4)
    x_a, y_a, w_a, h_a = _centres(working(anchors) / 4, pixel_offset / 4)
    least = jnp.asarray(min_side).astype(w.dtype) / 4
    w, h, w_a, h_a = (jnp.maximum(side, least) for side in (w, h, w_a, h_a))
    s_x, s_y, s_w, s_h = (_cast(s, w) for s in weights)
    deltas = [
        divided(_product(s_x, x - x_a), w_a),
        divided(_product(s_y, y - y_a), h_a),
        s_w * _log_ratio(w, w_a),
        s_h * _log_ratio(h, h_a),
    ]
    return restored(jnp.stack(deltas, axis=-1), boxes, anchors)


def decode_boxes(
    deltas: Float[Array, "... 4"],
    anchors: Num[Array, "... 4"],
    *,
    weights: Weights = (1, 1, 1, 1),
    pixel_offset: PixelOffset = 0,
    max_log_scale: Scalar = MAX_LOG_SCALE,
) -> Float[Array, "... 4"]:
    """Apply deltas to anchors: the inverse of `encode_boxes`.

    x = x_a + w_a dx / s_x,  w = w_a exp(min(dw / s_w, max_log_scale)), and the same for y and h.

    Args:
        deltas: `(..., 4)`, (dx, dy, dw, dh).
        anchors: the same shape, (x1, y1, x2, y2).
        weights: s_x, s_y, s_w, s_h, > 0, as they were used for encoding.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices (the first Detectron).
        max_log_scale: bound of dw / s_w and dh / s_h, so that an untrained head cannot overflow.

    Returns:
        `(..., 4)`, (x1, y1, x2, y2).

    Raises:
        ValueError: when the shapes differ or do not end in 4, or for another pixel offset. Nothing is broadcast.

    This is not clipped to the image; see `clip_boxes`. Beyond the bound dw and dh get no gradient.

    Reference: Girshick et al. 2014, R-CNN, appendix C, equations 1 to 4, doi:10.1109/CVPR.2014.81.

    >>> decode_boxes(jnp.array([0.5, 0.5, 0.0, jnp.log(2.0)]), jnp.array([0.0, 0.0, 4.0, 4.0]))
    Array([2., 0., 6., 8.], dtype=float32)
    """
    _check("decode_boxes", deltas, anchors, pixel_offset, "deltas")
    x_a, y_a, w_a, h_a = _centres(working(anchors) / 4, pixel_offset / 4)
    dx, dy, dw, dh = (
        saturated(d / _cast(s, d), d) for d, s in zip(jnp.unstack(working(deltas), axis=-1), weights, strict=True)
    )
    most = _cast(max_log_scale, dw)
    x, y = _sum(x_a, _product(w_a, dx)), _sum(y_a, _product(h_a, dy))
    w, h = _grown(w_a, jnp.minimum(dw, most)), _grown(h_a, jnp.minimum(dh, most))
    # An inclusive box of w pixels ends at x1 + w - 1.
    ends = [_sum(x, -w / 2), _sum(y, -h / 2), _sum(x, w / 2), _sum(y, h / 2)]
    decoded = [saturated(4 * end, end) for end in ends]
    decoded = [*decoded[:2], *(end - pixel_offset for end in decoded[2:])]
    return restored(jnp.stack(decoded, axis=-1), deltas, anchors)


def _check(where: str, first: Array, anchors: Array, pixel_offset: int, name: str) -> None:
    pattern = " ".join([*(str(size) for size in first.shape[:-1]), "4"])
    hint = "Both must have one shape (..., 4); broadcast with jnp.broadcast_to."
    check_shapes(where, **{name: (first, "... 4"), "anchors": (anchors, pattern)}, hint=hint)
    check_choice(where, "pixel_offset", pixel_offset, (0, 1))


def _sum(a: Array, b: Array) -> Array:
    return saturated(a + b, a, b)


def _product(a: Array, b: Array) -> Array:
    return saturated(a * b, a, b)


@jax.custom_jvp
def _grown(side: Array, log_scale: Array) -> Array:
    """``side exp(log_scale)`` and its derivatives, saturated."""
    return _product(side, jnp.exp(log_scale))


@_grown.defjvp
def _grown_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    grown = _grown(*primals)
    return grown, jnp.exp(primals[1]) * tangents[0] + grown * tangents[1]


@jax.custom_jvp
def _log_ratio(w: Array, v: Array) -> Array:
    """``log(w / v)`` of positive numbers, also where their ratio is too large or too small to hold."""
    ratio, limits = divided(w, v), jnp.finfo(w.dtype)
    held = (ratio > float(limits.tiny)) & (ratio < float(limits.max))
    return jnp.where(held, jnp.log(jnp.where(held, ratio, 1)), jnp.log(w) - jnp.log(v))


@_log_ratio.defjvp
def _log_ratio_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (w, v), (w_dot, v_dot) = primals, tangents
    one = jnp.ones_like(w)
    return _log_ratio(w, v), divided(one, w) * w_dot - divided(one, v) * v_dot


def _centres(boxes: Float[Array, "... 4"], pixel_offset: float) -> tuple[Array, Array, Array, Array]:
    x1, y1, x2, y2 = jnp.unstack(boxes, axis=-1)
    w, h = x2 - x1 + pixel_offset, y2 - y1 + pixel_offset
    return x1 + w / 2, y1 + h / 2, w, h


def _cast(value: Scalar, like: Array) -> Array:
    return jnp.asarray(value).astype(like.dtype)
