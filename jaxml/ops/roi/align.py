"""RoIAlign: pool boxes of any size into a fixed grid of bins by bilinear samples, differentiable in the boxes too.

One map `[h, w, c]`, channels last, and its boxes `[k, 4]` as (x1, y1, x2, y2) in input coordinates; batches by `vmap`.

Two formulations agree to rounding. "gather" reads the four pixels around every sample; its cost grows with samples.
"dense" multiplies by one weight matrix per axis; its cost grows with the map, and it is exact for any number of
samples per bin.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes
from jaxml.ops.once import once
from jaxml.ops.roi.axis import (
    Axis,
    box_axis,
    dense_samples,
    fixed_samples,
    map_boxes,
    separable_sum,
    weight_matrix,
)
from jaxml.ops.sampling.product import Samples, at_least, gather_samples, sample_windows
from jaxml.ops.sampling.windows import accumulator, window_sum

__all__ = ["roi_align"]

Implementation = Literal["gather", "dense"]


def roi_align(
    features: Float[Array, "h w c"],
    boxes: Float[Array, "k 4"],
    *,
    output_size: int | tuple[int, int],
    spatial_scale: Scalar = 1.0,
    sampling_ratio: int = 2,
    max_sampling_ratio: int | None = None,
    aligned: bool = True,
    mode: Literal["avg", "max"] = "avg",
    implementation: Implementation | None = None,
) -> Float[Array, "k oh ow c"]:
    """Pool each box into `output_size` bins of bilinear samples.

        out[k, p, q] = mean_{i, j < g} F(y1 + (p + (i + 0.5) / g) * bin_h, x1 + (q + (j + 0.5) / g) * bin_w)

    with F the bilinear interpolation of the map: clamped within one pixel of its border, 0 beyond.

    Args:
        features: one map, channels last.
        boxes: (x1, y1, x2, y2) in input coordinates; a box with NaN pools to 0.
        output_size: bins (oh, ow), or one number for both.
        spatial_scale: input coordinates times this are map coordinates; may be traced.
        sampling_ratio: samples g per bin and axis; 0 is adaptive, ceil(side / bins) per box and axis.
        max_sampling_ratio: cap on the adaptive count, at least 1; None is exact for every box ("dense" only). With a
            cap the "gather" formulation can be used, exact for boxes of at most cap * output_size map pixels.
        aligned: shift by half a pixel so that coordinate 0.5 is the centre of pixel 0 (detectron2, ONNX
            half_pixel); False is torchvision's default and also widens sides below 1 to 1.
        mode: the mean of the samples, or their maximum (ties share the gradient).
        implementation: "gather" or "dense"; None takes the cheaper by a static count of operations.

    Returns:
        One grid of bins per box, in the dtype of `features`.

    Raises:
        ValueError: for wrong shapes, dtypes, modes or sampling ratios.

    The box gradient is that of the sampled formula: it leaves out the drop to 0 one pixel outside the map and the jumps
    of an adaptive count. `prroi_pool` is smooth in the box. RoIAlign is not an exact integral over the bin.

    References:
        He, Gkioxari, Dollar, Girshick (2017), Mask R-CNN, section 3. https://doi.org/10.1109/ICCV.2017.322

    >>> ramp = jnp.arange(25.0).reshape(5, 5, 1)
    >>> roi_align(ramp, jnp.array([[1.0, 1.0, 3.0, 3.0]]), output_size=2)[0, :, :, 0]
    Array([[ 6.,  7.],
           [11., 12.]], dtype=float32)
    """
    check_shapes("roi_align", features=(features, "h w c"), boxes=(boxes, "k 4"))
    check_floating("roi_align", features=features, boxes=boxes)
    implementation = check_align(
        "roi_align", output_size, sampling_ratio, max_sampling_ratio, mode, implementation, features.shape
    )
    return align(
        features,
        map_boxes(boxes, spatial_scale),
        jnp.zeros(2, jnp.int32),
        jnp.array(features.shape[:2], jnp.int32),
        bins=pair(output_size),
        sampling_ratio=sampling_ratio,
        cap=max_sampling_ratio,
        aligned=aligned,
        mode=mode,
        implementation=implementation,
    )


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """One number or two, as two."""
    return (size, size) if isinstance(size, int) else size


def check_output_size(where: str, output_size: Any) -> None:
    """Refuse an output size that is not one or two positive Python integers."""
    sizes = output_size if isinstance(output_size, tuple) else (output_size, output_size)
    if len(sizes) != 2 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(
            f"{where}: 'output_size' must be a positive integer or two, got {output_size!r}. "
            "It fixes the output's shape, so pass Python integers."
        )


def check_align(
    where: str,
    output_size: Any,
    sampling_ratio: int,
    cap: int | None,
    mode: str,
    implementation: Implementation | None,
    shape: tuple[int, ...],
) -> Implementation:
    """Check the static arguments of an aligned pooling and choose its formulation."""
    check_output_size(where, output_size)
    check_choice(where, "mode", mode, ("avg", "max"))
    check_choice(where, "implementation", implementation, ("gather", "dense", None))
    if not isinstance(sampling_ratio, int) or sampling_ratio < 0:
        raise ValueError(
            f"{where}: 'sampling_ratio' must be a Python integer >= 0, got {sampling_ratio!r}. Use 0 for adaptive."
        )
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise ValueError(f"{where}: 'max_sampling_ratio' must be None or a Python integer >= 1, got {cap!r}.")
    slots = sampling_ratio or cap
    if slots is None and (mode == "max" or implementation == "gather"):
        reason = "mode='max'" if mode == "max" else "implementation='gather'"
        raise ValueError(
            f"{where}: adaptive sampling with {reason} needs a bound. Pass max_sampling_ratio=N, the largest box side "
            "in map pixels divided by the output size."
        )
    if mode == "max" and implementation == "dense":
        raise ValueError(f"{where}: the maximum of samples is not separable. Use implementation='gather'.")
    if implementation is not None:
        return implementation
    if mode == "max":
        return "gather"
    return "dense" if slots is None or _dense_is_cheaper(pair(output_size), slots, shape) else "gather"


def _dense_is_cheaper(bins: tuple[int, int], slots: int, shape: tuple[int, ...]) -> bool:
    """Compare multiply-adds per box and channel: the pixels that are gathered against the two matrix products.

    On a CPU one of either costs much the same (0.03 to 0.1 ns on two cores), since the products are small.
    """
    (bins_y, bins_x), (height, width) = bins, shape[:2]
    gathered = 4 * slots**2 * bins_y * bins_x
    products = bins_y * width * height + bins_y * bins_x * width
    return products < gathered


def align(
    canvas: Any,
    boxes: Any,
    origin: Any,
    size: Any,
    *,
    bins: tuple[int, int],
    sampling_ratio: int,
    cap: int | None,
    aligned: bool,
    mode: str,
    implementation: Implementation,
) -> Any:
    """RoIAlign of boxes in map coordinates; a box's map lies at `origin` (y, x) of the canvas and has `size` (h, w)."""
    dtype = accumulator(canvas.dtype)
    y, x = align_axes(boxes, size, bins, sampling_ratio, cap, aligned=aligned)
    if implementation == "dense":
        wy = axis_matrix(y, bins[0], canvas.shape[0], origin[..., 0], sampling_ratio)
        wx = axis_matrix(x, bins[1], canvas.shape[1], origin[..., 1], sampling_ratio)
        return separable_sum(canvas, wy.astype(dtype), wx.astype(dtype))
    slots = sampling_ratio or cap
    assert slots is not None  # check_align refuses an unbounded gather
    ys, xs = fixed_samples(y, bins[0], slots), fixed_samples(x, bins[1], slots)
    ys, xs = _shift(ys, origin[..., 0]), _shift(xs, origin[..., 1])
    if mode == "avg":
        return gather_samples(canvas, ys, xs)
    return _largest(canvas, ys, xs, y.count, x.count)


def align_axes(
    boxes: Any, size: Any, bins: tuple[int, int], sampling_ratio: int, cap: int | None, *, aligned: bool
) -> tuple[Axis, Axis]:
    """The y and the x axis of boxes in map coordinates, on maps of `size` (h, w)."""
    y, x = (
        box_axis(
            boxes[:, 1 - i],
            boxes[:, 3 - i],
            size[..., i],
            bins=bins[i],
            sampling_ratio=sampling_ratio,
            cap=cap,
            aligned=aligned,
        )
        for i in range(2)
    )
    return y, x


def axis_matrix(axis: Axis, bins: int, pixels: int, origin: Any, sampling_ratio: int) -> Any:
    """Weights [k, bins, pixels] of every pixel of the canvas along one axis."""
    if sampling_ratio:
        return weight_matrix(fixed_samples(axis, bins, sampling_ratio), pixels, origin)
    return weight_matrix(dense_samples(axis, bins, pixels, origin), pixels, origin)


def _shift(samples: Samples, origin: Any) -> Samples:
    return samples._replace(low=samples.low + jnp.reshape(origin, (-1, 1, 1)))


def _largest(canvas: Any, ys: Samples, xs: Samples, count_y: Any, count_x: Any) -> Any:
    """The largest sample of each bin; samples outside the map are 0, bins without samples are 0."""
    canvas = at_least(canvas, 2)
    # Undo the mean: a taken sample weighs 1 per axis.
    ys = ys._replace(weight=(ys.weight > 0).astype(ys.weight.dtype))
    xs = xs._replace(weight=(xs.weight > 0).astype(xs.weight.dtype))
    start, weight = sample_windows(ys, xs, accumulator(canvas.dtype))
    (k, p, q, g, r), c = start.shape[:5], canvas.shape[2]
    samples = k * p * q * g * r
    values = window_sum(canvas, start.reshape(samples, 1, 2), weight.reshape(samples, 1, 2, 2))
    values = values.reshape(k, p, q, g * r, c)
    taken_y = jnp.arange(g, dtype=count_y.dtype)[None] < count_y[:, None]
    taken_x = jnp.arange(r, dtype=count_x.dtype)[None] < count_x[:, None]
    taken = (taken_y[:, :, None] & taken_x[:, None, :]).reshape(k, 1, 1, g * r, 1)
    return jnp.where(jnp.any(taken, axis=3), _greatest(values, taken), 0)


@jax.custom_jvp
def _greatest(values: Any, taken: Any) -> Any:
    return jnp.max(jnp.where(taken, values, -jnp.inf), axis=3)


@_greatest.defjvp
def _greatest_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    # Computed once: a sample that is computed again for its derivative, and rounded otherwise, would equal no maximum.
    values, taken = once(primals[0]), primals[1]
    largest = _greatest(values, taken)
    share = taken & (values == largest[:, :, :, None])
    number = jnp.maximum(jnp.sum(share, axis=3), 1).astype(values.dtype)
    return largest, jnp.sum(jnp.where(share, tangents[0], 0), axis=3) / number
