"""Pooling over whole pixels: RoIPool (maximum) and position-sensitive RoIPool (mean).

Bins are rounded to pixels, so neither has a derivative in the boxes: it is 0. Boxes with NaN pool to 0.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, check_floating, check_shapes
from jaxml.ops.exact import round_half_away, share_edges
from jaxml.ops.roi.align import check_output_size, pair
from jaxml.ops.roi.axis import map_boxes, separable_sum
from jaxml.ops.roi.position import position_channels
from jaxml.ops.sampling.product import at_least
from jaxml.ops.sampling.windows import accumulator

__all__ = ["ps_roi_pool", "roi_pool"]

# Corners are moved to within this of the origin, in pixels: sides and sums of them then fit 32 bits.
_FARTHEST = 1 << 29


def roi_pool(
    features: Float[Array, "h w c"],
    boxes: Float[Array, "k 4"],
    *,
    output_size: int | tuple[int, int],
    spatial_scale: Scalar = 1.0,
) -> Float[Array, "k oh ow c"]:
    """Take the largest pixel of each bin of each box, as `torchvision.ops.roi_pool`.

        side = max(round(y2 s) - round(y1 s) + 1, 1)
        rows of bin p = floor(p side / oh) ... ceil((p + 1) side / oh) - 1, from round(y1 s), cut to the map

    Args:
        features: one map, channels last.
        boxes: (x1, y1, x2, y2) in input coordinates, both ends included; halves round away from zero.
        output_size: bins (oh, ow), or one number for both.
        spatial_scale: input coordinates times this are map coordinates (s); may be traced.

    Returns:
        The maxima; 0 for a bin that holds no pixel of the map.

    Raises:
        ValueError: for wrong shapes, dtypes or output size.

    The gradient goes to the first maximum of a bin in row order. RoIPool moves every edge by up to half a pixel; use
    `roi_align` where position matters.

    References:
        Girshick (2015), Fast R-CNN, section 2.1. https://doi.org/10.1109/ICCV.2015.169

    >>> ramp = jnp.arange(16.0).reshape(4, 4, 1)
    >>> roi_pool(ramp, jnp.array([[0.0, 0.0, 2.0, 2.0]]), output_size=2)[0, :, :, 0]
    Array([[ 5.,  6.],
           [ 9., 10.]], dtype=float32)
    """
    sizes = check_shapes("roi_pool", features=(features, "h w c"), boxes=(boxes, "k 4"))
    check_floating("roi_pool", features=features, boxes=boxes)
    check_output_size("roi_pool", output_size)
    bins = pair(output_size)
    corners, known = _whole_corners(boxes, spatial_scale)
    (top, bottom), (left, right) = (
        _whole_bins(corners[:, 1 - i], corners[:, 3 - i] + 1, bins[i], sizes["hw"[i]]) for i in range(2)
    )
    filled = ((bottom > top)[:, :, None] & (right > left)[:, None, :])[..., None] & known[:, None, None, None]
    image = at_least(features, 1)
    h, w, c = image.shape
    rows = image.reshape(h * w, c)
    largest = _first_maximum(lax.stop_gradient(rows), w, top, bottom, left, right)
    values = rows.at[largest, jnp.arange(sizes["c"])[None, None, None]].get(mode="promise_in_bounds")
    return jnp.where(filled, values, 0)


def _whole_corners(boxes: Any, scale: Scalar) -> tuple[Any, Any]:
    """Corners in map coordinates, rounded to integers, and which boxes were finite; no gradient."""
    scaled = lax.stop_gradient(map_boxes(boxes, scale))
    known = jnp.all(jnp.isfinite(scaled), -1)
    corners = jnp.clip(round_half_away(jnp.where(known[:, None], scaled, 0)), -_FARTHEST, _FARTHEST)
    return corners.astype(jnp.int32), known


def _whole_bins(first: Any, end: Any, bins: int, size: int) -> tuple[Any, Any]:
    """First pixel and end [k, bins] of every bin of [first, end), cut to the map."""
    edges = share_edges(jnp.maximum(end - first, 1), bins)
    start, stop = (jnp.clip(first[:, None] + edge, 0, size) for edge in edges)
    return start, stop


def _first_maximum(rows: Any, width: int, top: Any, bottom: Any, left: Any, right: Any) -> Any:
    """Row number in the flattened map of the first maximum of every bin and channel: [k, oh, ow, c]."""

    def pixel(i: Any, j: Any) -> tuple[Any, Any]:
        # Past the end of a bin its last pixel is read again, which changes no maximum. Empty bins read any pixel.
        y = jnp.clip(jnp.minimum(top + i, bottom - 1), 0, rows.shape[0] // width - 1)
        x = jnp.clip(jnp.minimum(left + j, right - 1), 0, width - 1)
        number = y[:, :, None] * width + x[:, None, :]
        return rows.at[number].get(mode="promise_in_bounds"), number[..., None]

    def visit(i: Any, j: Any, best: Any) -> Any:
        value, number = pixel(i, j)
        larger = value > best[0]
        return jnp.where(larger, value, best[0]), jnp.where(larger, number, best[1])

    def row(i: Any, best: Any) -> Any:
        return lax.fori_loop(0, jnp.max(right - left, initial=0), lambda j, best: visit(i, j, best), best)

    value, number = pixel(0, 0)
    start = value, jnp.broadcast_to(number, value.shape)
    return lax.fori_loop(0, jnp.max(bottom - top, initial=0), row, start)[1]


def ps_roi_pool(
    features: Float[Array, "h w c"],
    boxes: Float[Array, "k 4"],
    *,
    output_size: int | tuple[int, int],
    spatial_scale: Scalar = 1.0,
) -> Float[Array, "k oh ow o"]:
    """Average the pixels of each bin over channels of the bin's own, as `torchvision.ops.ps_roi_pool`.

        out[k, p, q, o] = mean of features[y, x, (o oh + p) ow + q] over the pixels of bin (p, q)

    Args:
        features: one map; c = o * oh * ow channels.
        boxes: (x1, y1, x2, y2) in input coordinates; corners are rounded, halves away from zero, sides at least 1.
        output_size: bins (oh, ow), or one number for both.
        spatial_scale: input coordinates times this are map coordinates; may be traced.

    Returns:
        The means; 0 for a bin that holds no pixel of the map.

    Raises:
        ValueError: for wrong shapes, dtypes or output size, or channels that do not split over the bins.

    Bins end at the map's edge. torchvision's forward pass leaves out the last row and column (its backward pass does
    not); boxes that reach them differ.

    References:
        Dai, Li, He, Sun (2016), R-FCN, eq. 1. https://doi.org/10.48550/arXiv.1605.06409

    >>> features = jnp.broadcast_to(jnp.arange(4.0), (3, 3, 4))
    >>> ps_roi_pool(features, jnp.array([[0.0, 0.0, 3.0, 3.0]]), output_size=2)[0, :, :, 0]  # one channel per bin
    Array([[0., 1.],
           [2., 3.]], dtype=float32)
    """
    sizes = check_shapes("ps_roi_pool", features=(features, "h w c"), boxes=(boxes, "k 4"))
    check_floating("ps_roi_pool", features=features, boxes=boxes)
    check_output_size("ps_roi_pool", output_size)
    bins = pair(output_size)
    by_bin = position_channels("ps_roi_pool", features, bins)
    corners, known = _whole_corners(boxes, spatial_scale)
    dtype = accumulator(features.dtype)
    wy, wx = (_bin_means(corners[:, 1 - i], corners[:, 3 - i], known, bins[i], sizes["hw"[i]], dtype) for i in range(2))
    return separable_sum(by_bin, wy, wx)


def _bin_means(first: Any, end: Any, known: Any, bins: int, size: int, dtype: Any) -> Any:
    """Weights [k, bins, size] of the mean over the pixels of each bin."""
    start, stop = (edge[:, :, None] for edge in _whole_bins(first, end, bins, size))
    pixel = jnp.arange(size, dtype=start.dtype)[None, None]
    inside = (pixel >= start) & (pixel < stop) & known[:, None, None]
    return jnp.where(inside, 1 / jnp.maximum(stop - start, 1).astype(dtype), 0)
