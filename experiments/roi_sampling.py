"""What a bin of RoIAlign is computed from: four bilinear samples, their places, their mean or their maximum, exactly.

Boxes are pooled into 2 x 2 bins of a map of 5 x 6 cells, and held against a loop over bins and samples in NumPy.
"""

from collections.abc import Callable, Sequence
from math import floor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import bilinear_sample, roi_align, roi_pool

Case = dict[str, Any]
Pooling = Callable[[Any, Any], Any]
SHAPE, BINS, QUARTERS = (5, 6), 2, (0.25, 0.75)


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


def align(move: float = 0.0, *, whole: bool = False, **options: Any) -> Pooling:
    """RoIAlign of one map and one box, which may be moved or rounded to whole cells before."""

    def pool(cells: Any, box: Any) -> Any:
        box = (jnp.round(box) if whole else box) + move
        return roi_align(cells[..., None], box[None], output_size=BINS, **options)[0, ..., 0]

    return jax.jit(pool)


quantised = jax.jit(lambda cells, box: roi_pool(cells[..., None], box[None], output_size=BINS)[0, ..., 0])


def both(unaligned: Pooling, aligned: Pooling) -> Pooling:
    """The two conventions one after the other: torchvision's default, and shifted by half a cell."""
    return lambda cells, box: np.stack([unaligned(cells, box), aligned(cells, box)])


def anywhere(generator: np.random.Generator, size: int) -> Case:
    """A map, and a box that may reach over its edge or be turned inside out; half of them at eighths of a cell."""
    box, inside = generator.uniform(-3, 9, 4), within(generator, size)
    exact = generator.random() < 0.5
    return inside | {"box": np.round(8 * box) / 8 if exact else box, "inner": inside["box"] * 0.6 + 0.5}


def within(generator: np.random.Generator, size: int) -> Case:
    """A map of normal values, or of a few whole ones with many ties, and a box within it."""
    ties, ends = generator.random() < 0.2, np.sort(generator.uniform(0, 5, (2, 2)), axis=0)
    cells = generator.integers(-1, 2, SHAPE).astype(float) if ties else generator.normal(size=SHAPE)
    return {"cells": cells, "box": ends.ravel(), "slope": generator.normal(size=2)}


def on_ramp(f: Pooling, case: Case) -> tuple[Any, Any, float]:
    """A linear map pooled, and the linear function at the centres of the bins."""
    (x1, y1, x2, y2), (right, down), middles = case["inner"], case["slope"], (np.arange(BINS) + 0.5) / BINS
    x, y = x1 - 0.5 + middles * (x2 - x1), y1 - 0.5 + middles * (y2 - y1)
    cells = down * np.arange(SHAPE[0])[:, None] + right * np.arange(SHAPE[1])
    return np.asarray(f(cells, case["inner"])[1]), down * y[:, None] + right * x, 10 * (abs(right) + abs(down))


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
        sizes=(1,),
        adversarial=[anywhere(np.random.default_rng(i), 1) | {"box": np.array(b, float)} for i, b in enumerate(boxes)],
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


def points(at: Sequence[float] = QUARTERS, shift: float = 0.5) -> Callable[[Any], np.ndarray]:
    """Places (x, y) of a box's samples, [bins, bins, samples, 2]."""

    def place(box: Any) -> np.ndarray:
        steps = np.asarray(at)[None] + np.arange(BINS)[:, None]
        x, y = (box[i] - shift + steps * (box[i + 2] - box[i]) / BINS for i in range(2))
        grid = np.broadcast_arrays(x[None, :, None, :], y[:, None, :, None])
        return np.stack(grid, axis=-1).reshape(BINS, BINS, -1, 2)

    return place


def quarters() -> Suite:
    """Are a bin's four samples taken at the centres of its quarters?"""
    mean, largest = align(), align(mode="max")
    at_points = jax.jit(lambda cells, places: bilinear_sample(cells[..., None], places, padding="border")[..., 0])

    def middles(box: Any) -> np.ndarray:
        edges = np.linspace(box[:2], box[2:], 2 * BINS + 1) - 0.5
        return (edges[1:] + edges[:-1]) / 2

    return Suite(
        subject=points(),
        draw=within,
        sizes=(1,),
        adversarial=[
            within(np.random.default_rng(0), 1) | {"box": np.array(b, float)} for b in ([0, 0, 6, 5], [2] * 4)
        ],
        properties={
            "their mean is RoIAlign's": lambda f, c: (
                np.asarray(at_points(c["cells"], f(c["box"]))).mean(-1),
                np.asarray(mean(c["cells"], c["box"])),
                10 * np.abs(c["cells"]).max(),
            ),
            "the largest is RoIAlign's maximum": lambda f, c: (
                np.asarray(at_points(c["cells"], f(c["box"]))).max(-1),
                np.asarray(largest(c["cells"], c["box"])),
                10 * np.abs(c["cells"]).max(),
            ),
            "the middles of the halves of a bin": lambda f, c: (
                np.stack([f(c["box"])[0, :, :2, 0].ravel(), f(c["box"])[:, 0, ::2, 1].ravel()], axis=1),
                middles(c["box"]),
                10.0,
            ),
        },
        mutants={
            "corners of the bin": points((0.0, 1.0)),
            "at thirds": points((1 / 3, 2 / 3)),
            "four times the centre": points((0.5, 0.5)),
            "half a cell off": points(shift=0.0),
            "nine": points((1 / 6, 0.5, 5 / 6)),
        },
    )


experiment = Experiment(suites={"bilinear": bilinear, "quarters": quarters})
