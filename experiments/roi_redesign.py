"""What RoIAlign does not read, beside RoIPool with boundary points added."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.shared.pooling import Pooling, align, draw, hard, proper, quantised, scale
from jaxml import Experiment, Suite
from jaxml.ops import bilinear_sample

Case = dict[str, Any]
between = jax.jit(lambda cells, places: bilinear_sample(cells[..., None], places, padding="border")[..., 0])


def with_boundary(reduce: Callable[..., Any]) -> Pooling:
    """Pool the cells inside the box and the points where the lines through them meet its edges."""

    def pool(cells: Any, box: Any) -> np.ndarray:
        lattice, lines = np.arange(float(len(cells))), []
        for low, high in (box[::2] - 0.5, box[1::2] - 0.5):
            # Of one length for every box, so that this compiles once; a point that is left out is NaN.
            lines.append(np.r_[low, np.where((lattice > low) & (lattice < high), lattice, np.nan), high])
        x, y = np.broadcast_arrays(lines[0][None], lines[1][:, None])
        found = np.asarray(between(cells, np.nan_to_num(np.stack([x, y], axis=-1))))
        return np.full((1, 1), reduce(found[np.isfinite(x + y)]))

    return pool


def redesign() -> Suite:
    """Does RoIAlign place its points by the box alone, where pooling cells and boundary points does not?"""

    def at_the_centre(f: Pooling, cells: Any, box: Any) -> tuple[Any, Any, Any]:
        n, slope = len(cells), cells[0, :2]
        x1, y1, x2, y2 = 0.5 + (1 - 1 / n) * box  # from the centre of the first cell to that of the last
        ramp = slope[0] * np.arange(n)[None] + slope[1] * np.arange(n)[:, None]
        centre = slope[0] * (x1 + x2 - 1) / 2 + slope[1] * (y1 + y2 - 1) / 2
        return f(ramp, np.array([x1, y1, x2, y2])), np.full((1, 1), centre), 20 * np.abs(slope).sum()

    def untouched(f: Pooling, case: Case) -> tuple[Any, Any, Any]:
        lattice, (x1, y1, x2, y2) = np.arange(len(case["cells"])), case["box"]
        columns, rows = (
            np.min([np.abs(np.clip(low - 0.5 + t * (high - low), 0, lattice[-1]) - lattice) for t in (0.25, 0.75)], 0)
            for low, high in ((x1, x2), (y1, y2))
        )
        changed = case["cells"] + 5 * ((rows[:, None] >= 1 + 1e-9) | (columns >= 1 + 1e-9))
        return f(changed, case["box"]), f(case["cells"], case["box"]), scale(case)

    return Suite(
        subject=align(1),
        draw=draw,
        sizes=(9,),
        valid=proper,
        adversarial=hard(9),
        properties={
            "a ramp at the centre of the bin": at_the_centre,
            "cells that touch no sample do not matter": untouched,
        },
        mutants={
            "largest of cells and boundary points": with_boundary(np.max),
            "mean of cells and boundary points": with_boundary(np.mean),
            "RoIPool": quantised(1),
        },
    )


experiment = Experiment(suites={"redesign": redesign})
