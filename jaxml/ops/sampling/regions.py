"""Crop boxes out of an image and resize them to one size, as TensorFlow's `image.crop_and_resize`."""

from typing import Any, Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes
from jaxml.ops.exact import quotient
from jaxml.ops.finite import bounded, widened
from jaxml.ops.once import once
from jaxml.ops.sampling.product import Samples, gather_samples
from jaxml.ops.sampling.windows import accumulator

__all__ = ["crop_and_resize"]

# Edges farther away count as that far, so that their products with whole numbers are finite.
_FARTHEST = 2.0**50


def crop_and_resize(
    image: Float[Array, "h w c"],
    boxes: Float[Array, "k 4"],
    *,
    crop_size: int | tuple[int, int],
    mode: Literal["bilinear", "nearest"] = "bilinear",
    extrapolation_value: Scalar = 0.0,
) -> Float[Array, "k oh ow c"]:
    """Sample a regular grid of points in each box, its corners included.

        y[p] = (y1 + p / (oh - 1) * (y2 - y1)) * (h - 1),   the middle of the box when oh = 1

    Args:
        image: one image, channels last.
        boxes: (x1, y1, x2, y2), normalised so that 0 and 1 are the centres of the first and the last pixel. A box with
            x2 < x1 is mirrored; a box with NaN gives `extrapolation_value`.
        crop_size: rows and columns (oh, ow), or one number for both.
        mode: "bilinear" or "nearest" (halves up).
        extrapolation_value: the value of samples outside the image; may be traced.

    Returns:
        One crop per box, in the dtype of `image`.

    Raises:
        ValueError: for wrong shapes, dtypes, mode or crop size.

    Not antialiased, and not the same as RoIAlign: one sample per output pixel, corners on pixel centres. TensorFlow
    orders boxes (y1, x1, y2, x2).

    See also: `roi_align`, which averages several samples per output pixel.

    >>> image = jnp.arange(9.0).reshape(3, 3, 1)
    >>> crop_and_resize(image, jnp.array([[0.0, 0.0, 1.0, 0.5]]), crop_size=2)[0, :, :, 0]
    Array([[0., 2.],
           [3., 5.]], dtype=float32)
    """
    sizes = check_shapes("crop_and_resize", image=(image, "h w c"), boxes=(boxes, "k 4"))
    check_floating("crop_and_resize", image=image, boxes=boxes)
    check_choice("crop_and_resize", "mode", mode, ("bilinear", "nearest"))
    rows, columns = crop_size if isinstance(crop_size, tuple) else (crop_size, crop_size)
    if not all(isinstance(size, int) and size > 0 for size in (rows, columns)):
        raise ValueError(
            f"crop_and_resize: 'crop_size' must be a positive integer or two, got {crop_size!r}. "
            "It fixes the output's shape, so pass Python integers."
        )
    edges = bounded(widened(boxes, accumulator(boxes.dtype)), _FARTHEST, boxes)
    ys, inside_y = _crop_axis(edges[:, 1], edges[:, 3], sizes["h"], rows, mode)
    xs, inside_x = _crop_axis(edges[:, 0], edges[:, 2], sizes["w"], columns, mode)
    inside = inside_y[:, :, None, None] & inside_x[:, None, :, None]
    outside = jnp.asarray(extrapolation_value, image.dtype)
    return jnp.where(inside, gather_samples(image, ys, xs), outside)


def _crop_axis(low: Any, high: Any, size: int, steps: int, mode: str) -> tuple[Samples, Any]:
    # Row p lies at (a low + b high) / (a + b) of the way, with whole numbers a and b: the ends are the box's own.
    b = jnp.arange(steps, dtype=low.dtype)[None] if steps > 1 else jnp.ones((1, 1), low.dtype)
    parts = steps - 1 if steps > 1 else 2
    way = low[:, None] * (parts - b) + high[:, None] * b
    inside = (way >= 0) & (way <= parts) if size > 1 else jnp.isfinite(way)
    y = once(jnp.where(inside, quotient(way * (size - 1), parts), 0))
    if mode == "nearest":
        floor = jnp.floor(y)
        y = lax.stop_gradient(jnp.where(y - floor >= 0.5, floor + 1, floor))
    floor = lax.stop_gradient(jnp.minimum(jnp.floor(y), max(size - 2, 0)))
    weight = inside.astype(y.dtype)
    samples = Samples(floor.astype(jnp.int32), y - floor, weight)
    return Samples(*(a[:, :, None] for a in samples)), inside
