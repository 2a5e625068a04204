"""What one axis contributes to a pooled box: sample positions, their bilinear weights, and dense weight matrices.

Mask, clamp, tent weights and count of RoIAlign all factor per axis, so the averaged op is `Wy @ F[:, :, c] @ Wx^T` for
each box. This module builds the factors; how they meet the map (window sums or matrix products) is chosen by the op.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.ops.exact import ceil_quotient, quotient
from jaxml.ops.finite import bounded, widened
from jaxml.ops.once import apart, once
from jaxml.ops.sampling.product import Samples
from jaxml.ops.sampling.windows import accumulator

__all__ = ["Axis", "box_axis", "dense_samples", "fixed_samples", "map_boxes", "separable_sum", "weight_matrix"]

# Floats in the half-pooled maps of one group of boxes: 32 MiB in float32.
_HALF_POOLED_FLOATS = 1 << 23
# Adaptive samples lie more than half a pixel apart, so at most five touch a pixel or its border band; one to spare
# for the rounding of the first.
_SAMPLES_PER_PIXEL = 6
_FARTHEST = 2.0**50


class Axis(NamedTuple):
    """Boxes along one axis of the map, all of shape [k]: first coordinate, side, map size and samples per bin."""

    start: Any
    side: Any
    size: Any
    count: Any


def map_boxes(boxes: Any, scale: Any) -> Any:
    """Boxes in map coordinates, rounded once: a product fused into a difference would not be rounded.

    Corners farther than 2^50 pixels away count as that far, so that products with whole numbers of samples are finite.
    """
    return once(bounded(widened(boxes, accumulator(boxes.dtype)) * scale, _FARTHEST, boxes))


def box_axis(low: Any, high: Any, size: Any, *, bins: int, sampling_ratio: int, cap: int | None, aligned: bool) -> Axis:
    """Turn box edges in map coordinates into an axis; `aligned` shifts by half a pixel and drops the minimum side 1."""
    start = low - 0.5 if aligned else low
    side = high - low
    if not aligned:
        side = jnp.maximum(side, 1)
    if sampling_ratio:
        count = jnp.full_like(side, sampling_ratio)
    else:
        count = ceil_quotient(side, bins)
        count = jnp.where(count > 0, count, 0)  # reversed boxes and NaN take no sample
        if cap is not None:
            count = jnp.minimum(count, cap)
    return Axis(start, side, jnp.broadcast_to(jnp.asarray(size, start.dtype), start.shape), count)


def _bilinear(axis: Axis, i: Any, bins: int) -> Samples:
    """Sample i of every bin: 0 outside [-1, size], but in the count; clamped to [0, size - 1] inside."""
    start, side, size, count = axis
    # Sample i of bin p lies at start + side * step / steps, both of them whole numbers.
    p = jnp.arange(bins, dtype=side.dtype).reshape(1, bins, *(1,) * (side.ndim - 2))
    slots = jnp.maximum(count, 1)
    step, steps = 2 * (p * slots + i) + 1, 2 * bins * slots
    way = side * step
    # Whether it is inside by products: a quotient that is rounded would drop samples that lie on the border.
    inside = (i < count) & ((start + 1) * steps + way >= 0) & ((start - size) * steps + way <= 0)
    y = jnp.where(inside, start + quotient(way, steps), 0)
    # Written with `where`, not `clip`: at a coordinate of exactly 0 the derivative is the slope to its right.
    y = jnp.where(y < 0, 0, jnp.where(y > size - 1, size - 1, y))
    y = once(y)
    low = lax.stop_gradient(jnp.minimum(jnp.floor(y), jnp.maximum(size - 2, 0)))
    weight = jnp.where(inside, 1 / slots, 0)
    return Samples(low.astype(jnp.int32), y - low, weight)


def _with_axes(axis: Axis, trailing: int) -> Axis:
    """The axis with as many new axes behind that of the boxes."""
    return Axis(*(a.reshape(-1, *(1,) * trailing) for a in axis))


def fixed_samples(axis: Axis, bins: int, slots: int) -> Samples:
    """Samples of every bin in `slots` slots, of which the first `count` are taken: shapes [k, bins, slots]."""
    i = jnp.arange(slots, dtype=axis.side.dtype)[None, None]
    return _bilinear(_with_axes(axis, 2), i, bins)


def dense_samples(axis: Axis, bins: int, pixels: int, origin: Any = 0) -> Samples:
    """The adaptive samples that can touch each pixel, however many the bin has: [k, bins, pixels, 6]."""
    axis = _with_axes(axis, 3)
    count, width = jnp.maximum(axis.count, 1), lax.stop_gradient(axis.side) / bins
    p = jnp.arange(bins, dtype=width.dtype)[None, :, None, None]
    start, step = lax.stop_gradient(axis.start) + p * width, width / count
    h = _map_pixels(pixels, origin).astype(step.dtype)
    # Sample i lies at start + (i + 0.5) * step; the first that can reach pixel h lies at h - 1. What rounding adds to
    # this bound costs one sample to spare and no more.
    first = jnp.floor((h - 1 - start) / jnp.where(step > 0, step, 1) - 0.5)
    first = jnp.where(first > 0, first, 0)
    i = jnp.minimum(first, count) + jnp.arange(_SAMPLES_PER_PIXEL, dtype=step.dtype)[None, None, None]
    return _bilinear(axis, i, bins)


def _map_pixels(pixels: int, origin: Any) -> Any:
    """Number every pixel of the canvas in the box's own map: [k or 1, 1, pixels, 1]."""
    origin = jnp.reshape(jnp.asarray(origin, jnp.int32), (-1, 1, 1, 1))
    return jnp.arange(pixels, dtype=jnp.int32)[None, None, :, None] - origin


def weight_matrix(samples: Samples, pixels: int, origin: Any = 0) -> Float[Array, "k bins pixels"]:
    """Add the bilinear weights of each bin's samples up per pixel, `origin` being the map's first pixel."""
    low, fraction, weight = samples
    if low.ndim == 3:  # the same samples serve every pixel
        low, fraction, weight = (a[:, :, None] for a in samples)
    h = _map_pixels(pixels, origin)
    tent = jnp.where(h == low, 1 - fraction, 0) + jnp.where(h == low + 1, fraction, 0)
    return jnp.sum(tent * weight, -1)


def separable_sum(
    features: Any, rows: Float[Array, "k p h"], columns: Float[Array, "k q w"]
) -> Float[Array, "k p q c"]:
    """`rows[k] @ features @ columns[k]^T` for every box and channel, a group of boxes at a time.

    Features are `[h, w, c]`, or `[h, w, p, q, c]` with channels of their own for every bin.
    """
    dtype = accumulator(features.dtype)
    wide, position = apart(features.astype(dtype)), "pq" if features.ndim == 5 else ""

    def pool(weights: Any) -> Any:
        wy, wx = weights
        half = jnp.einsum(f"ph,hw{position}c->pw{position[1:]}c", wy, wide, precision=lax.Precision.HIGHEST)
        return jnp.einsum(f"pw{position[1:]}c,qw->pqc", half, wx, precision=lax.Precision.HIGHEST)

    boxes, bins = rows.shape[:2]
    if boxes * math.prod(features.shape) == 0:
        return jnp.zeros((boxes, bins, columns.shape[1], features.shape[-1]), features.dtype)
    per_box = bins * math.prod(features.shape[1:]) // (bins if position else 1)
    together = max(1, min(boxes, _HALF_POOLED_FLOATS // max(1, per_box)))
    pooled = lax.map(pool, (apart(rows.astype(dtype)), apart(columns.astype(dtype))), batch_size=together)
    return apart(pooled).astype(features.dtype)
