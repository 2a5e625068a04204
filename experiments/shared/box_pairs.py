"""Pairs of boxes on a grid of pixels, and a short function for their intersection over union.

`compute_iou` is the function of the notes in our words. It is put beside `jaxml.ops.box_iou`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxml import Suite
from jaxml.ops import box_iou

Case = dict[str, Any]
IoU = Callable[[Any, Any], Any]
PAIR = ("first", "second")
SIDE = 8
"""Boxes are drawn on a grid of so many pixels each way, so that touching, nesting and equal ones are frequent."""


def area(box: np.ndarray) -> float:
    """Width times height."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def compute_iou(first: np.ndarray, second: np.ndarray) -> float:
    """The share of what two boxes cover that both cover: 0 if the edges that might enclose it have met or crossed."""
    left, top = np.maximum(first[:2], second[:2])
    right, bottom = np.minimum(first[2:], second[2:])
    if left >= right or top >= bottom:
        return 0.0
    shared = (right - left) * (bottom - top)
    return float(shared / (area(first) + area(second) - shared))


def mistaken(share: Callable[[float, float, float], float], least: float = 0.0) -> IoU:
    """Another share, of the area of both and of each; sides below `least` count as that."""

    def iou(first: np.ndarray, second: np.ndarray) -> float:
        sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
        return share(float(np.maximum(sides, least).prod()), area(first), area(second))

    return iou


MUTANTS: dict[str, IoU] = {
    "the sum of areas below": mistaken(lambda shared, a, b: shared / max(a + b, 1e-9)),
    "the smaller area below": mistaken(lambda shared, a, b: shared / max(min(a, b), 1e-9)),
    "an epsilon below": mistaken(lambda shared, a, b: shared / (a + b - shared + 1e-9)),
    "negative sides multiplied": mistaken(lambda shared, a, b: shared / max(a + b - shared, 1e-9), -np.inf),
    "a pixel added": lambda a, b: compute_iou(a, b + np.asarray([0.0, 0.0, 1.0, 1.0])),
    "touching counts": lambda a, b: float((np.minimum(a, b)[2:] >= np.maximum(a, b)[:2]).all()),
    "one way only": lambda a, b: float(min(a[2], b[2]) > max(a[0], b[0])),
}
ours = jax.jit(lambda first, second: box_iou(first[None], second[None])[0, 0])


def of(f: IoU, case: Case) -> float:
    """What a function gives for the two boxes of a case."""
    return float(f(case["first"], case["second"]))


def counted(case: Case) -> tuple[int, int]:
    """How many pixels both boxes cover, and how many at least one does: those whose centres lie inside, one by one."""
    first, second = (
        [(i, j) for i in range(SIDE) for j in range(SIDE) if x1 < i + 0.5 < x2 and y1 < j + 0.5 < y2]
        for x1, y1, x2, y2 in (case["first"], case["second"])
    )
    return len({*first} & {*second}), len({*first} | {*second})


def draw_pair(generator: np.random.Generator, *, ordered: bool) -> Case:
    """Two boxes with corners on whole pixels, one pair in eight equal; a unit over four decades and a shift."""
    boxes = generator.integers(0, SIDE + 1, (2, 2, 2)).astype(float)
    first, second = (np.sort(boxes, axis=1) if ordered else boxes).reshape(2, 4)
    return {
        "first": first,
        "second": first.copy() if generator.integers(8) == 0 else second,
        "unit": float(10.0 ** generator.uniform(-2, 2)),
        "shift": generator.integers(-SIDE, SIDE + 1, 2).astype(float),
    }


def hard(*boxes: float) -> Case:
    """Two boxes written by hand."""
    return {
        "first": np.asarray(boxes[:4]),
        "second": np.asarray(boxes[4:]),
        "unit": 3.0,
        "shift": np.asarray([-5.0, 2.0]),
    }


HARD = [
    hard(0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, 2.0),  # equal
    hard(0.0, 0.0, 8.0, 8.0, 3.0, 3.0, 4.0, 4.0),  # nested
    hard(0.0, 3.0, 8.0, 5.0, 3.0, 0.0, 5.0, 8.0),  # crossed
    hard(0.0, 0.0, 2.0, 2.0, 2.0, 0.0, 4.0, 2.0),  # sharing an edge
    hard(0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 4.0, 4.0),  # sharing a corner
    hard(0.0, 0.0, 2.0, 2.0, 5.0, 5.0, 8.0, 8.0),  # apart both ways
    hard(1.0, 0.0, 1.0, 4.0, 0.0, 0.0, 2.0, 2.0),  # a line inside a box
    hard(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),  # a point, twice
    hard(0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0),  # one by its corners, exchanged
]


def on_the_grid(case: Case, *, least: float) -> bool:
    """Corners on whole pixels of the grid, sides of at least so many pixels, and shifts of whole pixels."""
    boxes = np.stack([case[name] for name in PAIR if name in case])
    shift = np.append(case.get("shift", 0.0), 0.0) + SIDE
    whole = np.isin(boxes, np.arange(SIDE + 1)).all() and np.isin(shift, np.arange(2 * SIDE + 1)).all()
    return bool(whole and (boxes[:, 2:] - boxes[:, :2] >= least).all() and 1e-3 < case.get("unit", 1.0) < 1e3)


def suite(
    properties: dict, mutants: dict, *, least: float = 0.0, reference: IoU | None = None, inputs: tuple[str, ...] = PAIR
) -> Suite:
    """The notes' function on pairs of boxes with sides of at least so many pixels, negative where corners may swap."""
    only = lambda case: {name: case[name] for name in inputs}  # noqa: E731
    return Suite(
        subject=compute_iou,
        reference=reference,
        draw=lambda generator: only(draw_pair(generator, ordered=least >= 0)),
        valid=partial(on_the_grid, least=least),
        adversarial=[only(case) for case in HARD],
        properties=properties,
        mutants=mutants,
    )
