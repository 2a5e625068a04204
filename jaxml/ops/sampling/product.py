"""Bilinear samples on product grids: every row position of a box meets every column position."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxml.ops import primitives
from jaxml.ops.once import apart
from jaxml.ops.sampling.windows import TAPS_PER_LOOP, accumulator, window_sum

__all__ = ["Samples", "at_least", "gather_samples", "sample_windows"]


class Samples(NamedTuple):
    """Bilinear samples along one axis, [k, bins, ..., s]: lower pixel, fraction towards the next one, weight."""

    low: Any
    fraction: Any
    weight: Any


def gather_samples(image: Any, ys: Samples, xs: Samples) -> Any:
    """Sum the weighted samples of each bin, four pixels per sample: [k, oh, ow, c]."""
    image = at_least(image, 2)
    dtype = accumulator(image.dtype)
    factors = ys.low, _pixel_weights(ys).astype(dtype), xs.low, _pixel_weights(xs).astype(dtype)
    taps = 4 * ys.low.shape[-1] * xs.low.shape[-1]
    return apart(_product(*factors, image) if taps <= TAPS_PER_LOOP else _by_windows(*factors, image))


def sample_windows(ys: Samples, xs: Samples, dtype: Any) -> tuple[Any, Any]:
    """Corners [k, oh, ow, gh, gw, 2] and weights [k, oh, ow, gh, gw, 2, 2] of the 2 x 2 window of every sample."""
    start, weight = _windows(ys.low, _pixel_weights(ys), xs.low, _pixel_weights(xs))
    return start, weight.astype(dtype)


def at_least(image: Any, size: int) -> Any:
    """Pad an image that is too small for a window of `size`; the caller gives the padding no weight."""
    missing = [max(0, size - n) for n in image.shape[:2]]
    return jnp.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0))) if any(missing) else image


def _pixel_weights(samples: Samples) -> Any:
    """Weights [k, bins, s, 2] of the lower pixel and the next."""
    return jnp.stack([1 - samples.fraction, samples.fraction], -1) * samples.weight[..., None]


def _windows(low_y: Any, weight_y: Any, low_x: Any, weight_x: Any) -> tuple[Any, Any]:
    (k, p, g), (q, r) = low_y.shape, low_x.shape[1:]
    weight = weight_y.reshape(k, p, 1, g, 1, 2, 1) * weight_x.reshape(k, 1, q, 1, r, 1, 2)
    low_y = jnp.broadcast_to(low_y.reshape(k, p, 1, g, 1), (k, p, q, g, r))
    low_x = jnp.broadcast_to(low_x.reshape(k, 1, q, 1, r), (k, p, q, g, r))
    return jnp.stack([low_y, low_x], -1), weight


def _by_windows(low_y: Any, weight_y: Any, low_x: Any, weight_x: Any, image: Any) -> Any:
    """The sum, with a position and four weights for every sample."""
    start, weight = _windows(low_y, weight_y, low_x, weight_x)
    k, p, q, g, r = start.shape[:5]
    out = window_sum(image, start.reshape(k * p * q, g * r, 2), weight.reshape(k * p * q, g * r, 2, 2))
    return out.reshape(k, p, q, image.shape[2])


def _by_factors(low_y: Any, weight_y: Any, low_x: Any, weight_x: Any, image: Any) -> Any:
    """The sum from the positions and weights of each axis alone; those of a pixel are made where it is read."""

    def taps(low: Any, weight: Any, step: int) -> tuple[Any, Any]:
        pixel = low[..., None] + jnp.arange(2, dtype=low.dtype).reshape(1, 1, 1, 2)
        k, bins, samples = low.shape
        return step * pixel.reshape(k, bins, 2 * samples), weight.reshape(k, bins, 2 * samples)

    rows = image.reshape(image.shape[0] * image.shape[1], image.shape[2])
    y, weight_y = taps(low_y, weight_y, image.shape[1])
    x, weight_x = taps(low_x, weight_x, 1)
    total = jnp.zeros((*y.shape[:2], x.shape[1], image.shape[2]), weight_y.dtype)
    for i in range(y.shape[2]):
        for j in range(x.shape[2]):
            pixel = rows.at[y[:, :, None, i] + x[:, None, :, j]].get(mode="promise_in_bounds").astype(total.dtype)
            total = total + (weight_y[:, :, None, i] * weight_x[:, None, :, j])[..., None] * pixel
    return total.astype(image.dtype)


def _product_tangent(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """By windows, whose sums have fast transposes."""
    moving = [i for i in (1, 3, 4) if tangents[i] is not None]

    def moved(*values: Any) -> Any:
        args = list(primals)
        for i, value in zip(moving, values, strict=True):
            args[i] = value
        return _by_windows(*args)

    return jax.jvp(moved, [primals[i] for i in moving], [tangents[i] for i in moving])[1]


def _product_batch(bind: Callable, lanes: int, args: Sequence[Any], mapped: Sequence[bool]) -> Any:
    """Boxes of all lanes one after another, images under one another: one call, no loop over lanes."""
    low_y, weight_y, low_x, weight_x = (
        primitives.spread(arg, moves, lanes) for arg, moves in zip(args[:4], mapped[:4], strict=True)
    )
    image, boxes = args[4], low_y.shape[1]
    if mapped[4]:
        offset = jnp.arange(lanes, dtype=low_y.dtype) * image.shape[1]
        low_y = low_y + offset.reshape(lanes, 1, 1, 1)
        image = image.reshape(lanes * image.shape[1], *image.shape[2:])
    folded = (arg.reshape(lanes * boxes, *arg.shape[2:]) for arg in (low_y, weight_y, low_x, weight_x))
    out = bind(*folded, image)
    return out.reshape(lanes, boxes, *out.shape[1:])


_product = primitives.own_rules(
    "product_sum",
    _by_factors,
    lambda low_y, weight_y, low_x, weight_x, image: (
        (*low_y.shape[:2], low_x.shape[1], image.shape[2]),
        image.dtype,
    ),
    _product_tangent,
    _product_batch,
)
