"""RoIAlign on a feature pyramid: each box is pooled from the one level that suits its size."""

from collections.abc import Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from jaxml.ops.checks import Scalar, check_floating, check_shapes
from jaxml.ops.finite import saturated, unit_of
from jaxml.ops.roi.align import Implementation, align, check_align, pair
from jaxml.ops.roi.axis import map_boxes
from jaxml.ops.sampling.windows import accumulator

__all__ = ["box_levels", "multiscale_roi_align"]

# Added before the floor so that a box of exactly the canonical size falls on its own level in float32.
_FLOOR_SLACK = 1e-6


def box_levels(
    boxes: Float[Array, "k 4"],
    *,
    min_level: int,
    max_level: int,
    canonical_size: Scalar = 224.0,
    canonical_level: Scalar = 4,
) -> Int[Array, "k"]:
    """Choose a pyramid level for each box by its size.

        level = clamp(floor(canonical_level + log2(sqrt(area) / canonical_size) + 1e-6), min_level, max_level)

    Args:
        boxes: (x1, y1, x2, y2) in input coordinates.
        min_level: finest level, of stride 2 ** min_level.
        max_level: coarsest level.
        canonical_size: side in input pixels of a box that belongs on `canonical_level`; may be traced.
        canonical_level: its level; may be traced.

    Returns:
        Levels as int32; a box without area, reversed or with NaN gets `min_level`.

    Raises:
        ValueError: for wrong shapes or dtypes.

    Piecewise constant, so it has no derivative. The level itself, not an index into the pyramid.

    References:
        Lin et al. (2017), Feature pyramid networks for object detection, eq. 1. https://doi.org/10.1109/CVPR.2017.106

    >>> sides = jnp.array([0.0, 112.0, 224.0, 448.0, 9999.0])
    >>> boxes = jnp.stack([0 * sides, 0 * sides, sides, sides], axis=-1)
    >>> box_levels(boxes, min_level=2, max_level=5)
    Array([2, 3, 4, 5, 5], dtype=int32)
    """
    check_shapes("box_levels", boxes=(boxes, "k 4"))
    check_floating("box_levels", boxes=boxes)
    # In quarters, of which no difference overflows, and with a unit in which no area does or vanishes.
    corners = lax.stop_gradient(boxes.astype(accumulator(boxes.dtype))) / 4
    width, height = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    unit = unit_of(jnp.sqrt(jnp.abs(width)) * jnp.sqrt(jnp.abs(height)))
    area = width * unit * height * unit
    some = area > 0
    size = jnp.where(some, saturated(4 * (jnp.sqrt(jnp.where(some, area, 1)) / unit), width, height), 1)
    # The largest level whose least size a box reaches: the formula's floor of a logarithm, by comparing products.
    levels = jnp.arange(min_level + 1, max_level + 1, dtype=size.dtype)
    least = canonical_size * jnp.exp2(levels - canonical_level)
    reached = some[:, None] & (size[:, None] * 2**_FLOOR_SLACK >= least[None])
    return min_level + jnp.sum(reached, axis=1, dtype=jnp.int32)


def multiscale_roi_align(
    pyramid: Sequence[Float[Array, "_h _w c"]],
    boxes: Float[Array, "k 4"],
    *,
    output_size: int | tuple[int, int],
    min_level: int = 2,
    canonical_size: Scalar = 224.0,
    canonical_level: Scalar = 4,
    sampling_ratio: int = 2,
    max_sampling_ratio: int | None = None,
    aligned: bool = True,
    mode: Literal["avg", "max"] = "avg",
    implementation: Implementation | None = None,
) -> Float[Array, "k oh ow c"]:
    """RoIAlign of each box on its own level of a feature pyramid, and on no other.

    Args:
        pyramid: maps from fine to coarse, level `min_level + i` having stride 2 ** (min_level + i).
        boxes: (x1, y1, x2, y2) in input coordinates.
        output_size: bins (oh, ow), or one number for both.
        min_level: level of the first map; 2 is stride 4, where feature pyramids of ResNets begin.
        canonical_size: see `box_levels`.
        canonical_level: see `box_levels`.
        sampling_ratio: see `roi_align`.
        max_sampling_ratio: see `roi_align`; with adaptive sampling pass one, since boxes on their level are small.
        aligned: see `roi_align`; torchvision's MultiScaleRoIAlign uses False.
        mode: see `roi_align`.
        implementation: see `roi_align`.

    Returns:
        One grid of bins per box.

    Raises:
        ValueError: for an empty pyramid, maps that differ in channels or dtype, or what `roi_align` refuses.

    Not a blend of levels: the result jumps when a box changes level, and its gradient is that of the level it is on.

    References:
        Lin et al. (2017), Feature pyramid networks for object detection, section 4.2.
        https://doi.org/10.1109/CVPR.2017.106

    >>> pyramid = [jnp.full((64 // 2**i, 64 // 2**i, 1), 2.0 + i) for i in range(4)]
    >>> boxes = jnp.array([[0.0, 0.0, 56.0, 56.0], [0.0, 0.0, 250.0, 250.0]])
    >>> multiscale_roi_align(pyramid, boxes, output_size=1)[:, 0, 0, 0]  # the level is all that these maps hold
    Array([2., 4.], dtype=float32)
    """
    where = "multiscale_roi_align"
    if not isinstance(pyramid, Sequence):
        raise ValueError(
            f"{where}: 'pyramid' must be a list of maps from fine to coarse, got {type(pyramid).__name__}. "
            "Use list(pyramid.values()) for a dict by level."
        )
    if not pyramid:
        raise ValueError(f"{where}: 'pyramid' must hold at least one map, got none.")
    for i, level in enumerate(pyramid):
        check_shapes(where, hint="", **{f"pyramid[{i}]": (level, f"h w {pyramid[0].shape[-1]}")})
        check_floating(where, **{f"pyramid[{i}]": level})
        if level.dtype != pyramid[0].dtype:
            raise ValueError(
                f"{where}: 'pyramid[{i}]' must be {pyramid[0].dtype} like the first map, got {level.dtype}. "
                f"Use pyramid[{i}].astype({pyramid[0].dtype})."
            )
    check_shapes(where, boxes=(boxes, "k 4"))
    check_floating(where, boxes=boxes)
    canvas, origins = _pack(pyramid)
    chosen = check_align(where, output_size, sampling_ratio, max_sampling_ratio, mode, implementation, canvas.shape)
    level = box_levels(
        boxes,
        min_level=min_level,
        max_level=min_level + len(pyramid) - 1,
        canonical_size=canonical_size,
        canonical_level=canonical_level,
    )
    index = level - min_level
    dtype = accumulator(boxes.dtype)
    scale = jnp.array([2.0 ** -(min_level + i) for i in range(len(pyramid))], dtype)[index]
    return align(
        canvas,
        map_boxes(boxes, scale[:, None]),
        jnp.array(origins, jnp.int32)[index],
        jnp.array([level.shape[:2] for level in pyramid], jnp.int32)[index],
        bins=pair(output_size),
        sampling_ratio=sampling_ratio,
        cap=max_sampling_ratio,
        aligned=aligned,
        mode=mode,
        implementation=chosen,
    )


def _pack(pyramid: Sequence[Any]) -> tuple[Any, np.ndarray]:
    """Lay the maps on one canvas, the first on the left and the others in a column beside it; returns their corners.

    Halving maps fill it to 8/9, so that one call can sample every box on its own level at little cost.
    """
    origins = np.zeros((len(pyramid), 2), np.int32)
    heights, widths = zip(*(level.shape[:2] for level in pyramid), strict=True)
    origins[1:, 0] = np.cumsum([0, *heights[1:-1]])[: len(pyramid) - 1]
    origins[1:, 1] = widths[0]
    height = max(heights[0], sum(heights[1:]))
    column = max(widths[1:], default=0)
    right = [_pad(level, level.shape[0], column) for level in pyramid[1:]]
    right = [_pad(jnp.concatenate(right), height, column)] if right else []
    return jnp.concatenate([_pad(pyramid[0], height, widths[0]), *right], axis=1), origins


def _pad(level: Any, height: int, width: int) -> Any:
    return jnp.pad(level, ((0, height - level.shape[0]), (0, width - level.shape[1]), (0, 0)))
