"""What one axis contributes to a pooled box: sample positions, their bilinear weights, and dense weight matrices.

Mask, clamp, tent weights and count of RoIAlign all factor per axis, so the averaged op is `Wy @ F[:, :, c] @ Wx^T` for
each box. This module builds the factors; how they meet the map (window sums or matrix products) is chosen by the op.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.ops.once import once
from jaxml.ops.sampling.product import Samples
from jaxml.ops.sampling.windows import accumulator

__all__ = ["Axis", "box_axis", "dense_samples", "fixed_samples", "separable_sum", "weight_matrix"]

# Floats in the half-pooled maps of one group of boxes: 32 MiB in float32.
_HALF_POOLED_FLOATS = 1 << 23
# Adaptive samples lie more than half a pixel apart, so at most five touch a pixel or its border band; one to spare
# for the rounding of the first.
_SAMPLES_PER_PIXEL = 6


class Axis(NamedTuple):
    """Boxes along one axis of the map, all of shape [k]: first coordinate, side, map size and samples per bin."""

    start: Any
    side: Any
    size: Any
    count: Any


def box_axis(low: Any, high: Any, size: Any, *, bins: int, sampling_ratio: int, cap: int | None, aligned: bool) -> Axis:
    """Turn box edges in map coordinates into an axis; `aligned` shifts by half a pixel and drops the minimum side 1."""
    start = low - 0.5 if aligned else low
    side = high - low
    if not aligned:
        side = jnp.maximum(side, 1)
    if sampling_ratio:
        count = jnp.full_like(side, sampling_ratio)
    else:
        count = jnp.ceil(lax.stop_gradient(side) / bins)
        count = jnp.where(count > 0, count, 0)  # reversed boxes and NaN take no sample
        if cap is not None:
            count = jnp.minimum(count, cap)
    return Axis(start, side, jnp.broadcast_to(jnp.asarray(size, start.dtype), start.shape), count)


def _bilinear(y: Any, taken: Any, size: Any, count: Any) -> Samples:
    """Outside [-1, size] a sample is 0 but stays in the count; inside it is clamped to [0, size - 1]."""
    inside = taken & (y >= -1) & (y <= size)
    y = jnp.where(inside, y, 0)
    # Written with `where`, not `clip`: at a coordinate of exactly 0 the derivative is the slope to its right.
    y = jnp.where(y < 0, 0, jnp.where(y > size - 1, size - 1, y))
    y = once(y)
    low = lax.stop_gradient(jnp.minimum(jnp.floor(y), jnp.maximum(size - 2, 0)))
    weight = jnp.where(inside, 1 / jnp.maximum(count, 1), 0)
    return Samples(low.astype(jnp.int32), y - low, weight)


def _per_bin(axis: Axis, bins: int, trailing: int) -> tuple[Axis, Any, Any]:
    """The axis with `1 + trailing` new axes, the first coordinate of every bin and the bin width."""
    axis = Axis(*(a.reshape(-1, *(1,) * (1 + trailing)) for a in axis))
    width = axis.side / bins
    p = jnp.arange(bins, dtype=width.dtype).reshape(1, bins, *(1,) * trailing)
    return axis, axis.start + p * width, width


def fixed_samples(axis: Axis, bins: int, slots: int) -> Samples:
    """Samples of every bin in `slots` slots, of which the first `count` are taken: shapes [k, bins, slots]."""
    axis, start, width = _per_bin(axis, bins, 1)
    i = jnp.arange(slots, dtype=width.dtype)[None, None]
    y = start + (i + 0.5) * width / jnp.maximum(axis.count, 1)
    return _bilinear(y, i < axis.count, axis.size, axis.count)


def dense_samples(axis: Axis, bins: int, pixels: int, origin: Any = 0) -> Samples:
    """The adaptive samples that can touch each pixel, however many the bin has: [k, bins, pixels, 6]."""
    axis, start, width = _per_bin(axis, bins, 2)
    count = jnp.maximum(axis.count, 1)
    step = width / count
    h = _map_pixels(pixels, origin).astype(step.dtype)
    # Sample i lies at start + (i + 0.5) * step; the first that can reach pixel h lies at h - 1.
    first = jnp.floor(lax.stop_gradient((h - 1 - start) / jnp.where(step > 0, step, 1)) - 0.5)
    first = jnp.where(first > 0, first, 0)
    i = jnp.minimum(first, count) + jnp.arange(_SAMPLES_PER_PIXEL, dtype=step.dtype)[None, None, None]
    y = start + (i + 0.5) * width / count
    return _bilinear(y, i < axis.count, axis.size, axis.count)


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
    wide, position = features.astype(dtype), "pq" if features.ndim == 5 else ""

    def pool(weights: Any) -> Any:
        wy, wx = weights
        half = jnp.einsum(f"ph,hw{position}c->pw{position[1:]}c", wy, wide, precision=lax.Precision.HIGHEST)
        return jnp.einsum(f"pw{position[1:]}c,qw->pqc", half, wx, precision=lax.Precision.HIGHEST)

    boxes, bins = rows.shape[:2]
    if boxes == 0:
        return jnp.zeros((0, bins, columns.shape[1], features.shape[-1]), features.dtype)
    per_box = bins * features[0].size // (bins if position else 1)
    together = max(1, min(boxes, _HALF_POOLED_FLOATS // max(1, per_box)))
    pooled = lax.map(pool, (rows.astype(dtype), columns.astype(dtype)), batch_size=together)
    return pooled.astype(features.dtype)
