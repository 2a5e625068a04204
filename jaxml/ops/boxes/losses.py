"""Box regression losses: one value per pair of boxes, never reduced; `(..., 4)` against the same shape."""

from jaxtyping import Array, Float, Num

from jaxml.ops.boxes.convert import restored
from jaxml.ops.boxes.overlap import Corners, aspect_penalty, centre_distance, corners, overlap
from jaxml.ops.checks import check_shapes


def giou_loss(predictions: Num[Array, "... 4"], targets: Num[Array, "... 4"]) -> Float[Array, "..."]:
    """Generalised IoU loss, 1 - GIoU = 1 - IoU + (|C| - |A or B|) / |C|, with C the enclosing box.

    Args:
        predictions: `(..., 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2.
        targets: the same shape and layout.

    Returns:
        `(...)`, in [0, 2]: 0 for equal boxes with an area, near 2 for boxes far apart.

    Raises:
        ValueError: when the shapes differ or do not end in 4. Nothing is broadcast.

    This is not smooth: it has kinks where edges align. At such a point the gradient is the mean of both sides.

    Reference: Rezatofighi et al. 2019, algorithm 2, doi:10.1109/CVPR.2019.00075.

    >>> giou_loss(jnp.array([-1.0, -1.0, 1.0, 1.0]), jnp.array([0.0, 0.0, 1.0, 1.0]))
    Array(0.75, dtype=float32)
    """
    iou, gap = overlap(*_both("giou_loss", predictions, targets))
    return restored(1 - iou + gap, predictions, targets)


def diou_loss(predictions: Num[Array, "... 4"], targets: Num[Array, "... 4"]) -> Float[Array, "..."]:
    """Distance IoU loss, 1 - IoU + d^2 / c^2, with d the centre distance and c the enclosing diagonal.

    Args:
        predictions: `(..., 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2.
        targets: the same shape and layout.

    Returns:
        `(...)`, in [0, 2).

    Raises:
        ValueError: when the shapes differ or do not end in 4. Nothing is broadcast.

    This is not blind to boxes that do not meet: the distance pulls them together where the IoU has no gradient.

    Reference: Zheng et al. 2020, equation 7, doi:10.1609/aaai.v34i07.6999.

    >>> diou_loss(jnp.array([-1.0, -1.0, 1.0, 1.0]), jnp.array([1.0, 1.0, 2.0, 2.0]))
    Array(1.25, dtype=float32)
    """
    a, b = _both("diou_loss", predictions, targets)
    return restored(1 - overlap(a, b).iou + centre_distance(a, b), predictions, targets)


def ciou_loss(predictions: Num[Array, "... 4"], targets: Num[Array, "... 4"]) -> Float[Array, "..."]:
    """Complete IoU loss, 1 - IoU + d^2 / c^2 + alpha v, with v the difference of the aspect angles.

    v = (4 / pi^2) (atan(w_t / h_t) - atan(w_p / h_p))^2 and alpha = v / (1 - IoU + v), a constant for differentiation.

    Args:
        predictions: `(..., 4)`, (x1, y1, x2, y2) with x1 <= x2, y1 <= y2.
        targets: the same shape and layout.

    Returns:
        `(...)`, >= 0.

    Raises:
        ValueError: when the shapes differ or do not end in 4. Nothing is broadcast.

    This is not the derivative of its own value: alpha's gradient is stopped, as the authors do.

    Reference: Zheng et al. 2020, equations 8 to 12, doi:10.1609/aaai.v34i07.6999.

    >>> ciou_loss(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([0.0, 0.5, 2.0, 1.5]))
    Array(0.50324816, dtype=float32)
    """
    a, b = _both("ciou_loss", predictions, targets)
    iou = overlap(a, b).iou
    return restored(1 - iou + centre_distance(a, b) + aspect_penalty(a, b, iou), predictions, targets)


def _both(where: str, predictions: Num[Array, "... 4"], targets: Num[Array, "... 4"]) -> tuple[Corners, Corners]:
    pattern = " ".join([*(str(size) for size in predictions.shape[:-1]), "4"])
    check_shapes(
        where,
        predictions=(predictions, "... 4"),
        targets=(targets, pattern),
        hint="Both must have one shape (..., 4); broadcast with jnp.broadcast_to.",
    )
    return corners(predictions), corners(targets)
