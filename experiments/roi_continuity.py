"""Whether what RoIAlign pools moves continuously with the box, exactly.

A map that changes by at most d from a cell to its neighbour is interpolated to a function that changes by at most d
per cell; samples move no farther than the ends of the box, and so their mean or maximum changes no faster.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import prroi_pool, roi_align, roi_pool

Case = dict[str, Any]
SIZE = 6


@cache  # compiled once for all suites
def pooled(op: Callable[..., Any], whole: bool = False, **options: Any) -> Callable[[Any, Any], Any]:
    """One map and one box pooled into 2 x 2 bins; the box may be rounded to whole cells before."""

    def pool(cells: Any, box: Any) -> Any:
        box = jnp.round(box) if whole else box
        return op(cells[..., None], box[None], output_size=2, **options)[0, ..., 0]

    return jax.jit(pool)


def continuity(subject: Callable[..., Any], *, out: float = 0.0, reference: Callable[..., Any] | None = None) -> Suite:
    """Do pooled values move no faster than the map's steepest step allows, for boxes up to `out` cells off the map?"""

    def draw(generator: np.random.Generator) -> Case:
        side = generator.uniform(1, SIZE + 2 * out, 2)
        corner = generator.uniform(-out, SIZE + out - side)
        box = np.r_[corner, corner + side]
        if generator.random() < 0.5:  # at whole cells, where bins, samples and their number change
            box = np.round(box)
        move = generator.uniform(-1, 1, 4) * 10.0 ** generator.uniform(-6, -0.6)
        return {"cells": generator.normal(size=(SIZE, SIZE)), "box": box, "move": fit(box + move) - box}

    def fit(box: Any) -> Any:
        return np.clip(box, -out, SIZE + out)

    def valid(box: Any, move: Any) -> bool:
        boxes = np.stack([box, box + move])
        return bool(np.all(boxes[:, 2:] - boxes[:, :2] >= 0.4) and np.abs(boxes - fit(boxes)).max() < 1e-12)

    def excess(f: Any, case: Case) -> tuple[float, float, float]:
        move, (here, there) = np.abs(case["move"]), (f(case["cells"], case["box"] + m) for m in (0.0, case["move"]))
        step = float(np.abs(np.asarray(there) - np.asarray(here)).max())
        cells = np.pad(case["cells"], 1) if out else case["cells"]  # beyond the map, its values fall to 0 in a cell
        along_x, along_y = (np.abs(np.diff(cells, axis=axis)).max() for axis in (1, 0))
        limit = along_x * max(move[0], move[2]) + along_y * max(move[1], move[3])
        return max(step - limit, 0.0), 0.0, 10 * (1 + np.abs(cells).max())

    return Suite(
        subject=subject,
        reference=reference,
        draw=draw,
        valid=valid,
        adversarial=[
            {"cells": np.eye(SIZE), "box": np.array(box, float), "move": np.array([0.0, 0.0, 0.01, 0.0])}
            for box in ([0, 0, 4, 4], [0, 0, 1, 1], [1, 1, 3.99, 5], [3, 3, 7, 7])
        ],
        properties={"excess over the map's steepest step": excess},
        mutants={
            "RoIPool": pooled(roi_pool),
            "of the box rounded to whole cells": pooled(roi_align, whole=True),
            "the integral over the rounded box": pooled(prroi_pool, whole=True),
        },
    )


experiment = Experiment(
    suites={
        "mean": lambda: continuity(pooled(roi_align)),
        "largest": lambda: continuity(pooled(roi_align, mode="max")),
        "by_size": lambda: continuity(pooled(roi_align, sampling_ratio=0), reference=pooled(roi_align)),
        "off_the_map": lambda: continuity(pooled(roi_align), out=3.0, reference=pooled(prroi_pool)),
        "integral": lambda: continuity(pooled(prroi_pool), out=3.0),
    }
)
