"""Greedy non-maximum suppression by a dozen lines of NumPy, and by its definition.

`py_cpu_nms` is the function of the notes in our words: sides are x2 - x1 + 1, `argsort` is turned round, boxes stay
whose overlap is at most the threshold, and 1 is added to their positions. It is put beside `jaxml.ops.nms` and beside a
definition. Corners lie on quarters of a pixel and thresholds on sixteenths, so that overlaps compare without rounding.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxml import Suite
from jaxml.ops import nms

Case = dict[str, Any]
Array = np.ndarray
Suppression = Callable[..., Any]
LE, DOWN = np.less_equal, lambda scores: scores.argsort()[::-1]
MOST = 6  # boxes in a case
compiled = jax.jit(partial(nms, pixel_offset=1))


def shares(box: Array, others: Array, edge: float = 1.0) -> tuple[Array, Array]:
    """What a box has in common with each other box, and what they cover together, with `edge` added to every side."""
    common = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + edge, 0.0).prod(1)
    one, each = (sides.prod(-1) for sides in (box[2:] - box[:2] + edge, others[:, 2:] - others[:, :2] + edge))
    return common, one + each - common


def py_cpu_nms(
    boxes: Any, scores: Any, threshold: float, *, edge: float = 1.0, shift: int = 1, stays: Any = LE, sort: Any = DOWN
) -> list[int]:
    """Take the first of the sorted boxes, keep of the rest those that stay, and so on until none is left."""
    order, kept = sort(scores), []
    while order.size > 0:
        kept.append(int(order[0]))
        common, together = shares(boxes[order[0]], boxes[order[1:]], edge)
        with np.errstate(invalid="ignore"):  # 0 / 0, of boxes without pixels
            overlap = common / together
        order = order[np.where(stays(overlap, threshold))[0] + shift]
    return kept


def defined(
    boxes: Array, scores: Array, threshold: float, *, edge: float = 1.0, stays: Any = LE, all_drop: bool = False
) -> list[int]:
    """A box is kept if it stays beside each better one that is kept (or beside all better ones: a mistake)."""
    kept: list[int] = []
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))  # among equals the earlier is better
    for place, i in enumerate(order):
        common, together = shares(boxes[i], boxes[order[:place] if all_drop else kept], edge)
        kept += [i] * bool(stays(common, threshold * together).all())
    return kept


def ours(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """`jaxml.ops.nms` with inclusive pixels; padded, so that it compiles once."""
    held, places = np.zeros((MOST, 4)), np.arange(MOST)
    held[: len(boxes)] = boxes
    found = compiled(held, np.resize([*scores, 0.0], MOST), iou_threshold=threshold, mask=places < len(boxes))
    return np.asarray(found.indices)[: int(found.count)].tolist()


def draw_case(generator: np.random.Generator, size: int, *, ties: bool, least: float) -> Case:
    """Boxes that begin within four pixels, sides of up to six, a threshold and a higher one."""
    first, side = generator.integers(0, 17, (size, 2)) / 4, generator.integers(int(4 * least), 25, (size, 2)) / 4
    scores = generator.integers(0, 3, size) if ties else generator.permutation(size)
    low, high = (np.sort(generator.integers(0, 17, 2)) / 16).tolist()
    return {"boxes": np.c_[first, first + side], "scores": scores / 4, "threshold": low, "higher": high}


def hard(boxes: list[list[int]], scores: list[float], low: float, high: float = 1.0) -> Case:
    """A case written by hand."""
    return {"boxes": np.reshape(boxes, (-1, 4)) * 1.0, "scores": np.asarray(scores), "threshold": low, "higher": high}


HARD = [
    hard([], [], 0.5),  # no boxes
    hard([[0, 0, 1, 1]] * 2, [0.5, 0.25], 1.0),  # equal boxes, at the threshold
    hard([[0, 0, 1, 1], [5, 5, 6, 6]], [0.5, 0.25], 0.0),  # boxes apart, at the threshold
    hard([[0, 0, 3, 3], [0, 0, 3, 1]], [0.25, 0.5], 0.5),  # half of the other, at the threshold
    hard([[0, 0, 3, 1], [1, 0, 4, 1], [2, 0, 5, 1]], [0.75, 0.5, 0.25], 0.5),  # a chain
    hard([[0, 0, 1, 1]] * 3, [0.5, 0.5, 0.5], 0.25),  # ties
    hard([[0, 3, 7, 10], [0, 0, 7, 7], [0, 0, 4, 7], [3, 0, 7, 7]], [0.75, 0.5, 0.25, 0.0], 0.375, 0.5),
]


def suite(
    properties: Case, mutants: Case, *, least: float = 0.0, ties: bool = False, higher: bool = False, **rest: Any
) -> Suite:
    """The notes' function on boxes with sides of at least so much, and with equal scores or without."""
    only = lambda case: {name: value for name, value in case.items() if higher or name != "higher"}  # noqa: E731
    settings = {"subject": py_cpu_nms, "sizes": (2, 3, MOST)} | rest

    def valid(case: Case) -> bool:
        boxes, scores, levels = case["boxes"], case["scores"], [case["threshold"], case.get("higher", 1.0)]
        exact = all(np.all(np.multiply(n, x) % 1 == 0) for n, x in ((4, boxes), (16, levels)))
        fits = len(boxes) == len(scores) <= max(settings["sizes"]) and (ties or len({*scores}) == len(scores))
        sided = np.all(boxes[:, 2:] - boxes[:, :2] >= least)
        return bool(exact and fits and sided and 0 <= levels[0] <= levels[1] <= 1)

    return Suite(
        draw=lambda generator, size: only(draw_case(generator, size, ties=ties, least=least)),
        valid=valid,
        adversarial=[only(case) for case in HARD],
        properties=properties,
        mutants=mutants,
        **settings,
    )


def of(f: Suppression, case: Case, threshold: str = "threshold", **options: Any) -> list[int]:
    """What a function keeps."""
    return f(case["boxes"], case["scores"], case[threshold], **options)


variant = partial(partial, py_cpu_nms)
all_drop = partial(defined, all_drop=True)
DEFINED = {"keeps those of the definition": lambda f, c: (of(f, c), of(defined, c))}
OURS = {"keeps those of nms": lambda f, c: (of(f, c), of(ours, c))}
EDGES = {f"{edge} added to sides": variant(edge=edge) for edge in (0.0, 2.0)}
SHIFTS = {f"{shift} added to positions": variant(shift=shift) for shift in (0, 2)}


WRONG = {
    "the worst first": variant(sort=np.argsort),
    "those beyond the threshold stay": variant(stays=np.greater),
    "the dropped drop others": all_drop,
}
