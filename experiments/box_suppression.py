"""Greedy non-maximum suppression by a dozen lines of NumPy: its definition, ties and the order of the list, exactly."""

from typing import Any

import numpy as np

from experiments.shared.suppression import (
    DEFINED,
    EDGES,
    OURS,
    SHIFTS,
    WRONG,
    Array,
    all_drop,
    defined,
    of,
    ours,
    py_cpu_nms,
    suite,
    variant,
)
from jaxml import Experiment

Case = dict[str, Any]


def taken(case: Case, rows: Any) -> Case:
    """The case with some of its boxes, in an order."""
    return case | {"boxes": case["boxes"][rows], "scores": case["scores"][rows]}


def by_corners(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """Suppression in which equal scores are told apart by the corners."""
    order = np.lexsort((*boxes.T, scores))[::-1]
    return [int(order[i]) for i in defined(boxes[order], scores[order], threshold)]


BEST = {"the best is kept": lambda f, c: not len(c["scores"]) or max(c["scores"]) in c["scores"][of(f, c)]}


INVARIANTS = {
    "each once": lambda f, c: len({*of(f, c)}) == len(of(f, c)),
    "no two beyond the threshold": lambda f, c: len(of(all_drop, taken(c, of(f, c)))) == len(of(f, c)),
    "again drops none": lambda f, c: len(of(f, taken(c, of(f, c)))) == len(of(f, c)),
}
kept_boxes = lambda f, c: sorted(c["boxes"][of(f, c)].tolist())  # noqa: E731
ORDER = {"the list turned round": lambda f, c: kept_boxes(f, c) == kept_boxes(f, taken(c, slice(None, None, -1)))}


UNSORTED = {
    "not sorted": variant(sort=lambda scores: np.arange(len(scores))),
    "ranks for an order": variant(sort=lambda scores: scores.argsort().argsort()[::-1]),
    "scores rounded": variant(sort=lambda scores: scores.round().argsort(kind="stable")[::-1]),
}
LOSSES = {"the best dropped": lambda *c: py_cpu_nms(*c)[1:], "the worst first": variant(sort=np.argsort)}


experiment = Experiment(
    suites={
        "greedy": lambda: suite(DEFINED | OURS, WRONG | SHIFTS | EDGES),
        "greedy_without_pixels": lambda: suite(DEFINED, WRONG, reference=defined, least=-1.0),
        "best": lambda: suite(BEST, LOSSES | {"ranks for an order": UNSORTED["ranks for an order"]}, ties=True),
        "invariants": lambda: suite(
            INVARIANTS, SHIFTS | {"all kept": lambda boxes, *_: [*range(len(boxes))]}, ties=True
        ),
        "earlier": lambda: suite(DEFINED, WRONG, reference=ours, ties=True),
        "order": lambda: suite(ORDER, UNSORTED, reference=by_corners, ties=True),
        "order_without_ties": lambda: suite(ORDER, UNSORTED),
    }
)
