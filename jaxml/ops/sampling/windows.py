"""Weighted sums of small windows of an image: the one kernel under every sampling and pooling op.

`window_sum` reads, for each of `n` outputs and `s` samples, an `a x b` window of pixels (whole channel rows, channels
last) and adds them up with given weights:

    out[n, c] = sum_{s, a, b} weight[n, s, a, b] * image[start[n, s, 0] + a, start[n, s, 1] + b, c]

It is linear in the image and linear in the weights, and so are its two transposes: the sum of weighted rows back into
an image, and the inner products of rows with pixels. The three are one another's derivatives, so they are three JAX
primitives with two rules each, and forward mode, reverse mode and any mixture of them follow to every order.

Autodiff of a gather would give a scatter of single rows, which XLA runs one row at a time on a CPU (1.2 us each); here
the CPU adds a whole window in place per step of a loop (0.1 us each). GPUs and TPUs keep the scatter, which is
atomic or sorted there.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxml.ops import primitives

__all__ = ["TAPS_PER_LOOP", "accumulator", "window_sum"]

TAPS_PER_LOOP = 16
"""Taps summed in one fused loop: more makes compilation slow, fewer writes the output more often."""
# Floats of gathered pixels held at once by the inner products: 1 MiB, which stays in a core's cache.
_GATHERED_FLOATS = 1 << 18


def accumulator(dtype: Any) -> Any:
    """The dtype in which sums of `dtype` are taken: at least float32."""
    return jnp.dtype(jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype)


def window_sum(
    image: Float[Array, "h w c"], start: Int[Array, "n s 2"], weight: Float[Array, "n s a b"]
) -> Float[Array, "n c"]:
    """Sum weighted windows of an image.

    Args:
        image: pixels, channels last.
        start: (y, x) of each window's first pixel; the caller keeps windows inside: 0 <= y <= h - a, 0 <= x <= w - b.
        weight: one weight per pixel of each window, of dtype `accumulator(image.dtype)`.

    Returns:
        One row of channels per output, in the image's dtype.

    >>> image = jnp.arange(12.0).reshape(3, 4, 1)
    >>> window_sum(image, jnp.array([[[1, 2]]]), jnp.full((1, 1, 2, 2), 0.25))  # mean of 6, 7, 10, 11
    Array([[8.5]], dtype=float32)
    """
    return _gather(start.astype(jnp.int32), image, weight)


def _rows(image: Any) -> Any:
    return image.reshape(math.prod(image.shape[:-1]), image.shape[-1])


def _taps(start: Any, width: int, a: int, b: int) -> Any:
    """Row numbers in the flattened image of every pixel of every window: [n, s * a * b]."""
    y = start[:, :, 0, None, None] + jnp.arange(a, dtype=jnp.int32)[None, None, :, None]
    x = start[:, :, 1, None, None] + jnp.arange(b, dtype=jnp.int32)[None, None, None, :]
    return (y * width + x).reshape(start.shape[0], start.shape[1] * a * b)


def _gather_rows(start: Any, image: Any, weight: Any) -> Any:
    n, s, a, b = weight.shape
    rows, taps, weight = _rows(image), _taps(start, image.shape[1], a, b), weight.reshape(n, s * a * b)

    def add(total: Any, taps: Any, weight: Any) -> Any:
        for t in range(taps.shape[1]):
            pixel = rows.at[taps[:, t]].get(mode="promise_in_bounds").astype(weight.dtype)
            total = total + weight[:, t, None] * pixel
        return total

    total = jnp.zeros((n, image.shape[-1]), weight.dtype)
    blocks = s * a * b // TAPS_PER_LOOP
    if blocks > 1:

        def block(i: Any, total: Any) -> Any:
            cut = partial(lax.dynamic_slice_in_dim, start_index=i * TAPS_PER_LOOP, slice_size=TAPS_PER_LOOP, axis=1)
            return add(total, cut(taps), cut(weight))

        total = lax.fori_loop(0, blocks, block, total)
        taps, weight = taps[:, blocks * TAPS_PER_LOOP :], weight[:, blocks * TAPS_PER_LOOP :]
    return add(total, taps, weight).astype(image.dtype)


def _scatter_rows(start: Any, rows: Any, weight: Any, *, size: tuple[int, int]) -> Any:
    if weight.size * rows.size == 0:  # nothing to add, and no first window to look at
        return jnp.zeros((*size, rows.shape[1]), rows.dtype)
    args = (start, rows, weight)
    image = lax.platform_dependent(
        *args, cpu=partial(_scatter_loop, size=size), default=partial(_scatter_at, size=size)
    )
    return image.astype(rows.dtype)


def _scatter_loop(start: Any, rows: Any, weight: Any, *, size: tuple[int, int]) -> Any:
    n, s, a, b = weight.shape
    channels = rows.shape[1]

    def window(i: Any, j: Any, image: Any) -> Any:
        # One slice, one fused multiply-add and one update in place: XLA compiles it into a single kernel.
        corner = (start[i, j, 0], start[i, j, 1], jnp.int32(0))
        pixels = lax.dynamic_slice(image, corner, (a, b, channels))
        change = weight[i, j][:, :, None] * rows[i][None, None].astype(weight.dtype)
        return lax.dynamic_update_slice(image, pixels + change, corner)

    def output(i: Any, image: Any) -> Any:
        if s > 4:
            return lax.fori_loop(0, s, lambda j, image: window(i, j, image), image)
        for j in range(s):
            image = window(i, j, image)
        return image

    return lax.fori_loop(0, n, output, jnp.zeros((*size, channels), weight.dtype))


def _scatter_at(start: Any, rows: Any, weight: Any, *, size: tuple[int, int]) -> Any:
    n, s, a, b = weight.shape
    height, width = size
    updates = weight.reshape(n, s * a * b, 1) * rows.astype(weight.dtype)[:, None]
    image = jnp.zeros((height * width, rows.shape[1]), weight.dtype)
    image = image.at[_taps(start, width, a, b)].add(updates, mode="promise_in_bounds")
    return image.reshape(height, width, rows.shape[1])


def _dot_rows(start: Any, image: Any, rows: Any, *, window: tuple[int, int]) -> Any:
    n, s = start.shape[:2]
    dtype = accumulator(image.dtype)
    pixels, taps = _rows(image), _taps(start, image.shape[1], *window)

    def one(tap_and_row: Any) -> Any:
        tap, row = tap_and_row
        near = pixels.at[tap].get(mode="promise_in_bounds").astype(dtype)
        return jnp.einsum("tc,c->t", near, row.astype(dtype), precision=lax.Precision.HIGHEST)

    together = max(1, min(n, _GATHERED_FLOATS // max(1, taps.shape[1] * image.shape[2])))
    products = lax.map(one, (taps, rows), batch_size=together) if n else jnp.zeros(taps.shape, dtype)
    return products.reshape(n, s, *window)


def _batch(bind: Callable, lanes: int, args: Any, mapped: Any, **params: Any) -> Any:
    """Lay the images of a batch under one another and the outputs one after another: one call, no loop over lanes."""

    def fold(arg: Any) -> Any:
        return arg.reshape(lanes * arg.shape[1], *arg.shape[2:])

    reads_image = "size" not in params
    start, image, right = (primitives.spread(arg, moves, lanes) for arg, moves in zip(args, mapped, strict=True))
    outputs = start.shape[1]
    if reads_image and not mapped[1]:
        left, height = args[1], 0  # one image, read by every lane
    else:
        left, height = fold(image), image.shape[1] if reads_image else params["size"][0]
    start = start.at[..., 0].add(jnp.arange(lanes, dtype=start.dtype)[:, None, None] * height)
    if not reads_image:
        params["size"] = (lanes * height, params["size"][1])
    out = bind(fold(start), left, fold(right), **params)
    return out.reshape(lanes, height if not reads_image else outputs, *out.shape[1:])


_gather = primitives.bilinear(
    "gather",
    _gather_rows,
    lambda start, image, weight: ((weight.shape[0], image.shape[2]), image.dtype),
    (
        lambda ct, start, image, weight: _scatter(start, ct, weight, size=image.shape[:2]),
        lambda ct, start, image, weight: _dot(start, image, ct, window=weight.shape[2:]),
    ),
    _batch,
)
_scatter = primitives.bilinear(
    "scatter",
    _scatter_rows,
    lambda start, rows, weight, size: ((*size, rows.shape[1]), rows.dtype),
    (
        lambda ct, start, rows, weight: _gather(start, ct, weight),
        lambda ct, start, rows, weight: _dot(start, ct, rows, window=weight.shape[2:]),
    ),
    _batch,
    static=("size",),
)
_dot = primitives.bilinear(
    "dot",
    _dot_rows,
    lambda start, image, rows, window: ((*start.shape[:2], *window), accumulator(image.dtype)),
    (
        lambda ct, start, image, rows: _scatter(start, rows, ct, size=image.shape[:2]),
        lambda ct, start, image, rows: _gather(start, image, ct),
    ),
    _batch,
    static=("window",),
)
