"""What a bin of RoIAlign is computed from: bilinear samples, without rounding, exactly.

Boxes are pooled into 2 x 2 bins of a map of 5 x 6 cells, and held against a loop over bins and samples in NumPy.
"""

from collections.abc import Callable, Sequence
from math import floor
from typing import Any

import jax
import numpy as np

from experiments.shared.small_maps import BINS, QUARTERS, SHAPE, Pooling, align, within
from jaxml import Experiment, Suite
from jaxml.ops import roi_pool

Case = dict[str, Any]


def sample(cells: np.ndarray, y: float, x: float, *, nearest: bool = False) -> float:
    """The map between its cells: its edge within one cell outside, 0 beyond."""
    h, w = cells.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    if nearest:
        return cells[floor(y + 0.5), floor(x + 0.5)]
    top, left = min(floor(y), h - 2), min(floor(x), w - 2)
    (a, b), (c, d) = cells[top : top + 2, left : left + 2]
    down, right = y - top, x - left
    return (1 - down) * ((1 - right) * a + right * b) + down * ((1 - right) * c + right * d)


def loop(
    reduce: Callable[..., Any] = np.mean, *, aligned: bool = True, at: Sequence[float] = QUARTERS, nearest: bool = False
) -> Pooling:
    """RoIAlign one sample at a time; `at` are their places within a bin, along each axis."""

    def pool(cells: Any, box: Any) -> np.ndarray:
        shift, least = (0.5, -np.inf) if aligned else (0.0, 1.0)
        width, height = (max(box[i + 2] - box[i], least) / BINS for i in range(2))
        ys, xs = (
            [[box[i] - shift + (bin + t) * side for t in at] for bin in range(BINS)]
            for i, side in ((1, height), (0, width))
        )
        found = [[[sample(cells, y, x, nearest=nearest) for y in q for x in p] for p in xs] for q in ys]
        return reduce(np.asarray(found), axis=-1)

    return pool


quantised = jax.jit(lambda cells, box: roi_pool(cells[..., None], box[None], output_size=BINS)[0, ..., 0])


def both(unaligned: Pooling, aligned: Pooling) -> Pooling:
    """The two conventions one after the other: torchvision's default, and shifted by half a cell."""
    return lambda cells, box: np.stack([unaligned(cells, box), aligned(cells, box)])


def anywhere(generator: np.random.Generator) -> Case:
    """A map, and a box that may reach over its edge or be turned inside out; half of them at eighths of a cell."""
    box, inside = generator.uniform(-3, 9, 4), within(generator)
    exact = generator.random() < 0.5
    return inside | {"box": np.round(8 * box) / 8 if exact else box, "inner": inside["box"] * 0.6 + 0.5}


def on_ramp(f: Pooling, inner: Any, slope: Any) -> tuple[Any, Any, float]:
    """A linear map pooled, and the linear function at the centres of the bins."""
    (x1, y1, x2, y2), (right, down), middles = inner, slope, (np.arange(BINS) + 0.5) / BINS
    x, y = x1 - 0.5 + middles * (x2 - x1), y1 - 0.5 + middles * (y2 - y1)
    cells = down * np.arange(SHAPE[0])[:, None] + right * np.arange(SHAPE[1])
    return np.asarray(f(cells, inner)[1]), down * y[:, None] + right * x, 10 * (abs(right) + abs(down))


def bilinear() -> Suite:
    """Is RoIAlign what a loop computes that rounds nothing, in both conventions, and does it follow a ramp?"""
    conventions = {"torchvision's default": loop(aligned=False), "shifted by half a cell": loop(aligned=True)}
    properties: dict[str, Any] = {
        f"the loop, {name}": lambda f, c, i=i, pool=pool: (
            np.asarray(f(c["cells"], c["box"])[i]),
            pool(c["cells"], c["box"]),
            np.abs(c["cells"]).max() * (1 + np.abs(c["box"]).max()),
        )
        for i, (name, pool) in enumerate(conventions.items())
    }
    properties["a ramp at the centres of the bins"] = on_ramp
    unaligned = align(aligned=False)
    boxes = [
        [0, 0, 0, 0],
        [-1, -1, -1, -1],
        [1, 1, 1, 4],
        [5, 4, 2, 1],
        [-9, -9, -8, -8],
        [-2, -2, 10, 10],
        [0, 0, 6, 5],
    ]
    return Suite(
        subject=both(unaligned, align()),
        draw=anywhere,
        adversarial=[anywhere(np.random.default_rng(i)) | {"box": np.array(b, float)} for i, b in enumerate(boxes)],
        properties=properties,
        mutants={
            "box rounded to whole cells": both(align(whole=True, aligned=False), align(whole=True)),
            "nearest cell": both(loop(aligned=False, nearest=True), loop(nearest=True)),
            "RoIPool": both(quantised, quantised),
            "half a cell the wrong way": both(unaligned, align(1.0)),
            "no least side": both(align(0.5), align()),
            "samples at the corners of the bin": both(loop(aligned=False, at=(0, 1)), loop(at=(0, 1))),
        },
    )


experiment = Experiment(suites={"bilinear": bilinear})
