"""Greedy non-maximum suppression, and what the hard and the soft form share."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from jaxml.ops.boxes.convert import BOX_HINT, PixelOffset, working
from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes
from jaxml.ops.nms.blocks import greedy


class NMSResult(NamedTuple):
    """Which boxes survive. `indices[:count]` go from the highest score down; the rest is -1."""

    indices: Int[Array, "k"]
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    keep: Bool[Array, "n"]


def nms(
    boxes: Num[Array, "n 4"],
    scores: Float[Array, "n"],
    *,
    iou_threshold: Scalar,
    max_outputs: int | None = None,
    score_threshold: Scalar | None = None,
    class_ids: Shaped[Array, "n"] | None = None,
    mask: Bool[Array, "n"] | None = None,
    pixel_offset: PixelOffset = 0,
) -> NMSResult:
    """Keep the boxes that no better kept box overlaps: greedy non-maximum suppression.

    Box i is kept if it is a candidate and IoU(i, j) <= iou_threshold for every kept j of higher score and same class.

    Args:
        boxes: `(n, 4)`, (x1, y1, x2, y2), n >= 0.
        scores: `(n,)`. Ties go to the earlier box; a NaN score is no candidate; a NaN box meets no other.
        iou_threshold: any number, usually in [0, 1]; may be traced. An IoU equal to it does not suppress.
        max_outputs: stop after so many; also the length of `indices`. None is n.
        score_threshold: only scores strictly above are candidates. None admits all.
        class_ids: `(n,)`, integers; boxes of different classes do not meet. None is one class.
        mask: `(n,)`, False for padding. None admits all.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices.

    Returns:
        `(indices, count, keep)`: `(max_outputs,)` int32, from the highest score down, padded with -1; how many of them
        count; and `(n,)` bool, True for those boxes.

    Raises:
        ValueError: for other shapes, integer scores, a negative or traced `max_outputs`, or another pixel offset.

    Boxes 2^110 times as small as the farthest corner are lost beside it, and meet no other.

    This is not differentiable, its results being indices: gather the boxes with them, or see `soft_nms`. It takes
    O(n) memory and at most n^2 / 2 comparisons; boxes already suppressed cost nothing. Under `vmap` every image goes
    on until the last is done.

    Reference: Felzenszwalb et al. 2010, section 6.2, doi:10.1109/TPAMI.2009.167.

    >>> boxes = jnp.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 0, 30, 10]])
    >>> nms(boxes, jnp.array([0.8, 0.9, 0.3]), iou_threshold=0.5)
    NMSResult(indices=Array([ 1,  2, -1], dtype=int32), count=Array(2, dtype=int32),
              keep=Array([False,  True,  True], dtype=bool))
    """
    n, length, candidate = prepare("nms", boxes, scores, max_outputs, score_threshold, class_ids, mask)
    check_choice("nms", "pixel_offset", pixel_offset, (0, 1))
    sides = working(lax.stop_gradient(boxes))
    picked, count = greedy(
        sides,
        lax.stop_gradient(scores),
        candidate,
        jnp.asarray(iou_threshold).astype(sides.dtype),
        class_ids,
        limit=min(n, length),
        pixel_offset=pixel_offset,
    )
    return NMSResult(*finish(picked, count, n, length))


def prepare(
    where: str,
    boxes: Array,
    scores: Array,
    max_outputs: int | None,
    score_threshold: Scalar | None,
    class_ids: Array | None,
    mask: Array | None,
) -> tuple[int, int, Bool[Array, "n"]]:
    """Check the arguments; return the number of boxes, of outputs, and who is a candidate."""
    optional = {"class_ids": class_ids, "mask": mask}
    given = {name: (array, "n") for name, array in optional.items() if array is not None}
    n = check_shapes(where, boxes=(boxes, "n 4"), scores=(scores, "n"), **given, hint=BOX_HINT)["n"]
    check_floating(where, scores=scores)
    if mask is not None and mask.dtype != bool:
        raise ValueError(f"{where}: 'mask' must be bool, got {mask.dtype}. Use mask != 0.")
    if max_outputs is not None and (not isinstance(max_outputs, int) or max_outputs < 0):
        raise ValueError(
            f"{where}: 'max_outputs' must be an int >= 0, got {max_outputs!r}. "
            "It is a shape: pass a Python int, outside of what jit traces."
        )
    candidate = ~jnp.isnan(scores)
    if mask is not None:
        candidate &= mask
    if score_threshold is not None:
        candidate &= scores > jnp.asarray(score_threshold).astype(scores.dtype)
    return n, n if max_outputs is None else max_outputs, candidate


def finish(picked: Array, count: Array, n: int, length: int) -> tuple[Array, Array, Array]:
    """Pad the picked indices to `length` with -1, and mark them among the n boxes."""
    picked = jnp.pad(picked[:length], (0, max(length - picked.shape[0], 0)))
    count = jnp.minimum(count, length)
    counts = jnp.arange(length, dtype=jnp.int32) < count
    keep = jnp.zeros(n, bool).at[jnp.where(counts, picked, n)].set(True, mode="drop")
    return jnp.where(counts, picked, -1), count, keep
