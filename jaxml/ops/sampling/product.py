"""Bilinear samples on product grids: every row position of a box meets every column position."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxml.ops.sampling.windows import accumulator, window_sum

__all__ = ["Samples", "at_least", "gather_samples", "sample_windows"]


class Samples(NamedTuple):
    """Bilinear samples along one axis, [k, bins, ..., s]: lower pixel, fraction towards the next one, weight."""

    low: Any
    fraction: Any
    weight: Any


def gather_samples(image: Any, ys: Samples, xs: Samples) -> Any:
    """Sum the weighted samples of each bin, four pixels per sample: [k, oh, ow, c]."""
    image = at_least(image, 2)
    start, weight = sample_windows(ys, xs, accumulator(image.dtype))
    k, p, q, g, r = start.shape[:5]
    out = window_sum(image, start.reshape(k * p * q, g * r, 2), weight.reshape(k * p * q, g * r, 2, 2))
    return out.reshape(k, p, q, image.shape[2])


def sample_windows(ys: Samples, xs: Samples, dtype: Any) -> tuple[Any, Any]:
    """Corners [k, oh, ow, gh, gw, 2] and weights [k, oh, ow, gh, gw, 2, 2] of the 2 x 2 window of every sample."""
    (k, p, g), (q, r) = ys.low.shape, xs.low.shape[1:]
    wy = jnp.stack([1 - ys.fraction, ys.fraction], -1) * ys.weight[..., None]
    wx = jnp.stack([1 - xs.fraction, xs.fraction], -1) * xs.weight[..., None]
    weight = wy.reshape(k, p, 1, g, 1, 2, 1) * wx.reshape(k, 1, q, 1, r, 1, 2)
    low_y = jnp.broadcast_to(ys.low.reshape(k, p, 1, g, 1), (k, p, q, g, r))
    low_x = jnp.broadcast_to(xs.low.reshape(k, 1, q, 1, r), (k, p, q, g, r))
    return jnp.stack([low_y, low_x], -1), weight.astype(dtype)


def at_least(image: Any, size: int) -> Any:
    """Pad an image that is too small for a window of `size`; the caller gives the padding no weight."""
    missing = [max(0, size - n) for n in image.shape[:2]]
    return jnp.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0))) if any(missing) else image
