"""Soft non-maximum suppression, differentiable in scores and boxes."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from jaxml.ops.boxes.convert import PixelOffset, working
from jaxml.ops.boxes.overlap import box_iou
from jaxml.ops.checks import Scalar, check_choice
from jaxml.ops.nms.hard import finish, prepare


class SoftNMSResult(NamedTuple):
    """Which boxes survive, and their decayed scores, which carry the gradient; `scores[count:]` are 0."""

    indices: Int[Array, "k"]
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    keep: Bool[Array, "n"]
    scores: Float[Array, "k"]


def soft_nms(
    boxes: Num[Array, "n 4"],
    scores: Float[Array, "n"],
    *,
    method: Literal["linear", "gaussian"] = "gaussian",
    iou_threshold: Scalar = 0.3,
    sigma: Scalar = 0.5,
    min_score: Scalar = 1e-3,
    max_outputs: int | None = None,
    class_ids: Shaped[Array, "n"] | None = None,
    mask: Bool[Array, "n"] | None = None,
    pixel_offset: PixelOffset = 0,
) -> SoftNMSResult:
    """Let each kept box lower the scores of those it overlaps, instead of removing them.

    The best box left is kept; every other box left is multiplied by f(IoU with it); what falls below `min_score` goes.
    Linear: f(u) = 1 - u where u > iou_threshold, else 1. Gaussian: f(u) = exp(-u^2 / sigma).

    Args:
        boxes: `(n, 4)`, (x1, y1, x2, y2), n >= 0.
        scores: `(n,)`, >= 0. Ties go to the earlier box; a NaN score is no candidate; a NaN box meets no other.
        method: "linear" or "gaussian".
        iou_threshold: overlaps up to it do not decay, in [0, 1]; linear only; may be traced.
        sigma: width of the decay, > 0; Gaussian only; may be traced.
        min_score: candidates are those of decayed score >= min_score; may be traced.
        max_outputs: stop after so many, which is also the number of sequential steps. None is n.
        class_ids: `(n,)`, integers; boxes of different classes do not meet. None is one class.
        mask: `(n,)`, False for padding. None admits all.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices.

    Returns:
        `(indices, count, keep, scores)`: `(max_outputs,)` int32 in the order of keeping, padded with -1; how many of
        them count; `(n,)` bool, True for those boxes; and `(max_outputs,)` their decayed scores, padded with 0.

    Raises:
        ValueError: for another method, other shapes, integer scores, or a negative or traced `max_outputs`.

    This is not continuous: the decayed scores are differentiable in scores and boxes (twice, forward and reverse)
    while the order of keeping stays as it is; where two scores cross, they jump. Reverse mode stores O(n max_outputs).

    Reference: Bodla et al. 2017, equations 2 and 3, doi:10.1109/ICCV.2017.593.

    >>> boxes = jnp.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [20.0, 0.0, 30.0, 10.0]])
    >>> soft_nms(boxes, jnp.array([0.9, 0.8, 0.7]), method="linear").scores
    Array([0.9, 0.7, 0.4], dtype=float32)
    """
    check_choice("soft_nms", "method", method, ("linear", "gaussian"))
    check_choice("soft_nms", "pixel_offset", pixel_offset, (0, 1))
    n, length, candidate = prepare("soft_nms", boxes, scores, max_outputs, None, class_ids, mask)
    sides, current = working(boxes), working(scores)
    current = jnp.where(candidate, current, 0)
    # A NaN box becomes a point: it meets nobody, and its NaN stays out of the others' derivatives.
    broken = jnp.isnan(sides).any(-1, keepdims=True)
    sides = jnp.where(broken, 0, sides)
    dtype = current.dtype
    threshold, width, least = (jnp.asarray(x).astype(dtype) for x in (iou_threshold, sigma, min_score))

    def decay(iou: Array) -> Array:
        if method == "linear":
            return jnp.where(iou > threshold, 1 - iou, 1)
        return jnp.exp(-iou * iou / width)

    def step(state: tuple[Array, Array], _) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        current, left = state
        left &= current >= least
        best = jnp.argmax(jnp.where(left, current, -jnp.inf)).astype(jnp.int32)
        found = left[best]
        iou = box_iou(sides[best][None], sides, pixel_offset=pixel_offset)[0].astype(dtype)
        left &= jnp.arange(n, dtype=jnp.int32) != best
        meets = left & ~broken[:, 0] & ~broken[best, 0]
        if class_ids is not None:
            meets &= class_ids == class_ids[best]
        decayed = jnp.where(meets, current * decay(jnp.where(meets, iou, 0)), current)
        return (decayed, left), (best, found, jnp.where(found, current[best], 0))

    if n == 0:
        picked, found, kept_scores = (jnp.zeros(0, d) for d in (jnp.int32, bool, dtype))
    else:
        _, (picked, found, kept_scores) = lax.scan(step, (current, candidate), length=min(n, length))
    indices, count, keep = finish(picked, found.sum(dtype=jnp.int32), n, length)
    kept_scores = jnp.pad(kept_scores, (0, length - kept_scores.shape[0])).astype(scores.dtype)
    return SoftNMSResult(indices, count, keep, kept_scores)
