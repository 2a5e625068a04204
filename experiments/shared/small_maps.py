"""Boxes on a map of 5 x 6 cells, and RoIAlign of them into 2 x 2 bins."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.ops import roi_align

Case = dict[str, Any]
Pooling = Callable[[Any, Any], Any]
SHAPE, BINS, QUARTERS = (5, 6), 2, (0.25, 0.75)


def align(move: float = 0.0, *, whole: bool = False, **options: Any) -> Pooling:
    """RoIAlign of one map and one box, which may be moved or rounded to whole cells before."""

    def pool(cells: Any, box: Any) -> Any:
        box = (jnp.round(box) if whole else box) + move
        return roi_align(cells[..., None], box[None], output_size=BINS, **options)[0, ..., 0]

    return jax.jit(pool)


def within(generator: np.random.Generator) -> Case:
    """A map of normal values, or of a few whole ones with many ties, and a box within it."""
    ties, ends = generator.random() < 0.2, np.sort(generator.uniform(0, 5, (2, 2)), axis=0)
    cells = generator.integers(-1, 2, SHAPE).astype(float) if ties else generator.normal(size=SHAPE)
    return {"cells": cells, "box": ends.ravel(), "slope": generator.normal(size=2)}
