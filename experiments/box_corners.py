"""What a short function for intersection over union makes of boxes whose corners are exchanged, exactly."""

from typing import Any

import numpy as np

from experiments.shared.box_pairs import MUTANTS, PAIR, SIDE, IoU, compute_iou, counted, of, ours, suite
from jaxml import Experiment

Case = dict[str, Any]


def in_order(box: np.ndarray) -> np.ndarray:
    """The same box with its upper left corner first."""
    return np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])])


def swapped(case: Case) -> bool:
    """Whether a box has its second corner left of its first or above it."""
    return any((case[name][2:] < case[name][:2]).any() for name in PAIR)


INVERTED = {"is that of the corners in order": lambda f, c: (of(f, c), of(put_in_order, c), 1.0)}


INVERTED_IS_EMPTY = {
    "is 0 with a corner out of order": lambda f, c: not swapped(c) or of(f, c) == 0,
    "so is box_iou": lambda f, c: not swapped(c) or of(ours, c) == 0,
    "is more in order": lambda f, c: swapped(c) or counted(c)[0] == 0 or of(f, c) > 0,
}
put_in_order: IoU = lambda a, b: compute_iou(in_order(a), in_order(b))  # noqa: E731


SWAPS: dict[str, IoU] = {
    "both put in order": put_in_order,
    "the first put in order": lambda a, b: compute_iou(in_order(a), b),
    "negative sides multiplied": MUTANTS["negative sides multiplied"],
}


experiment = Experiment(
    suites={
        "inverted": lambda: suite(INVERTED, MUTANTS, least=-SIDE, reference=put_in_order),
        "inverted_is_empty": lambda: suite(INVERTED_IS_EMPTY, SWAPS, least=-SIDE),
    }
)
