"""PrRoIPool: the exact mean of the interpolated map over each bin, once continuously differentiable in the box."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, check_floating, check_shapes
from jaxml.ops.roi.align import check_output_size, pair
from jaxml.ops.roi.axis import map_boxes, separable_sum

__all__ = ["prroi_pool"]

# Below this bin width (in map pixels) the mean is the sample at the middle; they differ by at most width / 4.
_POINT = 1e-6


def prroi_pool(
    features: Float[Array, "h w c"],
    boxes: Float[Array, "k 4"],
    *,
    output_size: int | tuple[int, int],
    spatial_scale: Scalar = 1.0,
    aligned: bool = True,
) -> Float[Array, "k oh ow c"]:
    """Integrate the bilinear interpolation of the map over each bin, divided by the bin's area.

        out[k, p, q] = sum_{y, x} Wy[p, y] Wx[q, x] F[y, x],   W[p, y] = 1 / (b - a) int_a^b max(0, 1 - |t - y|) dt

    for the bin [a, b] along that axis; a bin of no width tends to the sample at its place.

    Args:
        features: one map, channels last; 0 outside, so the map fades out within one pixel of its border.
        boxes: (x1, y1, x2, y2) in input coordinates. The mean does not depend on the orientation of a side.
        output_size: bins (oh, ow), or one number for both.
        spatial_scale: input coordinates times this are map coordinates; may be traced.
        aligned: shift by half a pixel, as in `roi_align`; False is the convention of the authors' code.

    Returns:
        One grid of bins per box; 0 for a box with NaN.

    Raises:
        ValueError: for wrong shapes, dtypes or output size.

    Not RoIAlign with many samples at the border: that clamps within one pixel of the map, this fades to 0.

    References:
        Jiang, Luo, Mao, Xiao, Jiang (2018), Acquisition of localization confidence for accurate object detection,
        eq. 6. https://doi.org/10.1007/978-3-030-01264-9_48

    >>> ramp = jnp.arange(25.0).reshape(5, 5, 1)
    >>> pooled = prroi_pool(ramp, jnp.array([[1.0, 1.0, 3.0, 3.0]]), output_size=2)
    >>> np.round(np.asarray(pooled[0, :, :, 0]), 4)
    array([[ 6.,  7.],
           [11., 12.]], dtype=float32)
    """
    sizes = check_shapes("prroi_pool", features=(features, "h w c"), boxes=(boxes, "k 4"))
    check_floating("prroi_pool", features=features, boxes=boxes)
    check_output_size("prroi_pool", output_size)
    bins = pair(output_size)
    edges = map_boxes(boxes, spatial_scale)
    known = jnp.all(jnp.isfinite(edges), -1)
    edges = jnp.where(known[:, None], edges, 0) - (0.5 if aligned else 0.0)
    wy, wx = (_tent_means(edges[:, 1 - i], edges[:, 3 - i], bins[i], sizes["hw"[i]]) for i in range(2))
    wy = jnp.where(known[:, None, None], wy, 0)
    return separable_sum(features, wy, wx)


def _tent_means(low: Any, high: Any, bins: int, size: int) -> Any:
    """Mean of every pixel's tent over every bin: [k, bins, size]."""
    width = ((high - low) / bins)[:, None, None]
    p = jnp.arange(bins, dtype=low.dtype)[None, :, None]
    pixel = jnp.arange(size, dtype=low.dtype)[None, None]
    start = low[:, None, None] + p * width - pixel
    wide = jnp.abs(width) > _POINT
    end = start + jnp.where(wide, width, 1)
    wide &= end != start  # far away, where a bin is narrower than what tells two numbers apart
    across = jnp.where(wide, end - start, 1)
    # On either side of its top the tent is linear, so each half contributes its share of the bin times the height at
    # the middle of that share: no difference of nearly equal antiderivatives, hence no cancellation in narrow bins.
    mean = jnp.zeros_like(start)
    for left, right, slope in ((-1.0, 0.0, 1.0), (0.0, 1.0, -1.0)):
        a, b = _clamp(start, left, right), _clamp(end, left, right)
        mean += (b - a) / across * (1 + slope * (a + b) / 2)
    middle = start + width / 2
    point = jnp.where(jnp.abs(middle) < 1, 1 - jnp.where(middle < 0, -middle, middle), 0)
    return jnp.where(wide, mean, point)


def _clamp(x: Any, low: float, high: float) -> Any:
    """Clamp with one-sided derivatives: `jnp.clip` would halve them at the ends, which integers hit."""
    return jnp.where(x < low, low, jnp.where(x >= high, high, x))
