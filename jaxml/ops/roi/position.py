"""Position-sensitive RoIAlign: every bin reads channels of its own."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, check_floating, check_shapes
from jaxml.ops.once import apart
from jaxml.ops.roi.align import Implementation, align_axes, axis_matrix, check_align, pair
from jaxml.ops.roi.axis import fixed_samples, map_boxes, separable_sum
from jaxml.ops.sampling.product import at_least, sample_windows
from jaxml.ops.sampling.windows import accumulator, window_sum

__all__ = ["position_channels", "ps_roi_align"]


def ps_roi_align(
    features: Float[Array, "h w c"],
    boxes: Float[Array, "k 4"],
    *,
    output_size: int | tuple[int, int],
    spatial_scale: Scalar = 1.0,
    sampling_ratio: int = 2,
    max_sampling_ratio: int | None = None,
    implementation: Implementation | None = None,
) -> Float[Array, "k oh ow o"]:
    """RoIAlign in which bin (p, q) of output channel o reads input channel (o oh + p) ow + q.

    Args:
        features: one map; c = o * oh * ow channels.
        boxes: (x1, y1, x2, y2) in input coordinates; always aligned: coordinate 0.5 is the centre of pixel 0.
        output_size: bins (oh, ow), or one number for both.
        spatial_scale: input coordinates times this are map coordinates; may be traced.
        sampling_ratio: samples per bin and axis; 0 is adaptive, as in `roi_align`.
        max_sampling_ratio: cap on the adaptive count, as in `roi_align`.
        implementation: "gather" or "dense", as in `roi_align`.

    Returns:
        One grid of bins per box with o channels.

    Raises:
        ValueError: for wrong shapes, dtypes or modes, or channels that do not split over the bins.

    Not what the name in detectron2 suggests: there the offset of half a pixel is optional.

    References:
        Dai, Li, He, Sun (2016), R-FCN, eq. 1, with the sampling of Mask R-CNN. https://doi.org/10.48550/arXiv.1605.06409

    >>> features = jnp.broadcast_to(jnp.arange(4.0), (3, 3, 4))
    >>> ps_roi_align(features, jnp.array([[0.0, 0.0, 3.0, 3.0]]), output_size=2)[0, :, :, 0]  # one channel per bin
    Array([[0., 1.],
           [2., 3.]], dtype=float32)
    """
    where = "ps_roi_align"
    sizes = check_shapes(where, features=(features, "h w c"), boxes=(boxes, "k 4"))
    check_floating(where, features=features, boxes=boxes)
    chosen = check_align(where, output_size, sampling_ratio, max_sampling_ratio, "avg", implementation, features.shape)
    bins = pair(output_size)
    by_bin = position_channels(where, features, bins)
    scaled = map_boxes(boxes, spatial_scale)
    size = jnp.array(features.shape[:2], jnp.int32)
    y, x = align_axes(scaled, size, bins, sampling_ratio, max_sampling_ratio, aligned=True)
    if chosen == "dense":
        wy = axis_matrix(y, bins[0], sizes["h"], 0, sampling_ratio)
        wx = axis_matrix(x, bins[1], sizes["w"], 0, sampling_ratio)
        return separable_sum(by_bin, wy, wx)
    return _gather(by_bin, y, x, bins, sampling_ratio or max_sampling_ratio or 1)


def _gather(by_bin: Any, y: Any, x: Any, bins: tuple[int, int], slots: int) -> Any:
    h, w, p, q, o = by_bin.shape
    # The maps of all bins under one another, each at least 2 x 2: a bin's samples move down to its own map.
    maps = at_least(by_bin.reshape(h, w, p * q * o), 2).reshape(max(h, 2), max(w, 2), p * q, o)
    stacked = jnp.moveaxis(maps, 2, 0).reshape(p * q * maps.shape[0], maps.shape[1], o)
    start, weight = sample_windows(
        fixed_samples(y, bins[0], slots), fixed_samples(x, bins[1], slots), accumulator(by_bin.dtype)
    )
    below = (jnp.arange(p * q, dtype=start.dtype) * maps.shape[0]).reshape(1, p, q, 1, 1)
    k = start.shape[0]
    start = start.at[..., 0].add(below).reshape(k * p * q, slots**2, 2)
    out = window_sum(stacked, start, weight.reshape(k * p * q, slots**2, 2, 2))
    return apart(out).reshape(k, p, q, o)


def position_channels(where: str, features: Any, bins: tuple[int, int]) -> Any:
    """Split channels (o oh + p) ow + q into axes: [h, w, oh, ow, o]."""
    h, w, c = features.shape
    if c % (bins[0] * bins[1]):
        raise ValueError(
            f"{where}: 'features' must have a multiple of {bins[0]} * {bins[1]} channels, one set per bin, got {c}. "
            "Change output_size or the layer that makes the features."
        )
    return jnp.moveaxis(features.reshape(h, w, c // (bins[0] * bins[1]), *bins), 2, -1)
