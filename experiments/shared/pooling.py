"""One map and one box: RoIAlign and RoIPool of them, and cases."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.ops import roi_align, roi_pool

Case = dict[str, Any]
Pooling = Callable[[Any, Any], Any]
BINS = 2


@cache  # compiled once for all suites
def align(bins: int = BINS, *, sign: float = 1.0, whole: bool = False, **options: Any) -> Pooling:
    """RoIAlign of one map and one box; `sign` -1 turns the maximum into the minimum."""

    def pool(cells: Any, box: Any) -> Any:
        box = jnp.round(box) if whole else box
        return sign * roi_align(sign * cells[..., None], box[None], output_size=bins, **options)[0, ..., 0]

    return jax.jit(pool)


@cache
def quantised(bins: int = BINS) -> Pooling:
    """RoIPool of one map and one box."""
    return jax.jit(lambda cells, box: roi_pool(cells[..., None], box[None], output_size=bins)[0, ..., 0])


def scale(case: Case) -> float:
    """What an error of rounding is measured against."""
    return 10 * float(np.abs(case["cells"]).max())


def draw(generator: np.random.Generator, size: int) -> Case:
    """A square map of normal values, or of a few whole ones with many ties, and a box within it."""
    ties = generator.random() < 0.2
    cells = generator.integers(-1, 2, (size, size)).astype(float) if ties else generator.normal(size=(size, size))
    side = generator.uniform(1, size, 2)
    corner = generator.uniform(0, size - side)
    return {"cells": cells, "box": np.r_[corner, corner + side]}


def proper(box: Any, cells: Any) -> bool:
    """Whether the box is within the map and at least one cell wide and high."""
    (x1, y1, x2, y2), size = box, len(cells)
    return 0 <= x1 <= x2 - 1 <= size - 1 and 0 <= y1 <= y2 - 1 <= size - 1


def hard(size: int) -> list[Case]:
    """The whole map, one cell of it, boxes that end between cells, and maps that are constant."""
    boxes = [[0, 0, size, size], [1, 1, 2, 2], [0, 0.5, 1.5, size], [0.5, 0, size, 2]]
    cases = [draw(np.random.default_rng(i), size) | {"box": np.array(b, float)} for i, b in enumerate(boxes)]
    return [*cases, cases[0] | {"cells": np.zeros((size, size))}, cases[2] | {"cells": np.ones((size, size))}]
