"""Sampling an image at arbitrary points: `bilinear_sample` in pixel indices, `grid_sample` in [-1, 1].

One image `[h, w, c]`, channels last; points are (x, y); batches by `vmap`. A point that is not finite samples 0.
"""

import math
from functools import reduce
from typing import Any, Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.ops.checks import check_choice, check_floating, check_shapes
from jaxml.ops.exact import quotient
from jaxml.ops.finite import saturated, widened
from jaxml.ops.once import apart, once
from jaxml.ops.sampling.product import at_least
from jaxml.ops.sampling.windows import accumulator, window_sum

__all__ = ["bilinear_sample", "grid_sample"]

Mode = Literal["bilinear", "nearest", "bicubic"]
Padding = Literal["zeros", "border", "reflection"]

_TAPS = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}
# Keys's parameter; -0.75 is the choice of torch and ONNX, -0.5 would reproduce quadratics.
_CUBIC = -0.75


def bilinear_sample(
    image: Float[Array, "h w c"], points: Float[Array, "*batch 2"], *, padding: Padding = "zeros"
) -> Float[Array, "*batch c"]:
    """Interpolate an image between the four pixels around each point.

        out = (1-fy) (1-fx) I[y0, x0] + (1-fy) fx I[y0, x0+1] + fy (1-fx) I[y0+1, x0] + fy fx I[y0+1, x0+1]

    with y0 = floor(y), fy = y - y0, and x alike.

    Args:
        image: one image, channels last.
        points: (x, y) in pixel indices: (0, 0) is the centre of the first pixel.
        padding: pixels outside are 0 ("zeros"), the nearest pixel ("border") or mirrored about the centres of the
            border pixels ("reflection").

    Returns:
        One row of channels per point, in the image's dtype.

    Raises:
        ValueError: for wrong shapes, dtypes or padding.

    Derivatives at integer coordinates are those to the right. Not antialiased: see `jax.image.resize` for shrinking.

    See also: `grid_sample`, the same at normalised coordinates.

    >>> image = jnp.arange(12.0).reshape(3, 4, 1)
    >>> bilinear_sample(image, jnp.array([[1.5, 0.5], [-0.5, 0.0]]))[:, 0]
    Array([3.5, 0. ], dtype=float32)
    """
    check_shapes("bilinear_sample", image=(image, "h w c"), points=(points, "... 2"))
    check_floating("bilinear_sample", image=image, points=points)
    check_choice("bilinear_sample", "padding", padding, ("zeros", "border", "reflection"))
    return sample_points(image, points, mode="bilinear", padding=padding, reflect_edges=False)


def grid_sample(
    image: Float[Array, "h w c"],
    grid: Float[Array, "*batch 2"],
    *,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
    align_corners: bool = False,
) -> Float[Array, "*batch c"]:
    """Sample an image at normalised coordinates, as `torch.nn.functional.grid_sample` and ONNX GridSample.

        index = ((g + 1) * size - 1) / 2        align_corners=False: -1 and 1 are the outer edges of the image
        index = (g + 1) / 2 * (size - 1)        align_corners=True: -1 and 1 are the centres of its border pixels

    Args:
        image: one image, channels last.
        grid: (x, y), where [-1, 1] spans the image.
        mode: "bilinear", "nearest" (halves to even) or "bicubic" (Keys 1981 with a = -0.75).
        padding: outside pixels are 0 ("zeros"), the nearest pixel ("border") or mirrored ("reflection", about the outer
            edges, or about the centres of the border pixels with `align_corners`).
        align_corners: the meaning of -1 and 1; False is the default of torch and ONNX.

    Returns:
        One row of channels per grid point, in the image's dtype.

    Raises:
        ValueError: for wrong shapes, dtypes, mode or padding.

    "nearest" has no derivative in the grid (it is 0). A grid of shape `[oh, ow, 2]` gives an image `[oh, ow, c]`.

    References:
        Jaderberg, Simonyan, Zisserman, Kavukcuoglu (2015), Spatial transformer networks, eq. 5.
        https://doi.org/10.48550/arXiv.1506.02025

    >>> image = jnp.arange(4.0).reshape(2, 2, 1)
    >>> corner = jnp.array([-1.0, -1.0])
    >>> print(grid_sample(image, -corner, align_corners=True)[0], grid_sample(image, -corner)[0])
    3.0 0.75
    """
    check_shapes("grid_sample", image=(image, "h w c"), grid=(grid, "... 2"))
    check_floating("grid_sample", image=image, grid=grid)
    check_choice("grid_sample", "mode", mode, tuple(_TAPS))
    check_choice("grid_sample", "padding", padding, ("zeros", "border", "reflection"))
    size = jnp.array([image.shape[1], image.shape[0]], accumulator(grid.dtype))
    size = jnp.broadcast_to(size, grid.shape)
    grid = widened(grid, size.dtype)
    points = (grid + 1) / 2 * (size - 1) if align_corners else ((grid + 1) * size - 1) / 2
    points = saturated(points, grid)
    return sample_points(image, points, mode=mode, padding=padding, reflect_edges=not align_corners)


def sample_points(image: Any, points: Any, *, mode: Mode, padding: Padding, reflect_edges: bool) -> Any:
    """Sample at (x, y) in pixel indices; `reflect_edges` mirrors about outer edges instead of pixel centres."""
    h, w, c = image.shape
    taps = len(_TAPS[mode])
    n = math.prod(points.shape[:-1])
    flat = widened(points.reshape(n, 2), accumulator(points.dtype))
    if h == 0 or w == 0:
        raise ValueError(f"sampling: 'image' must have pixels, got shape {image.shape}.")
    start_y, weight_y = _axis_taps(flat[:, 1], h, mode, padding, reflect_edges)
    start_x, weight_x = _axis_taps(flat[:, 0], w, mode, padding, reflect_edges)
    weight = jnp.stack([wy * wx for wy in weight_y for wx in weight_x], -1).astype(accumulator(image.dtype))
    start = jnp.stack([start_y, start_x], -1)
    out = window_sum(at_least(image, taps), start[:, None], weight.reshape(n, 1, taps, taps))
    return apart(out).reshape(*points.shape[:-1], c)


def _axis_taps(x: Any, size: int, mode: Mode, padding: Padding, reflect_edges: bool) -> tuple[Any, list[Any]]:
    """First pixel [n] of a window inside the image and the weight [n] of each of its pixels, after padding."""
    known = jnp.isfinite(x)
    x = jnp.where(known, x, 0)
    if mode != "bicubic":  # cubic taps are padded one by one, below
        x = _pad(x, size, padding, reflect_edges)
    if padding == "zeros":  # beyond the reach of any tap, all the same: keeps the integers small
        x = jnp.where((x > -3) & (x < size + 2), x, -3)
    x = once(x)
    base = jnp.round(x) if mode == "nearest" else jnp.floor(x)
    if mode == "bilinear" and padding != "zeros":
        base = jnp.minimum(base, max(size - 2, 0))  # at the last pixel the slope to its left, not a slope to nothing
    base = lax.stop_gradient(base)
    taps = [base + offset for offset in _TAPS[mode]]
    if mode == "bicubic":
        taps = [_pad(tap, size, padding, reflect_edges) for tap in taps]
    weights = _tap_weights(x - base, mode)
    # Padding may fold taps onto one another or out of the image: give each pixel of the window what falls on it. One
    # vector per tap, not an axis of taps: XLA then computes them all in one vectorised loop.
    start = jnp.clip(reduce(jnp.minimum, taps), 0, max(size - len(taps), 0))
    window = []
    for i in range(len(taps)):
        pixel = start + i
        here = sum(jnp.where(tap == pixel, weight, 0) for tap, weight in zip(taps, weights, strict=True))
        window.append(jnp.where(known & (pixel < size), here, 0))
    return start.astype(jnp.int32), window


def _tap_weights(f: Any, mode: Mode) -> list[Any]:
    if mode == "nearest":
        return [jnp.ones_like(f)]
    if mode == "bilinear":
        return [1 - f, f]
    near = lambda d: ((_CUBIC + 2) * d - (_CUBIC + 3)) * d * d + 1  # noqa: E731
    far = lambda d: ((_CUBIC * d - 5 * _CUBIC) * d + 8 * _CUBIC) * d - 4 * _CUBIC  # noqa: E731
    return [far(1 + f), near(f), near(1 - f), far(2 - f)]


def _pad(x: Any, size: int, padding: Padding, reflect_edges: bool) -> Any:
    """Bring coordinates into the image by clamping or mirroring; zeros padding leaves them where they are."""
    if padding == "zeros":
        return x
    if padding == "reflection":
        low, span = (-0.5, size) if reflect_edges else (0.0, size - 1)
        if span == 0:
            return jnp.zeros_like(x)
        # Triangle wave of period 2 span: distance from `low`, folded at every multiple of the span.
        x = jnp.where(x < low, low - x, x - low)
        folds = lax.stop_gradient(jnp.floor(quotient(x, span)))
        rest = x - folds * span
        x = jnp.where(folds % 2 == 0, rest, span - rest) + low
    # `where` rather than `clip`: at exactly 0 and size - 1 the slope is that of the image, not half of it.
    return jnp.where(x < 0, 0, jnp.where(x > size - 1, size - 1, x))
